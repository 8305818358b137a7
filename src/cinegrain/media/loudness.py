"""Loudness of a film over time."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from cinegrain.media.clock import Deadline
from cinegrain.media.probe import choose_picture_stream, open_media
from cinegrain.media.sound import SoundReader
from cinegrain.settings import AUTO

SILENCE_DBFS = -60.0


def loudness(path: Path, *, duration_s: float, step_s: float, limit_s: float, track: str = AUTO) -> list[float | None]:
    """Level of a film's sound per step.

    Args:
        path: The video.
        duration_s: Duration to measure.
        step_s: Length of a step; the last one may be shorter.
        limit_s: Time limit.
        track: Number of the sound track, from 1, or AUTO.

    Returns:
        RMS of each step in dBFS (0 is a full-scale square wave); None without sound above `SILENCE_DBFS`.

    Raises:
        MediaError: If the file cannot be opened, or takes too long.
    """
    with open_media(path, limit_s=limit_s) as container:
        pictures = choose_picture_stream(container, path)
        picture_index = pictures.index
        zero_s = float((pictures.start_time or 0) * (pictures.time_base or 0))
    reader = SoundReader(
        path,
        film_zero_s=zero_s,
        deadline=Deadline(limit_s),
        picture_index=picture_index,
        silence_dbfs=SILENCE_DBFS,
        track=track,
    )
    try:
        edges = [*np.arange(0.0, duration_s, step_s).tolist(), duration_s]
        return [_level(reader, start_s, end_s) for start_s, end_s in pairwise(edges)]
    finally:
        reader.close()


def _level(reader: SoundReader, start_s: float, end_s: float) -> float | None:
    samples = reader.take(start_s, end_s)
    if samples is None or not len(samples):
        return None
    return round(float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12)), 2)
