"""Common interface of readers of vectors computed elsewhere."""

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
        scenes: Index of each row's scene, ascending, shape (r,).
        vectors: Shape (r, d); NaN for missing values.
    """

    scenes: Int64
    vectors: Float32


@dataclass(frozen=True, eq=False)
class ForeignTrailer:
    """One trailer with its vectors, by expert."""

    trailer: Trailer
    n_scenes: int
    experts: Mapping[str, ExpertRows]


class ForeignVectors(Protocol):
    """An opened file of vectors.

    Attributes:
        kind: Name of the format.
        path: File or folder.
        trailers: Trailers, without vectors.
    """

    kind: str
    path: Path
    trailers: tuple[Trailer, ...]

    @property
    def notes(self) -> list[str]:
        """A note for each oddity; those of vectors after all have been read."""
        ...

    def read(self) -> Iterator[ForeignTrailer]:
        """Reads the trailers one by one, in order; may be called again."""
        ...


def expert_name(name: str) -> str:
    """A valid name of an expert: letters, digits and . _ + - only."""
    return re.sub(r"[^\w.+-]+", "_", name, flags=re.ASCII).strip("_") or "vectors"


def as_rows(values: NDArray[np.generic], where: str) -> Float32:
    """Vectors as float32 rows; axes of length 1 beyond the second are dropped.

    Args:
        values: Shape (d,) for one vector, (r, d) for several.
        where: For the error.

    Raises:
        DataError: If these are not real numbers, or not rows of vectors.
    """
    if values.dtype.kind not in "fiu":
        raise DataError(f"{where} has values of type {values.dtype}; real numbers are needed.")
    if values.ndim > 2:
        values = values.reshape(values.shape[0], *(n for n in values.shape[1:] if n != 1))
        if values.ndim > 2 and values.shape[0] == 1:
            values = values[0]
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or values.shape[1] == 0:
        raise DataError(f"{where} has shape {values.shape}; expected one vector (d,) or rows of vectors (r, d).")
    if values.shape[1] > MAX_DIMENSION:
        raise DataError(f"{where} has vectors of length {values.shape[1]}; the maximum is {MAX_DIMENSION}.")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def check_dimension(dimensions: dict[str, int], expert: str, found: int, where: str) -> None:
    """Checks that all vectors of an expert have the same dimension.

    Raises:
        DataError: If not.
    """
    wanted = dimensions.setdefault(expert, found)
    if wanted != found:
        raise DataError(f"{where}: vectors of {expert!r} have length {found}; earlier ones have {wanted}.")


class Oddities:
    """Counts oddities, with examples of each kind."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, kind: str, example: str) -> None:
        """Adds one."""
        self._found.setdefault(kind, []).append(example)

    def lines(self) -> list[str]:
        """A sentence per kind."""
        return [
            f"{kind}: {', '.join(examples[:3])}" + (f" and {len(examples) - 3} more" if len(examples) > 3 else "")
            for kind, examples in self._found.items()
        ]
