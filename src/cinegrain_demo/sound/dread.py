"""A dark drone with heartbeats, whispers of wind, and stingers."""

import numpy as np

from cinegrain.types import Float64
from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ, band, decay, place, reverberate, seconds, slow_noise, sweep


def dread(rng: np.random.Generator, n_samples: int) -> Float64:
    """Drone throughout; heartbeats in most of it; a stinger now and then."""
    length_s = n_samples / SAMPLE_RATE_HZ
    track = 0.5 * _drone(rng, n_samples) + 0.25 * _howl(rng, n_samples)
    beat_s = 60 / float(rng.uniform(52, 96))
    moment_s = float(rng.uniform(0, 2))
    while moment_s < length_s:
        place(track, _thump(rng, 58), moment_s, 1.0)
        place(track, _thump(rng, 48), moment_s + 0.28 * min(1.0, beat_s), 0.7)
        moment_s += beat_s
    moment_s = float(rng.uniform(2, 5))
    while moment_s < length_s:
        stinger = _stinger(rng) if rng.random() < 0.7 else _creak(rng)
        place(track, stinger, moment_s, float(rng.uniform(0.4, 0.8)))
        moment_s += float(rng.uniform(3.0, 6.5))
    return reverberate(rng, track, length_s=2.4, wet=0.6)


def _drone(rng: np.random.Generator, n_samples: int) -> Float64:
    root_hz = float(rng.uniform(36, 60))
    total = np.zeros(n_samples)
    for ratio in (1.0, 1.006, 1.498, 2.12, 2.0):
        hz = root_hz * ratio * (1 + 0.004 * (slow_noise(rng, n_samples, 0.3) - 0.5))
        phase = sweep(hz)
        voice = np.sin(phase) + np.sin(2 * phase) / 2 + np.sin(3 * phase) / 3 + np.sin(5 * phase) / 5
        total += voice * (0.3 + 0.7 * slow_noise(rng, n_samples, 0.4))
    return np.tanh(0.6 * total)


def _howl(rng: np.random.Generator, n_samples: int) -> Float64:
    low = band(rng.normal(size=n_samples), 300, 420, order=2)
    high = band(rng.normal(size=n_samples), 700, 860, order=2)
    return 2.0 * (low * slow_noise(rng, n_samples, 0.5) ** 2 + high * slow_noise(rng, n_samples, 0.6) ** 3)


def _thump(rng: np.random.Generator, frequency_hz: float) -> Float64:
    n = int(0.3 * SAMPLE_RATE_HZ)
    body = np.sin(sweep(np.linspace(frequency_hz * 1.5, frequency_hz * 0.8, n))) * decay(n, 0.05, 0.008)
    return np.tanh(2 * body) + 0.1 * band(rng.normal(size=n), None, 200) * decay(n, 0.03)


def _stinger(rng: np.random.Generator) -> Float64:
    """A cluster of high strings that swells or strikes."""
    n = int(float(rng.uniform(1.5, 2.6)) * SAMPLE_RATE_HZ)
    t = seconds(n)
    root_hz = float(rng.uniform(420, 900))
    total = np.zeros(n)
    for semitone in (0, 1, 2, 6, 7, 13):
        vibrato = 1 + 0.006 * np.sin(2 * np.pi * float(rng.uniform(5, 7)) * t + float(rng.uniform(0, 6)))
        phase = sweep(root_hz * 2 ** (semitone / 12) * vibrato)
        total += np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.33 * np.sin(3 * phase)
    envelope = decay(n, 0.5, 0.01) if rng.random() < 0.6 else (t / t[-1]) ** 3
    return 0.3 * total * envelope


def _creak(rng: np.random.Generator) -> Float64:
    """A door hinge: a slow train of clicks through wooden resonances."""
    n = int(float(rng.uniform(0.8, 1.6)) * SAMPLE_RATE_HZ)
    phase = sweep(np.interp(np.arange(n), [0, n * 0.4, n], [40, 120, 55]) * (1 + 0.2 * slow_noise(rng, n, 6)))
    clicks = np.diff(np.floor(phase / (2 * np.pi)), prepend=0.0)
    return 6 * band(clicks, 500, 700) + 4 * band(clicks, 1300, 1700)
