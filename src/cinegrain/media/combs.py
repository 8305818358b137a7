"""Detects combing: two fields of different times woven into one frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cinegrain.types import Float64, UInt8

Deinterlacing: TypeAlias = Literal["interlaced", "all"]
"""Frames that FFmpeg's bwdif processes: those marked as interlaced, or all."""

_EVERY_COLUMN = 4
_BLOCK_ROWS, _BLOCK_COLUMNS = 16, 8
_RATIO, _FLOOR = 2, 8
_COMBED_IF_MARKED, _MARKED_LOOKS = 0.005, 0.1
_COMBED_IF_NOT, _UNMARKED_LOOKS = 0.02, 0.3


@dataclass(frozen=True)
class Weave:
    """Signs of interlacing in one frame: its mark in the file, and its fraction of combed blocks."""

    is_marked: bool
    combed_share: float

    @property
    def is_suspicious(self) -> bool:
        """Whether more frames should be examined."""
        return self.is_marked or self.combed_share >= _COMBED_IF_NOT


def combed_share(luma: UInt8) -> float:
    """Fraction of blocks in which adjacent rows differ more than rows of the same field.

    In ordinary detail it is the opposite: rows differ more the further apart they are.

    Args:
        luma: Shape (height, width).
    """
    rows = luma[:, ::_EVERY_COLUMN].astype(np.int16)
    n_down, n_across = (rows.shape[0] - 4) // _BLOCK_ROWS, rows.shape[1] // _BLOCK_COLUMNS
    if n_down < 1 or n_across < 1:
        return 0.0
    middle = 2 * rows[2:-2]
    between_fields = np.abs(middle - rows[1:-3] - rows[3:-1])
    within_field = np.abs(middle - rows[:-4] - rows[4:])

    def block_means(differences: NDArray[np.int16]) -> Float64:
        part = differences[: n_down * _BLOCK_ROWS, : n_across * _BLOCK_COLUMNS]
        return np.asarray(part.reshape(n_down, _BLOCK_ROWS, n_across, _BLOCK_COLUMNS).mean(axis=(1, 3)))

    return float((block_means(between_fields) > _RATIO * block_means(within_field) + _FLOOR).mean())


def deinterlacing(weaves: Sequence[Weave]) -> Deinterlacing | None:
    """How to deinterlace a film, from frames of the whole film; None if it has no combing.

    Marks alone are unreliable: much progressive video is marked as interlaced, and re-encoded interlaced video often
    keeps its combing but loses the mark.
    """
    marked = [weave.combed_share >= _COMBED_IF_MARKED for weave in weaves if weave.is_marked]
    unmarked = [weave.combed_share >= _COMBED_IF_NOT for weave in weaves if not weave.is_marked]
    if sum(unmarked) > _UNMARKED_LOOKS * len(unmarked):
        return "all"
    return "interlaced" if sum(marked) > _MARKED_LOOKS * len(marked) else None
