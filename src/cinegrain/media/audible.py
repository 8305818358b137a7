"""Which part of a film's sound can be heard."""

import numpy as np

from cinegrain.types import SOUND_RATE_HZ, Bool, Float32, Float64

QUIETEST_DBFS = -60.0
"""What is quieter is inaudible in every film: room tone of a silent card, digital silence, dither."""
RANGE_DB = 35.0
"""What is quieter than the film's loud passages by more than this is inaudible beside them."""
LOUD_PERCENTILE = 95.0
"""The level of a film's loud passages is this percentile of its levels above `QUIETEST_DBFS`."""
FRAME_SAMPLES = 400
"""Levels are measured over frames of 25 ms."""
_MIN_PAUSE_FRAMES = 8
_MIN_AUDIBLE_SAMPLES = round(0.4 * SOUND_RATE_HZ)


def levels_dbfs(samples: Float32) -> Float64:
    """Root mean square of each whole frame of 25 ms in dBFS, shape (n // FRAME_SAMPLES,).

    Args:
        samples: Mono at SOUND_RATE_HZ, -1..1, shape (n,).
    """
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / FRAME_SAMPLES
    return np.asarray(10 * np.log10(power + 1e-20), np.float64)


def quiet_limit_dbfs(levels: Float64) -> float:
    """The level under which nothing of a film is heard.

    It is `RANGE_DB` below the film's loud passages, but never below `QUIETEST_DBFS`: the two gates of loudness
    meters (ITU-R BS.1770, EBU Tech 3342) for the same reason.

    Args:
        levels: Of the film, from `levels_dbfs`, shape (t,).
    """
    sounding = levels[levels > QUIETEST_DBFS]
    if not len(sounding):
        return QUIETEST_DBFS
    return max(QUIETEST_DBFS, float(np.percentile(sounding, LOUD_PERCENTILE)) - RANGE_DB)


def audible_part(samples: Float32, *, limit_dbfs: float) -> Float32 | None:
    """The sound without its pauses, in one piece.

    A pause is at least 0.2 s under the limit; shorter ones belong to speech and rhythm and stay. Quiet frames at both
    ends go as well, for the pause may continue in the scenes beside this one.

    Args:
        samples: Mono at SOUND_RATE_HZ, -1..1, shape (n,).
        limit_dbfs: From `quiet_limit_dbfs`.

    Returns:
        Shape (m,), m <= n, the very same array where it has no pauses; None where less than 0.4 s can be heard.
    """
    keep = _audible_frames(levels_dbfs(samples) >= limit_dbfs)
    if not keep.all():
        n_whole = len(keep) * FRAME_SAMPLES
        rest = samples[n_whole:] if len(keep) and keep[-1] else samples[:0]
        samples = np.concatenate([samples[:n_whole].reshape(-1, FRAME_SAMPLES)[keep].ravel(), rest])
    return samples if len(samples) >= _MIN_AUDIBLE_SAMPLES else None


def _audible_frames(loud: Bool) -> Bool:
    """Loud frames, and those between them in gaps too short for a pause."""
    at = np.flatnonzero(loud)
    keep = np.zeros(len(loud), bool)
    keep[at] = True
    for gap in np.flatnonzero(np.diff(at) <= _MIN_PAUSE_FRAMES):
        keep[at[gap] : at[gap + 1]] = True
    return keep
