"""Exact search in the experts' own vectors, by a weighted sum of one cosine per expert.

With x_e the mean scene vector of a trailer for expert e, c_e and s_e the mean and standard deviation of x_e over all
trailers, and q a query,

    score(q, x) = sum over e of w_e cos((q_e - c_e) / s_e, (x_e - c_e) / s_e),  where the w_e sum to 1.

Weights belong to the query alone. An expert without a vector for a trailer counts 0, the expected cosine of two random
trailers since means are subtracted, so a missing modality neither helps nor hurts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float32, Int64

_BLOCK = 8192  # rows at once
_NOTHING = 1e-5  # relative length; below it is rounding, not a direction


class _Stacked:
    """Rows of two arrays as one, without a copy: the first may be memory-mapped and very long."""

    def __init__(self, upper: "np.ndarray | _Stacked", lower: np.ndarray) -> None:
        self._upper, self._lower = upper, lower
        self.shape: tuple[int, int] = (len(upper) + len(lower), upper.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Int64) -> np.ndarray:
        n = len(self._upper)
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            upper, lower = self._upper[start : min(stop, n)], self._lower[max(start - n, 0) : max(stop - n, 0)]
            return upper if not len(lower) else np.concatenate([upper, lower]) if len(upper) else lower
        above = rows < n
        found = np.empty((len(rows), self.shape[1]), np.result_type(self._upper[:0], self._lower))
        found[above], found[~above] = self._upper[rows[above]], self._lower[rows[~above] - n]
        return found


@dataclass(frozen=True, eq=False)
class ExpertSpace:
    """One expert's vectors of n trailers, relative to their centre.

    Attributes:
        vectors: Mean scene vectors, shape (m, d), any float type; may be memory-mapped.
        row: Row of each trailer, -1 without a vector; shape (n,).
        centre: Mean vector, shape (d,).
        scale: Inverse standard deviation of each dimension, shape (d,); 0 for a constant one.
        lengths: Scaled distance of each vector from the centre, shape (m,); infinite at the centre.
    """

    vectors: np.ndarray | _Stacked
    row: Int64
    centre: Float32
    scale: Float32
    lengths: Float32

    @classmethod
    def measure(cls, vectors: np.ndarray, present: Bool) -> "ExpertSpace":
        """Computes centre, scale and lengths, block by block.

        Args:
            vectors: Shape (m, d), one row per trailer with a vector.
            present: Which trailers have one, shape (n,).

        Raises:
            ShapeError: If m is not the number of those trailers.
        """
        if int(present.sum()) != len(vectors):
            raise ShapeError(f"{int(present.sum())} trailers should have vectors; there are {len(vectors)}.")
        n = max(len(vectors), 1)
        starts = range(0, len(vectors), _BLOCK)
        total, square = np.zeros(vectors.shape[1]), np.zeros(vectors.shape[1])
        for start in starts:
            total += vectors[start : start + _BLOCK].sum(axis=0, dtype=np.float64)
        centre = total / n
        for start in starts:
            square += ((vectors[start : start + _BLOCK] - centre) ** 2).sum(axis=0)
        deviation = np.sqrt(square / n)
        moves = deviation > _NOTHING * (np.abs(centre) + _NOTHING)
        scale = np.where(moves, 1 / np.where(moves, deviation, 1.0), 0.0).astype(np.float32)
        lengths = np.empty(len(vectors), np.float32)
        for start in starts:
            block = (vectors[start : start + _BLOCK] - centre.astype(np.float32)) * scale
            lengths[start : start + len(block)] = _lengths(block)
        row = np.where(present, np.cumsum(present) - 1, -1)
        return cls(vectors, row, centre.astype(np.float32), scale, lengths)

    def extended(self, vectors: np.ndarray, present: Bool) -> "ExpertSpace":
        """The space with further trailers appended; centre and scale stay the same.

        Args:
            vectors: Shape (m, d), one row per further trailer with a vector.
            present: Which of them have one, shape (a,).
        """
        lengths = _lengths((vectors.astype(np.float32) - self.centre) * self.scale)
        row = np.where(present, np.cumsum(present) - 1 + len(self.vectors), -1)
        return ExpertSpace(
            _Stacked(self.vectors, vectors),
            np.concatenate([self.row, row]),
            self.centre,
            self.scale,
            np.concatenate([self.lengths, lengths]),
        )

    def direction(self, vector: np.ndarray) -> Float32 | None:
        """Unit vector from the centre to a vector, shape (d,); None at the centre."""
        away = (vector.astype(np.float32) - self.centre) * self.scale
        length = _lengths(away[None])[0]
        return None if np.isinf(length) else away / length

    def directions(self, trailers: Int64) -> Float32:
        """Unit vectors of trailers, shape (b, d); zeros without a vector."""
        row = self.row[trailers]
        rows = row[row >= 0]
        found = np.zeros((len(row), len(self.centre)), np.float32)
        found[row >= 0] = (self.vectors[rows].astype(np.float32) - self.centre) * self.scale / self.lengths[rows, None]
        return found

    def mean_direction(self, trailers: Int64) -> Float32 | None:
        """Normalised mean of trailers' unit vectors, shape (d,); None if none has a vector."""
        total = np.zeros(len(self.centre), np.float32)
        for start in range(0, len(trailers), _BLOCK):
            total += self.directions(trailers[start : start + _BLOCK]).sum(axis=0)
        return total / np.linalg.norm(total) if total.any() else None

    def cosines(self, query: Float32) -> Float32:
        """Cosine of each trailer with a unit query of shape (d,), shape (n,); 0 without a vector."""
        found = np.zeros(len(self.row), np.float32)
        scaled = self.scale * query
        shift = np.float32(self.centre @ scaled)
        cosines = np.empty(len(self.vectors), np.float32)
        for start in range(0, len(cosines), _BLOCK):
            block = slice(start, min(start + _BLOCK, len(cosines)))
            products = self.vectors[block].astype(np.float32, copy=False) @ scaled
            cosines[block] = (products - shift) / self.lengths[block]
        found[self.row >= 0] = cosines
        return found

    def cosines_of(self, query: Float32, vectors: np.ndarray) -> Float32:
        """Cosine of other vectors of the expert, shape (r, d), for example scenes; shape (r,)."""
        away = (vectors.astype(np.float32) - self.centre) * self.scale
        return np.asarray(away @ query / _lengths(away), np.float32)


