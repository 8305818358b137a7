"""The open air: birds, wind, running water, waves."""

import numpy as np

from cinegrain.types import Float64
from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ, band, place, reverberate, seconds, slow_noise, sweep


def nature(rng: np.random.Generator, n_samples: int) -> Float64:
    """Wind always, birds nearly always, and a stream, waves or neither."""
    track = 0.35 * float(rng.uniform(0.4, 1.0)) * _wind(rng, n_samples)
    water = rng.random()
    if water < 0.4:
        track += 0.4 * _stream(rng, n_samples)
    elif water < 0.75:
        track += 0.6 * _waves(rng, n_samples)
    birds = np.zeros(n_samples)
    for _ in range(int(rng.integers(2, 5))):
        _sing(rng, birds)
    return track + reverberate(rng, birds, length_s=0.8, wet=0.25) * float(rng.uniform(0.5, 1.0))


def _wind(rng: np.random.Generator, n_samples: int) -> Float64:
    gusts = slow_noise(rng, n_samples, 0.8)
    low = band(rng.normal(size=n_samples), 80, 500) * (0.3 + gusts)
    leaves = band(rng.normal(size=n_samples), 1500, 6000) * gusts**2 * 0.35
    return low + leaves


def _stream(rng: np.random.Generator, n_samples: int) -> Float64:
    rush = band(rng.normal(size=n_samples), 400, 5000) * (0.35 + 0.2 * slow_noise(rng, n_samples, 9))
    bubbles = np.zeros(n_samples)
    for start_s in rng.uniform(0, n_samples / SAMPLE_RATE_HZ, int(n_samples / SAMPLE_RATE_HZ * 22)):
        n = int(float(rng.uniform(0.02, 0.07)) * SAMPLE_RATE_HZ)
        first_hz = float(rng.uniform(350, 1400))
        drop = np.sin(sweep(np.linspace(first_hz, first_hz * 1.5, n))) * np.hanning(n)
        place(bubbles, drop, float(start_s), float(rng.uniform(0.1, 0.5)))
    return rush + bubbles


def _waves(rng: np.random.Generator, n_samples: int) -> Float64:
    t = seconds(n_samples)
    period_s = float(rng.uniform(4.5, 7.5))
    beat = np.mod(t / period_s + float(rng.random()), 1.0)
    surge = np.where(beat < 0.35, (beat / 0.35) ** 2, ((1 - beat) / 0.65) ** 1.5)
    surf = band(rng.normal(size=n_samples), 150, 5500)
    return surf * (0.12 + surge) * (0.7 + 0.3 * slow_noise(rng, n_samples, 3))


def _sing(rng: np.random.Generator, track: Float64) -> None:
    """One bird repeats its phrase with pauses, in place."""
    phrase = _phrase(rng)
    gain = float(rng.uniform(0.15, 0.6))
    moment_s = float(rng.uniform(0, 2.5))
    while moment_s < len(track) / SAMPLE_RATE_HZ:
        place(track, phrase, moment_s, gain * float(rng.uniform(0.7, 1.2)))
        moment_s += len(phrase) / SAMPLE_RATE_HZ + float(rng.uniform(0.4, 2.6))


def _phrase(rng: np.random.Generator) -> Float64:
    home_hz = float(rng.uniform(2200, 5200))
    syllables = []
    bend = rng.uniform(-0.35, 0.35, 3)
    for _ in range(int(rng.integers(3, 10))):
        n = int(float(rng.uniform(0.04, 0.13)) * SAMPLE_RATE_HZ)
        shape = home_hz * (1 + np.interp(np.linspace(0, 1, n), [0, 0.5, 1], bend * float(rng.uniform(0.6, 1.2))))
        trill = 1 + 0.08 * np.sin(2 * np.pi * float(rng.uniform(25, 60)) * seconds(n)) * (rng.random() < 0.4)
        phase = sweep(shape * trill)
        syllables += [(np.sin(phase) + 0.15 * np.sin(2 * phase)) * np.hanning(n)]
        syllables += [np.zeros(int(float(rng.uniform(0.02, 0.09)) * SAMPLE_RATE_HZ))]
    return np.concatenate(syllables)
