"""Finds the audible part of a film's sound."""

import numpy as np

from cinegrain.types import SOUND_RATE_HZ, Bool, Float32, Float64

QUIETEST_DBFS = -60.0
"""Absolute threshold of audibility: below it are room tone of silent cards, digital silence, dither."""
RANGE_DB = 35.0
"""Relative threshold of audibility, below the film's loud passages."""
LOUD_PERCENTILE = 95.0
"""Percentile of the levels above `QUIETEST_DBFS` that is the level of the loud passages."""
FRAME_SAMPLES = 400
"""Levels are measured over 25 ms."""
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
    """The level below which a film's sound counts as inaudible.

    It is `RANGE_DB` below the loud passages, but at least `QUIETEST_DBFS`, like the relative and absolute gates of
    loudness meters (ITU-R BS.1770, EBU Tech 3342).

    Args:
        levels: From `levels_dbfs`, shape (t,).
    """
    sounding = levels[levels > QUIETEST_DBFS]
    if not len(sounding):
        return QUIETEST_DBFS
    return max(QUIETEST_DBFS, float(np.percentile(sounding, LOUD_PERCENTILE)) - RANGE_DB)


def audible_part(samples: Float32, *, limit_dbfs: float) -> Float32 | None:
    """The sound with its pauses cut out.

    A pause is at least 0.2 s below the limit; shorter gaps belong to speech and rhythm and are kept. Quiet frames at
    both ends are cut too, since the pause may continue in the adjacent scenes.

    Args:
        samples: Mono at SOUND_RATE_HZ, -1..1, shape (n,).
        limit_dbfs: From `quiet_limit_dbfs`.

    Returns:
        Shape (m,), m <= n, the same array if there are no pauses; None if less than 0.4 s is audible.
    """
    keep = _audible_frames(levels_dbfs(samples) >= limit_dbfs)
    if not keep.all():
        n_whole = len(keep) * FRAME_SAMPLES
        rest = samples[n_whole:] if len(keep) and keep[-1] else samples[:0]
        samples = np.concatenate([samples[:n_whole].reshape(-1, FRAME_SAMPLES)[keep].ravel(), rest])
    return samples if len(samples) >= _MIN_AUDIBLE_SAMPLES else None


def _audible_frames(loud: Bool) -> Bool:
    """Loud frames, and quiet ones in gaps too short for a pause."""
    at = np.flatnonzero(loud)
    keep = np.zeros(len(loud), bool)
    keep[at] = True
    for gap in np.flatnonzero(np.diff(at) <= _MIN_PAUSE_FRAMES):
        keep[at[gap] : at[gap + 1]] = True
    return keep
