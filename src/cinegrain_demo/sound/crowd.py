"""Voices: several people who babble at once, and laughter."""

import numpy as np

from cinegrain.types import Float64
from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ, band, place, reverberate, slow_noise
from cinegrain_demo.sound.voice import N_VOWELS, glottis, speak_vowels


def crowd(rng: np.random.Generator, n_samples: int) -> Float64:
    """A few people talk in turn and now and then at once, over a faint murmur, with bursts of laughter."""
    length_s = n_samples / SAMPLE_RATE_HZ
    talk, murmur = np.zeros(n_samples), np.zeros(n_samples)
    _converse(rng, talk, n_speakers=int(rng.integers(2, 5)), pause_s=0.3)
    for _ in range(2):
        _converse(rng, murmur, n_speakers=3, pause_s=0.5)
    moment_s = float(rng.uniform(1, 5))
    while moment_s < length_s:
        for _ in range(int(rng.integers(1, 3))):
            place(talk, _laugh(rng), moment_s + float(rng.uniform(0, 0.3)), float(rng.uniform(0.4, 0.8)))
        moment_s += float(rng.uniform(4, 8))
    distance = float(rng.uniform(0.05, 0.2))
    return reverberate(rng, talk + distance * murmur, length_s=0.25, wet=0.15)


def _converse(rng: np.random.Generator, track: Float64, *, n_speakers: int, pause_s: float) -> None:
    """Phrases by speakers in random turn with pauses of about `pause_s`, in place; some interrupt each other."""
    pitches_hz = rng.choice([100, 115, 130, 180, 200, 220], n_speakers, replace=False) * rng.uniform(0.95, 1.05)
    statures = rng.uniform(0.95, 1.08, n_speakers) * np.where(pitches_hz > 160, 1.15, 1.0)
    moment_s = float(rng.uniform(0, 0.8))
    while moment_s < len(track) / SAMPLE_RATE_HZ:
        speaker = int(rng.integers(n_speakers))
        phrase = _phrase(rng, float(pitches_hz[speaker]), float(statures[speaker]))
        place(track, phrase, moment_s, float(rng.uniform(0.7, 1.0)))
        spoken_s = len(phrase) / SAMPLE_RATE_HZ
        moment_s += spoken_s * (0.7 if rng.random() < 0.15 else 1.0) + pause_s * float(rng.uniform(0.2, 1.8))


def _phrase(rng: np.random.Generator, pitch_hz: float, stature: float) -> Float64:
    """A breath of 4 to 12 syllables: a falling melody, gliding vowels, hissed and stopped consonants."""
    starts = np.concatenate([[0], np.cumsum(rng.uniform(0.12, 0.28, int(rng.integers(4, 13))))]) * SAMPLE_RATE_HZ
    n = int(starts[-1])
    at = np.arange(n)
    accents = np.interp(at, starts, 1 + 0.22 * rng.random(len(starts)))
    pitch = pitch_hz * accents * np.linspace(1.1, 0.82, n) * (1 + 0.03 * (slow_noise(rng, n, 25) - 0.5))
    source = glottis(pitch) + 0.015 * rng.normal(size=n)
    targets = rng.integers(0, N_VOWELS, len(starts))
    voiced = speak_vowels(source, starts, targets, stature)
    for start in starts[:-1]:
        kind = rng.random()
        gap = np.clip(np.abs(at - start) / (0.045 * SAMPLE_RATE_HZ), 0, 1) ** 1.5
        voiced *= gap if kind < 0.75 else 0.5 + 0.5 * gap
        if kind < 0.55:
            n_hiss = int(float(rng.uniform(0.015, 0.09)) * SAMPLE_RATE_HZ)
            low_hz = float(rng.choice([1800, 3000, 4200]))
            hiss = band(rng.normal(size=n_hiss), low_hz, low_hz * 2) * np.hanning(n_hiss)
            place(voiced, hiss, max(0.0, start / SAMPLE_RATE_HZ - 0.03), 0.12)
    edge = np.minimum(1, np.minimum(at, n - at) / (0.03 * SAMPLE_RATE_HZ))
    return voiced * edge


def _laugh(rng: np.random.Generator) -> Float64:
    """Ha ha ha: short breathy vowels about five times a second, falling in pitch."""
    n_calls, interval_s = int(rng.integers(4, 9)), float(rng.uniform(0.17, 0.22))
    n = int(n_calls * interval_s * SAMPLE_RATE_HZ)
    beat = np.mod(np.arange(n) / SAMPLE_RATE_HZ / interval_s, 1.0)
    pitch_hz = float(rng.choice([150, 210, 280]) * rng.uniform(0.9, 1.15))
    pitch = pitch_hz * np.linspace(1.25, 0.85, n) * (1.1 - 0.2 * beat)
    source = glottis(pitch) * np.sin(np.pi * np.clip(beat / 0.55, 0, 1)) + 0.06 * rng.normal(size=n) * np.exp(-4 * beat)
    return speak_vowels(source, np.array([0.0, n]), np.array([3, 3]), 1.1) * np.linspace(1, 0.5, n)
