"""The one form in which every reader hands over vectors that somebody else computed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinegrain.errors import DataError
from cinegrain.types import Float32, Int64, Trailer

MAX_DIMENSION = 65_536
MAX_SCENES = 20_000
MAX_TRAILER_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class ExpertRows:
    """One expert's vectors of one trailer.

    Attributes:
        scenes: Position of each row's scene in the trailer, ascending, shape (r,).
        vectors: Shape (r, d); values may be missing (NaN).
    """

    scenes: Int64
    vectors: Float32


@dataclass(frozen=True, eq=False)
class ForeignTrailer:
    """One trailer with all its vectors; an expert that it lacks is not among them."""

    trailer: Trailer
    n_scenes: int
    experts: Mapping[str, ExpertRows]


class ForeignVectors(Protocol):
    """An opened file of vectors.

    Attributes:
        kind: The format, in a word.
        path: The file or folder.
        trailers: What is known of each trailer before its vectors are read.
    """

    kind: str
    path: Path
    trailers: tuple[Trailer, ...]

    @property
    def notes(self) -> list[str]:
        """A plain sentence for each oddity; those of the vectors themselves are there once all have been read."""
        ...

    def read(self) -> Iterator[ForeignTrailer]:
        """The trailers one by one, in their order; may be called again."""
        ...


def expert_name(name: str) -> str:
    """A name fit for an expert: letters, digits and . _ + - only."""
    return re.sub(r"[^\w.+-]+", "_", name, flags=re.ASCII).strip("_") or "vectors"


def as_rows(values: NDArray[np.generic], where: str) -> Float32:
    """Vectors as float32 rows; axes of length 1 beyond the second are dropped.

    Args:
        values: Shape (d,) for one vector, (r, d) for several.
        where: Named in the error.

    Raises:
        DataError: If these are no real numbers, or no rows of vectors.
    """
    if values.dtype.kind not in "fiu":
        raise DataError(f"{where} holds values of type {values.dtype}; expected real numbers.")
    if values.ndim > 2:
        values = values.reshape(values.shape[0], *(n for n in values.shape[1:] if n != 1))
        if values.ndim > 2 and values.shape[0] == 1:
            values = values[0]
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or values.shape[1] == 0:
        raise DataError(f"{where} has shape {values.shape}; expected one vector (d,) or rows of vectors (r, d).")
    if values.shape[1] > MAX_DIMENSION:
        raise DataError(f"{where} has vectors of length {values.shape[1]}; at most {MAX_DIMENSION} make sense here.")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def check_dimension(dimensions: dict[str, int], expert: str, found: int, where: str) -> None:
    """Keeps the first length seen for an expert and refuses any other.

    Raises:
        DataError: Naming both.
    """
    wanted = dimensions.setdefault(expert, found)
    if wanted != found:
        raise DataError(f"{where}: vectors of {expert!r} have length {found}; all before had {wanted}.")


class Oddities:
    """Counts what did not fit, and keeps an example of each kind."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, kind: str, example: str) -> None:
        """One more of a kind."""
        self._found.setdefault(kind, []).append(example)

    def lines(self) -> list[str]:
        """A sentence a kind."""
        return [
            f"{kind}: {', '.join(examples[:3])}" + (f" and {len(examples) - 3} more" if len(examples) > 3 else "")
            for kind, examples in self._found.items()
        ]
