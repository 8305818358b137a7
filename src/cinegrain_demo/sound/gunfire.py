"""Gunfire and explosions over the rumble of an engine."""

import numpy as np

from cinegrain.types import Float64
from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ, band, decay, place, reverberate, seconds, slow_noise, sweep


def gunfire(rng: np.random.Generator, n_samples: int) -> Float64:
    """Bursts of shots and a few explosions over a revving engine."""
    length_s = n_samples / SAMPLE_RATE_HZ
    shots, blasts = np.zeros(n_samples), np.zeros(n_samples)
    moment_s = float(rng.uniform(0.1, 0.6))
    while moment_s < length_s:
        kind = rng.random()
        if kind < 0.5:
            moment_s += _burst(rng, shots, moment_s)
        elif kind < 0.78:
            place(shots, _shot(rng), moment_s, float(rng.uniform(0.7, 1.2)))
        else:
            place(blasts, _explosion(rng), moment_s, float(rng.uniform(0.8, 1.3)))
        moment_s += float(rng.uniform(0.25, 1.1))
    return reverberate(rng, shots + 1.4 * blasts, length_s=0.9, wet=0.35) + 0.3 * _engine(rng, n_samples)


def _burst(rng: np.random.Generator, track: Float64, start_s: float) -> float:
    """A machine gun; returns how long it fired."""
    interval_s, count = 1 / float(rng.uniform(8, 14)), int(rng.integers(5, 16))
    shot = _shot(rng)
    for number in range(count):
        place(track, shot, start_s + number * interval_s, float(rng.uniform(0.75, 1.0)))
    return count * interval_s


def _shot(rng: np.random.Generator) -> Float64:
    n = int(0.35 * SAMPLE_RATE_HZ)
    crack = rng.normal(size=n) * decay(n, float(rng.uniform(0.008, 0.018)), 0.0005)
    body = band(rng.normal(size=n), None, float(rng.uniform(700, 1500))) * decay(n, 0.035, 0.0005) * 2.5
    thump = np.sin(sweep(np.linspace(160, 50, n))) * decay(n, 0.03)
    shot: Float64 = np.tanh(1.6 * (0.6 * crack + body + 0.8 * thump))
    return shot


def _explosion(rng: np.random.Generator) -> Float64:
    n = int(float(rng.uniform(1.6, 2.8)) * SAMPLE_RATE_HZ)
    rumble = band(np.cumsum(rng.normal(size=n)) * 0.02, 25, 300) * 3
    blast = band(rng.normal(size=n), None, 900) * decay(n, 0.18, 0.004) * 2.2
    debris = band(rng.normal(size=n), 1200, None) * decay(n, 0.09, 0.001) * 0.7
    return np.tanh(1.5 * (rumble * decay(n, 0.5, 0.01) + blast + debris))


def _engine(rng: np.random.Generator, n_samples: int) -> Float64:
    firing_hz = float(rng.uniform(45, 75)) * (0.8 + 0.9 * slow_noise(rng, n_samples, 0.7))
    phase = sweep(firing_hz)
    pulse = sum(np.sin(k * phase + rng.uniform(0, 6.28)) / k**0.7 for k in range(1, 14))
    stroke = 0.6 + 0.4 * np.sin(phase / 2)
    intake = band(rng.normal(size=n_samples), 150, 1800) * (0.5 + 0.5 * np.sin(phase))
    vibration = 1 + 0.1 * np.sin(2 * np.pi * 7 * seconds(n_samples))
    return np.tanh((0.5 * np.asarray(pulse) * stroke + 0.5 * intake) * vibration)
