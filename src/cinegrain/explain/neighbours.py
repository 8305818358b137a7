"""Which trailers are alike, and through which mode."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64


@dataclass(frozen=True)
class Neighbour:
    """A near trailer: `score` is the cosine similarity, -1..1; `modes` says how much of it each mode brings."""

    row: int
    score: float
    modes: tuple[float, ...]


def nearest(query: Float64, corpus: Float64, *, top_k: int, exclude: Sequence[int] = ()) -> list[Neighbour]:
    """The nearest trailers by cosine similarity, exact.

    Args:
        query: Gated vectors of one trailer, shape (e, d).
        corpus: Gated vectors of n trailers, shape (n, e, d).
        top_k: How many at most.
        exclude: Rows that may not come back, for example the trailer itself.
    """
    parts = mode_contributions(query, corpus)
    scores = parts.sum(axis=1)
    scores[list(exclude)] = -np.inf
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [Neighbour(int(i), float(scores[i]), tuple(map(float, parts[i]))) for i in best if np.isfinite(scores[i])]


def mode_contributions(query: Float64, corpus: Float64) -> Float64:
    """Each mode's part of the cosine similarity between trailer embeddings; parts add up to it.

    Args:
        query: Shape (e, d).
        corpus: Shape (n, e, d).

    Returns:
        Shape (n, e).
    """
    lengths = np.linalg.norm(corpus, axis=(1, 2)) * np.linalg.norm(query)
    return np.asarray(np.einsum("ed,ned->ne", query, corpus) / np.maximum(lengths, 1e-12)[:, None])
