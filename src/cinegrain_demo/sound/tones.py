"""The means of the sound studio: filters, envelopes, placing of notes, reverberation."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import signal

from cinegrain.types import Float64

SAMPLE_RATE_HZ = 24_000


def seconds(n_samples: int) -> Float64:
    """Time of every sample."""
    return np.arange(n_samples) / SAMPLE_RATE_HZ


def band(samples: Float64, low_hz: float | None, high_hz: float | None, *, order: int = 2) -> Float64:
    """Keep what lies between two frequencies; None leaves that side open."""
    if low_hz is None:
        filters = signal.butter(order, high_hz, "lowpass", fs=SAMPLE_RATE_HZ, output="sos")
    elif high_hz is None:
        filters = signal.butter(order, low_hz, "highpass", fs=SAMPLE_RATE_HZ, output="sos")
    else:
        filters = signal.butter(order, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    filtered: Float64 = signal.sosfilt(filters, samples)
    return filtered


def slow_noise(rng: np.random.Generator, n_samples: int, rate_hz: float) -> Float64:
    """A smooth random curve in 0..1 that changes about `rate_hz` times a second."""
    n_knots = max(4, int(n_samples / SAMPLE_RATE_HZ * rate_hz) + 4)
    places = np.linspace(0, n_samples, n_knots)
    curve: Float64 = np.interp(np.arange(n_samples), places, rng.random(n_knots))
    return curve


def decay(n_samples: int, half_life_s: float, attack_s: float = 0.002) -> Float64:
    """Envelope with a short rise and an exponential fall."""
    t = seconds(n_samples)
    envelope: Float64 = np.minimum(1, t / attack_s) * 0.5 ** (t / half_life_s)
    return envelope


def sweep(frequency_hz: ArrayLike) -> Float64:
    """Phase in radians of a tone whose frequency runs through the given values."""
    phase: Float64 = 2 * np.pi * np.cumsum(np.asarray(frequency_hz, np.float64)) / SAMPLE_RATE_HZ
    return phase


def place(track: Float64, part: Float64, start_s: float, gain: float = 1.0) -> None:
    """Add a part to a track from a moment on, in place; what hangs over the end is cut off."""
    start = int(start_s * SAMPLE_RATE_HZ)
    stop = min(len(track), start + len(part))
    if start < stop:
        track[start:stop] += gain * part[: stop - start]


def reverberate(rng: np.random.Generator, samples: Float64, *, length_s: float, wet: float) -> Float64:
    """Put the sound into a room whose echo dies in about `length_s`."""
    n_samples = int(length_s * SAMPLE_RATE_HZ)
    echo = band(rng.normal(size=n_samples), None, 5000) * 0.5 ** (seconds(n_samples) / (length_s / 7))
    echo /= np.sqrt(np.sum(echo**2))
    blurred: Float64 = signal.oaconvolve(samples, echo)[: len(samples)]
    return samples + wet * blurred


def midi_hz(note: float) -> float:
    """Frequency of a MIDI note number; 69 is A at 440 Hz."""
    return float(440 * 2 ** ((note - 69) / 12))
