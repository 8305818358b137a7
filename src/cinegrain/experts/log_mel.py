"""Log-mel spectrograms as published networks take them: those of VGGish and YAMNet, of MusiCNN, and Kaldi's."""

from functools import lru_cache

import numpy as np

from cinegrain.types import SOUND_RATE_HZ, Float32, Float64

PATCH_FRAMES, N_BANDS = 96, 64
_WINDOW, _STEP, _FFT = 400, 160, 512  # samples: 25 ms, 10 ms
_MIN_HZ, _MAX_HZ = 125.0, 7500.0
_PATCH_SAMPLES = (PATCH_FRAMES - 1) * _STEP + _WINDOW

MUSIC_FRAMES, MUSIC_BANDS = 187, 96
_MUSIC_STEP = 256  # samples: 16 ms, with windows of 32 ms
_MUSIC_SAMPLES = (MUSIC_FRAMES - 1) * _MUSIC_STEP
_GAIN = 10_000.0
_LINEAR_MEL_HZ, _LINEAR_TO_HZ, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27

_KALDI_MIN_HZ = 20.0
_KALDI_PRE_EMPHASIS = 0.97
_KALDI_FLOOR = 2.0**-23  # the smallest step of a float32, before the logarithm
_KALDI_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / (_WINDOW - 1))


def mel_matrix(*, n_bands: int = N_BANDS, min_hz: float = _MIN_HZ, max_hz: float = _MAX_HZ) -> Float32:
    """Triangular HTK mel filters, shape (257, n_bands), as TensorFlow's `linear_to_mel_weight_matrix`."""

    def mel(hz: Float64) -> Float64:
        return np.asarray(1127.0 * np.log1p(hz / 700.0), dtype=np.float64)

    bins = mel(np.linspace(0.0, SOUND_RATE_HZ / 2, _FFT // 2 + 1))[:, None]
    edges = np.linspace(mel(np.asarray(min_hz)), mel(np.asarray(max_hz)), n_bands + 2)
    weights = _triangles(bins, edges)
    weights[0] = 0.0
    return weights.astype(np.float32)


def _triangles(bins: Float64, edges: Float64) -> Float64:
    """Filters that rise from one edge to the next and fall to the one after, shape (bins, edges - 2)."""
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    return np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))


_MEL = mel_matrix()
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)


def log_mel_patches(sound: Float32, *, offset: float, hop_frames: int) -> Float32:
    """VGGish's and YAMNet's patches of 96 frames (0.96 s), 64 HTK bands; a rest at the end is dropped.

    Sound that is too short is repeated to fill one patch.

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


def slaney_matrix() -> Float32:
    """Triangular mel filters of equal area, shape (257, 96), as librosa's `filters.mel` has them by default.

    Source: Slaney 1998, Auditory Toolbox: the scale is linear up to 1 kHz and logarithmic above.
    """
    highest = _LINEAR_TO_HZ / _LINEAR_MEL_HZ + np.log(SOUND_RATE_HZ / 2 / _LINEAR_TO_HZ) / _LOG_STEP
    edges = _hz(np.linspace(0.0, highest, MUSIC_BANDS + 2))
    bins = np.linspace(0.0, SOUND_RATE_HZ / 2, _FFT // 2 + 1)[:, None]
    return (_triangles(bins, edges) * 2 / (edges[2:] - edges[:-2])).astype(np.float32)


def _hz(mel: Float64) -> Float64:
    bend = _LINEAR_TO_HZ / _LINEAR_MEL_HZ
    above = _LINEAR_TO_HZ * np.exp(_LOG_STEP * (np.maximum(mel, bend) - bend))
    return np.where(mel < bend, _LINEAR_MEL_HZ * mel, above)


_MUSIC_MEL = slaney_matrix()
_MUSIC_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)


def music_patches(sound: Float32) -> Float32:
    """MusiCNN's patches of 187 frames (3 s), 96 Slaney bands; short sound is repeated, a rest at the end is dropped.

    The published code rounds the bands to float16, in which loud music becomes infinite; here they stay float32.

    Args:
        sound: Mono at 16 kHz, -1..1, shape (n,), n >= 1.

    Returns:
        Shape (p, 187, 96).
    """
    if len(sound) < _MUSIC_SAMPLES:
        sound = np.resize(sound, _MUSIC_SAMPLES)  # repeats it, as in training
    # Frame i is centred on sample i * 256, as librosa does it.
    centred = np.pad(sound, _FFT // 2, mode="reflect")
    bands = magnitudes(centred, _MUSIC_HANN, step=_MUSIC_STEP, fft=_FFT) ** 2 @ _MUSIC_MEL
    log_mel = np.log10(_GAIN * bands + 1)
    return cut_patches(log_mel, n_frames=MUSIC_FRAMES, hop_frames=MUSIC_FRAMES)


def n_samples(n_frames: int) -> int:
    """Samples that give `kaldi_fbank` exactly `n_frames` frames."""
    return (n_frames - 1) * _STEP + _WINDOW


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
    if len(sound) < _WINDOW:
        sound = np.pad(sound, (0, _WINDOW - len(sound)))
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), _WINDOW)[::_STEP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft((frames - _KALDI_PRE_EMPHASIS * before) * _KALDI_HANN, _FFT)) ** 2
    return np.log(np.maximum(power @ _kaldi_filters(n_bands), _KALDI_FLOOR)).astype(np.float32)


@lru_cache(maxsize=2)
def _kaldi_filters(n_bands: int) -> Float32:
    return mel_matrix(n_bands=n_bands, min_hz=_KALDI_MIN_HZ, max_hz=SOUND_RATE_HZ / 2)
