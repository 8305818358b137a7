"""Log-mel pictures of sound as VGGish and YAMNet want them: 64 HTK bands, 25 ms windows every 10 ms."""

import numpy as np

from cinegrain.types import SOUND_RATE_HZ, Float32, Float64

PATCH_FRAMES, N_BANDS = 96, 64
_WINDOW, _STEP, _FFT = 400, 160, 512  # samples: 25 ms, 10 ms
_MIN_HZ, _MAX_HZ = 125.0, 7500.0
_PATCH_SAMPLES = (PATCH_FRAMES - 1) * _STEP + _WINDOW


def mel_matrix(*, n_bands: int = N_BANDS, min_hz: float = _MIN_HZ, max_hz: float = _MAX_HZ) -> Float32:
    """Triangular HTK mel filters, shape (257, n_bands), as TensorFlow's `linear_to_mel_weight_matrix`."""

    def mel(hz: Float64) -> Float64:
        return np.asarray(1127.0 * np.log1p(hz / 700.0), dtype=np.float64)

    bins = mel(np.linspace(0.0, SOUND_RATE_HZ / 2, _FFT // 2 + 1))[:, None]
    edges = np.linspace(mel(np.asarray(min_hz)), mel(np.asarray(max_hz)), n_bands + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    weights[0] = 0.0
    return weights.astype(np.float32)


_MEL = mel_matrix()
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)


def log_mel_patches(sound: Float32, *, offset: float, hop_frames: int) -> Float32:
    """Patches of 96 frames (0.96 s); short sound is repeated to fill one patch, a rest at the end is dropped.

    Args:
        sound: Mono at 16 kHz, -1..1, shape (n,), n >= 1.
        offset: Added before the logarithm.
        hop_frames: From one patch to the next, in frames of 10 ms.

    Returns:
        Shape (p, 1, 96, 64).
    """
    if len(sound) < _PATCH_SAMPLES:
        sound = np.resize(sound, _PATCH_SAMPLES)  # zeros would be heard as a sound that breaks off
    log_mel = np.log(magnitudes(sound, _HANN, step=_STEP, fft=_FFT) @ _MEL + offset)
    return cut_patches(log_mel, n_frames=PATCH_FRAMES, hop_frames=hop_frames)[:, None]


def magnitudes(sound: Float32, window: Float32, *, step: int, fft: int) -> Float32:
    """Magnitude spectra of the windows that lie wholly in the sound, shape (t, fft / 2 + 1).

    Args:
        sound: Shape (n,), n at least the window's length.
        window: Weights, shape (w,), w <= fft.
        step: Samples from one window to the next.
        fft: Length of the transform.
    """
    frames = np.lib.stride_tricks.sliding_window_view(sound, len(window))[::step]
    return np.abs(np.fft.rfft(frames * window, fft)).astype(np.float32)


def cut_patches(log_mel: Float32, *, n_frames: int, hop_frames: int) -> Float32:
    """Patches of n frames every `hop_frames`; a rest at the end is dropped. From (t, bands) to (p, n_frames, bands)."""
    patches = np.lib.stride_tricks.sliding_window_view(log_mel, n_frames, axis=0)[::hop_frames]
    return np.ascontiguousarray(patches.transpose(0, 2, 1), dtype=np.float32)
