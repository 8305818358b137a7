"""Nearest trailers, and each expert's contribution to their similarity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64, Int64

BLOCK_CELLS = 2**25  # similarities in memory
_BLOCK_ROWS, _EXTRA_CANDIDATES = 1024, 8


@dataclass(frozen=True)
class Neighbour:
    """A near trailer: `score` is the cosine similarity, -1..1; `parts` are the experts' contributions to it."""

    row: int
    score: float
    parts: tuple[float, ...]


def nearest(query: Float64, corpus: Float64, *, top_k: int, exclude: Sequence[int] = ()) -> list[Neighbour]:
    """Nearest trailers by cosine similarity, exact.

    Args:
        query: Encoding of one trailer, shape (e, d).
        corpus: Encodings of n trailers, shape (n, e, d).
        top_k: Maximum number of neighbours.
        exclude: Rows to exclude, such as the query itself.
    """
    parts = expert_contributions(query, corpus)
    scores = parts.sum(axis=1)
    scores[list(exclude)] = -np.inf
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [Neighbour(int(i), float(scores[i]), tuple(map(float, parts[i]))) for i in best if np.isfinite(scores[i])]


def nearest_of_each(points: Float64, *, top_k: int) -> tuple[Int64, Float64]:
    """Nearest other rows of every row by cosine similarity, exact; ties in the order of rows.

    Candidates come from float32 products and are ranked in full precision.

    Args:
        points: Unit rows, shape (n, d).
        top_k: Maximum number of neighbours.

    Returns:
        Rows and scores, shape (n, min(top_k, n - 1)), nearest first.
    """
    n = len(points)
    k = max(min(top_k, n - 1), 0)
    rows, scores = np.empty((n, k), dtype=np.int64), np.empty((n, k))
    if not k:
        return rows, scores
    n_candidates = min(k + _EXTRA_CANDIDATES, n - 1)
    single = points.astype(np.float32)
    step = min(max(BLOCK_CELLS // n, 1), _BLOCK_ROWS)
    for start in range(0, n, step):
        block = np.arange(start, min(start + step, n))
        similarity = single[block] @ single.T
        similarity[block - start, block] = -np.inf
        near = np.sort(np.argpartition(similarity, n - n_candidates, axis=1)[:, n - n_candidates :], axis=1)
        exact = np.einsum("bd,bkd->bk", points[block], points[near])
        order = np.argsort(-exact, axis=1, kind="stable")[:, :k]
        rows[block] = np.take_along_axis(near, order, axis=1)
        scores[block] = np.take_along_axis(exact, order, axis=1)
    return rows, scores


def expert_contributions(query: Float64, corpus: Float64) -> Float64:
    """Each expert's contribution to the cosine similarity of trailer embeddings, which is their sum.

    Args:
        query: Shape (e, d).
        corpus: Shape (n, e, d).

    Returns:
        Shape (n, e).
    """
    lengths = np.linalg.norm(corpus, axis=(1, 2)) * np.linalg.norm(query)
    return np.asarray(np.einsum("ed,ned->ne", query, corpus) / np.maximum(lengths, 1e-12)[:, None])
