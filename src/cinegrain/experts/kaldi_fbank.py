"""Log-mel pictures of sound as Kaldi's `compute-fbank-feats` makes them, on samples in -1..1."""

from functools import lru_cache

import numpy as np

from cinegrain.experts.log_mel import mel_matrix
from cinegrain.types import SOUND_RATE_HZ, Float32

WINDOW, STEP = 400, 160  # samples: 25 ms, 10 ms
_FFT = 512
_MIN_HZ = 20.0
_PRE_EMPHASIS = 0.97
_FLOOR = 2.0**-23  # the smallest step of a float32, before the logarithm
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))


def n_samples(n_frames: int) -> int:
    """Samples that give exactly `n_frames` frames."""
    return (n_frames - 1) * STEP + WINDOW


def kaldi_fbank(sound: Float32, *, n_bands: int) -> Float32:
    """Log of mel-filtered power, a frame every 10 ms; a rest at the end is dropped.

    Each frame loses its mean, is pre-emphasised by itself, and weighted by a symmetric Hann window.

    Args:
        sound: Mono at 16 kHz, -1..1, shape (n,), n >= 1; shorter than one window, it is padded with zeros.
        n_bands: Number of mel bands from 20 Hz to 8 kHz.

    Returns:
        Shape (1 + (n - 400) // 160, n_bands).

    Source: Povey et al. 2011, Kaldi; the settings of Gong et al. 2021 (AST), arXiv:2104.01778.
    """
    if len(sound) < WINDOW:
        sound = np.pad(sound, (0, WINDOW - len(sound)))
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), WINDOW)[::STEP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft((frames - _PRE_EMPHASIS * before) * _HANN, _FFT)) ** 2
    return np.log(np.maximum(power @ _filters(n_bands), _FLOOR)).astype(np.float32)


@lru_cache(maxsize=2)
def _filters(n_bands: int) -> Float32:
    return mel_matrix(n_bands=n_bands, min_hz=_MIN_HZ, max_hz=SOUND_RATE_HZ / 2)
