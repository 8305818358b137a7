"""Synthesiser arpeggios, a pulsing bass, and electronic beeps."""

import numpy as np
from scipy import signal

from cinegrain.types import Float64
from cinegrain_demo.sound.tones import (
    SAMPLE_RATE_HZ,
    band,
    decay,
    midi_hz,
    place,
    reverberate,
    seconds,
    slow_noise,
    sweep,
)

_MINOR = (0, 3, 5, 7, 10, 12, 15, 19)


def synth(rng: np.random.Generator, n_samples: int) -> Float64:
    """Sixteenth notes on a saw or square wave, with sweeps and beeps."""
    length_s = n_samples / SAMPLE_RATE_HZ
    root = int(rng.integers(45, 56))
    step_s = 60 / float(rng.uniform(96, 138)) / 4
    pattern = [_MINOR[i] for i in rng.permutation(len(_MINOR))]
    square = bool(rng.random() < 0.5)
    lead, bass = np.zeros(n_samples), np.zeros(n_samples)
    for step in range(int(length_s / step_s)):
        shift = (0, 0, -4, -2)[(step // 32) % 4]
        note = root + 12 + pattern[step % len(pattern)] + shift
        place(lead, _blip(midi_hz(note), step_s * 1.6, square=square), step * step_s, 0.5)
        if step % 4 in (0, 2):
            place(bass, _blip(midi_hz(root - 12 + shift), step_s * 2, square=False), step * step_s, 0.7)
    opening = slow_noise(rng, n_samples, 0.3)
    lead = band(lead, None, 1200) * (1 - opening) + band(lead, None, 6000) * opening
    track = lead + band(bass, None, 500) + 0.18 * _pad(rng, n_samples, root)
    for start_s in rng.uniform(0, length_s, int(length_s * 0.6)):
        place(track, _beeps(rng), float(start_s), float(rng.uniform(0.12, 0.3)))
    return reverberate(rng, track, length_s=1.2, wet=0.3)


def _blip(frequency_hz: float, length_s: float, *, square: bool) -> Float64:
    n = int(length_s * SAMPLE_RATE_HZ)
    phase = 2 * np.pi * frequency_hz * seconds(n)
    wave: Float64 = signal.square(phase) if square else signal.sawtooth(phase)
    return wave * decay(n, length_s / 3, 0.004) * np.minimum(1, (n - np.arange(n)) / 200)


def _pad(rng: np.random.Generator, n_samples: int, root: int) -> Float64:
    t = seconds(n_samples)
    chord = np.zeros(n_samples)
    for semitone in (0, 7, 12, 15):
        for detune in (0.997, 1.004):
            chord += signal.sawtooth(2 * np.pi * midi_hz(root + semitone) * detune * t + float(rng.uniform(0, 6)))
    return band(chord, 150, 1400) * (0.5 + 0.5 * slow_noise(rng, n_samples, 0.5))


def _beeps(rng: np.random.Generator) -> Float64:
    """A run of computer beeps, or one rising sweep."""
    if rng.random() < 0.25:
        n = int(1.2 * SAMPLE_RATE_HZ)
        return np.sin(sweep(np.geomspace(200, float(rng.uniform(1500, 4000)), n))) * np.hanning(n)
    parts = []
    for _ in range(int(rng.integers(2, 7))):
        n = int(float(rng.uniform(0.04, 0.1)) * SAMPLE_RATE_HZ)
        tone = np.sin(2 * np.pi * float(rng.choice([880, 1200, 1567, 2093, 2637])) * seconds(n))
        parts += [tone * np.minimum(1, np.minimum(np.arange(n), n - np.arange(n)) / 60), np.zeros(n // 2)]
    return np.concatenate(parts)
