"""Log-mel pictures of sound as MusiCNN wants them: 96 Slaney bands, 32 ms windows every 16 ms."""

import numpy as np

from cinegrain.experts.log_mel import cut_patches, magnitudes
from cinegrain.types import SOUND_RATE_HZ, Float32, Float64

PATCH_FRAMES, N_BANDS = 187, 96
_FFT, _STEP = 512, 256  # samples: 32 ms, 16 ms
_GAIN = 10_000.0
_LINEAR_MEL_HZ, _LINEAR_TO_HZ, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27
_PATCH_SAMPLES = (PATCH_FRAMES - 1) * _STEP


def slaney_matrix() -> Float32:
    """Triangular mel filters of equal area, shape (257, 96), as librosa's `filters.mel` has them by default.

    Source: Slaney 1998, Auditory Toolbox: the scale is linear up to 1 kHz and logarithmic above.
    """
    highest = _LINEAR_TO_HZ / _LINEAR_MEL_HZ + np.log(SOUND_RATE_HZ / 2 / _LINEAR_TO_HZ) / _LOG_STEP
    edges = _hz(np.linspace(0.0, highest, N_BANDS + 2))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.linspace(0.0, SOUND_RATE_HZ / 2, _FFT // 2 + 1)[:, None]
    triangles = np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    return (triangles * 2 / (high - low)).astype(np.float32)


def _hz(mel: Float64) -> Float64:
    bend = _LINEAR_TO_HZ / _LINEAR_MEL_HZ
    above = _LINEAR_TO_HZ * np.exp(_LOG_STEP * (np.maximum(mel, bend) - bend))
    return np.where(mel < bend, _LINEAR_MEL_HZ * mel, above)


_MEL = slaney_matrix()
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)


def log_mel_patches(sound: Float32) -> Float32:
    """Patches of 187 frames (3 s) that do not overlap; short sound is repeated, a rest at the end is dropped.

    The published code rounds the bands to float16, in which loud music becomes infinite; here they stay float32.

    Args:
        sound: Mono at 16 kHz, -1..1, shape (n,), n >= 1.

    Returns:
        Shape (p, 187, 96).
    """
    if len(sound) < _PATCH_SAMPLES:
        sound = np.resize(sound, _PATCH_SAMPLES)  # repeats it, as in training
    # Frame i is centred on sample i * 256, as librosa does it.
    centred = np.pad(sound, _FFT // 2, mode="reflect")
    bands = magnitudes(centred, _HANN, step=_STEP, fft=_FFT) ** 2 @ _MEL
    log_mel = np.log10(_GAIN * bands + 1)
    return cut_patches(log_mel, n_frames=PATCH_FRAMES, hop_frames=PATCH_FRAMES)
