"""Warm music in a major key on a plucked string or a piano."""

import numpy as np
from scipy import signal

from cinegrain.types import Float64
from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ, band, decay, midi_hz, place, reverberate, seconds

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_PROGRESSIONS = ((0, 4, 5, 3), (0, 3, 4, 0), (0, 5, 3, 4), (0, 2, 3, 4), (3, 0, 4, 5))
_FIGURES = ((0, 2, 4, 2), (0, 4, 2, 4), (0, 2, 4, 7), (7, 4, 2, 0))


def melody(rng: np.random.Generator, n_samples: int) -> Float64:
    """Broken chords with a tune above them and a bass below."""
    track = np.zeros(n_samples)
    key = int(rng.integers(50, 62))
    beat_s = 60 / float(rng.uniform(72, 112))
    chords = _PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))]
    figure = _FIGURES[int(rng.integers(len(_FIGURES)))]
    voice = _pluck if rng.random() < 0.5 else _piano
    degree = 7
    for beat in range(int(n_samples / SAMPLE_RATE_HZ / beat_s) + 1):
        root = chords[(beat // 4) % len(chords)]
        start_s = beat * beat_s
        if beat % 4 == 0:
            place(track, voice(rng, midi_hz(_note(key - 12, root)), 2.5), start_s, 0.8)
        for half in (0, 1):
            step = root + figure[(2 * beat + half) % len(figure)]
            late_s = float(rng.uniform(0, 0.012))
            place(track, voice(rng, midi_hz(_note(key, step)), 1.4), start_s + half * beat_s / 2 + late_s, 0.45)
        if rng.random() < 0.72:
            degree = int(np.clip(degree + rng.choice([-2, -1, -1, 1, 1, 2]), 5, 13))
            tune = degree if rng.random() < 0.5 else root + 7
            place(track, voice(rng, midi_hz(_note(key + 12, tune)), 1.8), start_s, 0.8)
    return reverberate(rng, track, length_s=1.4, wet=0.3)


def _note(key: int, degree: int) -> int:
    """MIDI number of a degree of the major scale; 7 is an octave."""
    return key + 12 * (degree // 7) + _MAJOR[degree % 7]


def _pluck(rng: np.random.Generator, frequency_hz: float, length_s: float) -> Float64:
    """A plucked string. Source: Karplus and Strong 1983, as one recursive filter."""
    n = int(length_s * SAMPLE_RATE_HZ)
    period = round(SAMPLE_RATE_HZ / frequency_hz)
    excitation = np.zeros(n)
    excitation[:period] = band(rng.uniform(-1, 1, period), None, 4000, order=1)
    loop = np.zeros(period + 2)
    loop[0], loop[period], loop[period + 1] = 1, -0.498, -0.498
    string: Float64 = signal.lfilter([1.0], loop, excitation)
    return 1.4 * string


def _piano(rng: np.random.Generator, frequency_hz: float, length_s: float) -> Float64:
    """A struck string: slightly stretched harmonics, the high ones dying first."""
    n = int(length_s * SAMPLE_RATE_HZ)
    t = seconds(n)
    tone = np.zeros(n)
    for k in range(1, 8):
        partial_hz = frequency_hz * k * np.sqrt(1 + 0.0006 * k**2)
        tone += np.sin(2 * np.pi * partial_hz * t) * 0.5 ** (t / (0.55 / k**0.8)) / k**1.3
    hammer = band(rng.normal(size=n), 200, 2500) * decay(n, 0.006)
    return 0.6 * (tone * np.minimum(1, t / 0.004) + 0.15 * hammer)
