"""How well near neighbours share what they should share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64


@dataclass(frozen=True)
class RetrievalScores:
    """Scores over the queries that have something to find.

    Attributes:
        n_queries: How many those are.
        recall_at: By k, the share of queries with at least one relevant item among the k nearest.
        map: Mean average precision of the whole ranking.
    """

    n_queries: int
    recall_at: dict[int, float]
    map: float


def retrieval_scores(points: Float64, relevant: Bool, *, ks: Sequence[int] = (1, 5, 10)) -> RetrievalScores | None:
    """Every item asks for the others, ranked by cosine similarity; an item never finds itself.

    Args:
        points: Unit rows, shape (n, d).
        relevant: Shape (n, n), True where column answers row; the diagonal is ignored.
        ks: Where recall is read.

    Returns:
        None if no item has anything to find.

    Raises:
        ShapeError: If the shapes do not fit.
    """
    n = len(points)
    if relevant.shape != (n, n):
        raise ShapeError(f"relevant must have shape ({n}, {n}); found {relevant.shape}.")
    similarity = points @ points.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :-1]  # the item itself comes last
    hits = np.take_along_axis(relevant & ~np.eye(n, dtype=bool), order, axis=1)
    asked = hits.any(axis=1)
    if not asked.any():
        return None
    hits = hits[asked]
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    average = (precision * hits).sum(axis=1) / hits.sum(axis=1)
    recall = {k: float(hits[:, :k].any(axis=1).mean()) for k in ks}
    return RetrievalScores(int(asked.sum()), recall, float(average.mean()))
