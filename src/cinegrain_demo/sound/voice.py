"""A human voice: the pulses of the glottis, and the resonances that make vowels of them."""

import numpy as np
from scipy import signal

from cinegrain.types import Float64, Int64
from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ, sweep

# First three formants of vowels, hertz. Source: Peterson and Barney 1952, men; the fourth is a usual value.
_VOWELS = (
    (270, 2290, 3010, 3600),
    (530, 1840, 2480, 3500),
    (660, 1720, 2410, 3500),
    (730, 1090, 2440, 3400),
    (570, 840, 2410, 3300),
    (300, 870, 2240, 3300),
)
_BANDWIDTHS_HZ = (70, 90, 130, 200)
N_VOWELS = len(_VOWELS)


def glottis(pitch_hz: Float64) -> Float64:
    """Air flow through the glottis as it radiates from the lips, for a pitch at every sample.

    Source: Rosenberg 1971, pulse C, differentiated.
    """
    cycle = np.mod(sweep(pitch_hz) / (2 * np.pi), 1.0)
    opening = 0.5 * (1 - np.cos(np.pi * cycle / 0.4))
    closing = np.cos(np.pi / 2 * (cycle - 0.4) / 0.16)
    flow = np.where(cycle < 0.4, opening, np.where(cycle < 0.56, closing, 0.0))
    return np.diff(flow, prepend=flow[0])


def speak_vowels(source: Float64, starts: Float64, vowels: Int64, stature: float) -> Float64:
    """The source with the vowels `vowels`, shape (n,), reached at samples `starts` and gliding in between.

    `stature` scales all formants: above 1 is a shorter vocal tract.
    """
    at = np.arange(len(source))
    spoken = np.zeros(len(source))
    for vowel in set(vowels.tolist()):
        share = np.interp(at, starts, (vowels == vowel).astype(np.float64))
        spoken += share * signal.sosfilt(_tract(_VOWELS[vowel], stature), source)
    return spoken


def _tract(formants_hz: tuple[int, ...], stature: float) -> Float64:
    """Resonators in a row as second-order sections, each with a gain of 1 at 0 Hz."""
    sections = []
    for formant_hz, bandwidth_hz in zip(formants_hz, _BANDWIDTHS_HZ, strict=True):
        radius = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE_HZ)
        turn = 2 * np.pi * min(formant_hz * stature, 0.45 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
        poles = [1.0, -2 * radius * np.cos(turn), radius**2]
        sections.append([sum(poles), 0.0, 0.0, *poles])
    return np.array(sections)
