"""Finds trailers by the experts' own vectors: a weighted sum of one cosine for each expert, exact.

With x_e the mean of a trailer's scenes for expert e, seen from the mean c_e of that over all trailers and divided by
the deviation s_e of each number, since an expert's numbers may be of very different size, and q a query seen likewise,

    score(q, x) = sum over e of w_e cos((q_e - c_e) / s_e, (x_e - c_e) / s_e),  with the w_e adding up to 1.

Vectors of unit length side by side, each expert's times the root of its weight, would have this as their inner product;
so weights belong to the query alone. An expert that has nothing for a trailer counts 0:
what two trailers taken by chance have, since the mean is subtracted. So a lack neither helps nor hurts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float32, Int64

_BLOCK = 8192  # rows at once
_NOTHING = 1e-5  # of the usual size: rounding, not a direction


class _Stacked:
    """Rows of two arrays, one under the other, without a copy: the first may be mapped from disk and very long."""

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
    """One expert's vectors of n trailers, seen from their centre.

    Attributes:
        vectors: Means over scenes, shape (m, d), any float type; may be mapped from disk.
        row: Row of each trailer among them, -1 where the expert has nothing for it; shape (n,).
        centre: Their mean, shape (d,).
        scale: One by the standard deviation of each number, shape (d,); 0 for one that never changes.
        lengths: Distance of each from the centre, shape (m,), once scaled; infinite for one that lies in it.
    """

    vectors: np.ndarray | _Stacked
    row: Int64
    centre: Float32
    scale: Float32
    lengths: Float32

    @classmethod
    def measure(cls, vectors: np.ndarray, present: Bool) -> "ExpertSpace":
        """Finds centre, scale and lengths, block by block.

        Args:
            vectors: Shape (m, d), one row for each trailer that has any.
            present: Which trailers those are, shape (n,).

        Raises:
            ShapeError: If their numbers differ.
        """
        if int(present.sum()) != len(vectors):
            raise ShapeError(f"{int(present.sum())} trailers are said to have vectors; there are {len(vectors)}.")
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
        """The same space with further trailers behind the others; centre and scale stay those of the first.

        Args:
            vectors: Shape (m, d), one row for each further trailer that has any.
            present: Which those are, shape (a,).
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
        """Unit vector from the centre to a vector of the expert, shape (d,); None if that lies in the centre."""
        away = (vector.astype(np.float32) - self.centre) * self.scale
        length = _lengths(away[None])[0]
        return None if np.isinf(length) else away / length

    def directions(self, trailers: Int64) -> Float32:
        """Unit vectors of trailers, shape (b, d); zeros where the expert has nothing."""
        row = self.row[trailers]
        rows = row[row >= 0]
        found = np.zeros((len(row), len(self.centre)), np.float32)
        found[row >= 0] = (self.vectors[rows].astype(np.float32) - self.centre) * self.scale / self.lengths[rows, None]
        return found

    def mean_direction(self, trailers: Int64) -> Float32 | None:
        """Mean of trailers' unit vectors, made a unit vector, shape (d,); None if the expert has nothing for any."""
        total = np.zeros(len(self.centre), np.float32)
        for start in range(0, len(trailers), _BLOCK):
            total += self.directions(trailers[start : start + _BLOCK]).sum(axis=0)
        return total / np.linalg.norm(total) if total.any() else None

    def cosines(self, query: Float32) -> Float32:
        """Cosine of each trailer's direction with a unit query of shape (d,), shape (n,); 0 where it has nothing."""
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
        """The same for other vectors of the expert, shape (r, d), for example of scenes; shape (r,)."""
        away = (vectors.astype(np.float32) - self.centre) * self.scale
        return np.asarray(away @ query / _lengths(away), np.float32)


def _lengths(rows: Float32) -> Float32:
    """Length of each row, shape (n,); infinite where it is no more than rounding."""
    found = np.linalg.norm(rows, axis=1)
    return np.where(found > _NOTHING * np.sqrt(rows.shape[1]), found, np.inf).astype(np.float32)


@dataclass(frozen=True)
class Part:
    """One expert's part of a query: a unit vector, shape (d,), and how much it counts, > 0."""

    direction: Float32
    weight: float


@dataclass(frozen=True)
class Besides:
    """Another score of all items, such as how strongly words were found in them: shape (n,), and how much it counts."""

    scores: Float32
    weight: float


@dataclass(frozen=True)
class Hit:
    """An item that was found: a trailer or a scene.

    Attributes:
        item: Its number.
        score: Weighted mean of the cosines, and of what was asked besides; -1..1.
        cosines: By expert that was asked for; 0 where it has nothing for the item.
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
    """The trailers that are most like a query, best first; every trailer is compared, a block at a time.

    Args:
        spaces: By expert, all of the same n trailers.
        query: By expert; those that are not named play no part.
        top_k: How many at most.
        exclude: Trailers that may not come back, for example the one asked about.
        besides: Another score of all n trailers.
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
    """The best of n items by the weighted mean of their cosines; equal ones in their order.

    Args:
        cosines: By expert of the query, each of shape (n,).
        query: The weights.
        top_k: How many at most.
        exclude: Items that may not come back.
        besides: Another score of them.
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
    rows = np.flatnonzero(scores >= least)  # with all that are equal to the last
    best = rows[np.argsort(-scores[rows], kind="stable")][:k]
    return [
        Hit(int(i), float(scores[i]), {name: float(cosines[name][i]) for name in query})
        for i in best
        if np.isfinite(scores[i])
    ]