def _lengths(rows: Float32) -> Float32:
    """Length of each row, shape (n,); infinite where it is only rounding."""
    found = np.linalg.norm(rows, axis=1)
    return np.where(found > _NOTHING * np.sqrt(rows.shape[1]), found, np.inf).astype(np.float32)


@dataclass(frozen=True)
class Part:
    """One expert's part of a query: a unit vector, shape (d,), and its weight, > 0."""

    direction: Float32
    weight: float


@dataclass(frozen=True)
class Besides:
    """A further score of all items, such as that of words, shape (n,), and its weight."""

    scores: Float32
    weight: float


@dataclass(frozen=True)
class Hit:
    """A search result: a trailer or a scene.

    Attributes:
        item: Its index.
        score: Weighted mean of the cosines and the further score; -1..1.
        cosines: By expert of the query; 0 without a vector.
    """

    item: int
    score: float
    cosines: Mapping[str, float]


def search(
    spaces: Mapping[str, ExpertSpace],
    query: Mapping[str, Part],
    *,
    top_k: int,
    exclude: Sequence[int] = (),
    besides: Besides | None = None,
) -> list[Hit]:
    """The trailers most similar to a query, best first; every trailer is compared, a block at a time.

    Args:
        spaces: By expert, all of the same n trailers.
        query: By expert; others have weight 0.
        top_k: Maximum number of results.
        exclude: Trailers left out, for example that of the query.
        besides: A further score of all n trailers.
    """
    cosines = {name: spaces[name].cosines(part.direction) for name, part in query.items()}
    return ranked(cosines, query, top_k=top_k, exclude=exclude, besides=besides)


def ranked(
    cosines: Mapping[str, Float32],
    query: Mapping[str, Part],
    *,
    top_k: int,
    exclude: Sequence[int] = (),
    besides: Besides | None = None,
) -> list[Hit]:
    """The best of n items by the weighted mean of their cosines; ties keep their order.

    Args:
        cosines: By expert of the query, each of shape (n,).
        query: The weights.
        top_k: Maximum number of results.
        exclude: Items left out.
        besides: A further score of all items.
    """
    columns = [(cosines[name], part.weight) for name, part in query.items()]
    columns += [] if besides is None else [(besides.scores, besides.weight)]
    whole = sum(weight for _, weight in columns)
    scores = np.zeros(len(columns[0][0]), np.float32)
    for column, weight in columns:
        scores += np.float32(weight / whole) * column
    scores[list(exclude)] = -np.inf
    k = min(top_k, len(scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k] if k else np.inf
    rows = np.flatnonzero(scores >= least)  # with all ties of the last
    best = rows[np.argsort(-scores[rows], kind="stable")][:k]
    return [
        Hit(int(i), float(scores[i]), {name: float(cosines[name][i]) for name in query})
        for i in best
        if np.isfinite(scores[i])
    ]
