"""Which trailers are alike, and through which expert."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64, Int64

_AT_ONCE = 2**25  # similarities in memory
_MOST_ROWS, _SPARE = 1024, 8


@dataclass(frozen=True)
class Neighbour:
    """A near trailer: `score` is the cosine similarity, -1..1; `parts` says how much of it each expert brings."""

    row: int
    score: float
    parts: tuple[float, ...]


def nearest(query: Float64, corpus: Float64, *, top_k: int, exclude: Sequence[int] = ()) -> list[Neighbour]:
    """The nearest trailers by cosine similarity, exact.

    Args:
        query: Gated vectors of one trailer, shape (e, d).
        corpus: Gated vectors of n trailers, shape (n, e, d).
        top_k: How many at most.
        exclude: Rows that may not come back, for example the trailer itself.
    """
    parts = expert_contributions(query, corpus)
    scores = parts.sum(axis=1)
    scores[list(exclude)] = -np.inf
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [Neighbour(int(i), float(scores[i]), tuple(map(float, parts[i]))) for i in best if np.isfinite(scores[i])]


def nearest_of_each(points: Float64, *, top_k: int) -> tuple[Int64, Float64]:
    """The nearest other rows of every row by cosine similarity, exact; the earlier one of two that are as near.

    Candidates are found with float32 matrix products, part by part, and compared again in full precision.

    Args:
        points: Unit rows, shape (n, d).
        top_k: How many at most.

    Returns:
        Rows and scores, shape (n, min(top_k, n - 1)), the nearest first.
    """
    n = len(points)
    k = max(min(top_k, n - 1), 0)
    rows, scores = np.empty((n, k), dtype=np.int64), np.empty((n, k))
    if not k:
        return rows, scores
    several = min(k + _SPARE, n - 1)
    short = points.astype(np.float32)
    step = min(max(_AT_ONCE // n, 1), _MOST_ROWS)
    for start in range(0, n, step):
        own = np.arange(start, min(start + step, n))
        alike = short[own] @ short.T
        alike[own - start, own] = -np.inf
        near = np.sort(np.argpartition(alike, n - several, axis=1)[:, n - several :], axis=1)
        exact = np.einsum("bd,bkd->bk", points[own], points[near])
        order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
        rows[own] = np.take_along_axis(near, order, axis=1)
        scores[own] = np.take_along_axis(exact, order, axis=1)
    return rows, scores


def expert_contributions(query: Float64, corpus: Float64) -> Float64:
    """Each expert's part of the cosine similarity between trailer embeddings; parts add up to it.

    Args:
        query: Shape (e, d).
        corpus: Shape (n, e, d).

    Returns:
        Shape (n, e).
    """
    lengths = np.linalg.norm(corpus, axis=(1, 2)) * np.linalg.norm(query)
    return np.asarray(np.einsum("ed,ned->ne", query, corpus) / np.maximum(lengths, 1e-12)[:, None])
