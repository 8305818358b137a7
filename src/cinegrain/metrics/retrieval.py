"""How well near neighbours share what they should share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64

_MOST_QUERIES = 2_000
_AT_ONCE = 8_000_000  # places of rankings in memory together


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


def retrieval_scores(
    points: Float64, labels: Bool, *, ks: Sequence[int] = (1, 5, 10), seed: int = 0
) -> RetrievalScores | None:
    """Items ask for the others that share a label, ranked by cosine similarity; an item never finds itself.

    Every item asks, or 2,000 drawn from more of them; each ranks all.

    Args:
        points: Unit rows, shape (n, d).
        labels: Shape (n, g).
        ks: Where recall is read.
        seed: Of the draw.

    Returns:
        None if no item has anything to find.

    Raises:
        ShapeError: If the shapes do not fit.
    """
    n = len(points)
    if labels.ndim != 2 or len(labels) != n:
        raise ShapeError(f"labels must have shape ({n}, genres); found {labels.shape}.")
    has_some = np.flatnonzero(labels[:, labels.sum(axis=0) > 1].any(axis=1))
    if len(has_some) > _MOST_QUERIES:
        has_some = np.random.default_rng(seed).choice(has_some, _MOST_QUERIES, replace=False)
    if not len(has_some):
        return None
    shares = labels.astype(np.float32)  # sums of so few are exact
    first, average = [], []
    step = max(1, _AT_ONCE // n)
    for start in range(0, len(has_some), step):
        asking = has_some[start : start + step]
        alone = (np.arange(len(asking)), asking)
        similarity = points[asking] @ points.T
        similarity[alone] = -np.inf
        relevant = shares[asking] @ shares.T > 0
        relevant[alone] = False
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :-1]  # the item itself comes last
        hits = np.take_along_axis(relevant, order, axis=1)
        precision = np.cumsum(hits, axis=1) / np.arange(1, n)
        average.append((precision * hits).sum(axis=1) / hits.sum(axis=1))
        first.append(hits.argmax(axis=1))
    rank = np.concatenate(first)  # of the first relevant item, from 0
    recall = {k: float((rank < k).mean()) for k in ks}
    return RetrievalScores(len(rank), recall, float(np.concatenate(average).mean()))
