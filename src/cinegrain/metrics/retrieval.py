"""Retrieval of items that share a label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64

MAX_QUERIES = 2_000
BLOCK_CELLS = 8_000_000  # queries times items in memory


@dataclass(frozen=True)
class RetrievalScores:
    """Scores over the queries with at least one relevant item.

    Attributes:
        n_queries: Number of such queries.
        recall_at: By k, fraction of queries with a relevant item among the k nearest.
        map: Mean average precision of the full rankings.
    """

    n_queries: int
    recall_at: dict[int, float]
    map: float


def retrieval_scores(
    points: Float64, labels: Bool, *, ks: Sequence[int] = (1, 5, 10), seed: int = 0
) -> RetrievalScores | None:
    """Rank all other items by cosine similarity; those that share a label with the query are relevant.

    At most 2,000 items, drawn at random, are queries.

    Args:
        points: Unit rows, shape (n, d).
        labels: Shape (n, g).
        ks: Cut-offs of recall.
        seed: Random seed.

    Returns:
        None if no item shares a label with another.

    Raises:
        ShapeError: If the numbers of rows differ.
    """
    n = len(points)
    if labels.ndim != 2 or len(labels) != n:
        raise ShapeError(f"labels must have shape ({n}, genres); found {labels.shape}.")
    queries = np.flatnonzero(labels[:, labels.sum(axis=0) > 1].any(axis=1))
    if len(queries) > MAX_QUERIES:
        queries = np.random.default_rng(seed).choice(queries, MAX_QUERIES, replace=False)
    if not len(queries):
        return None
    indicators = labels.astype(np.float32)  # exact for counts
    first, average = [], []
    step = max(1, BLOCK_CELLS // n)
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        itself = (np.arange(len(block)), block)
        similarity = points[block] @ points.T
        similarity[itself] = -np.inf
        relevant = indicators[block] @ indicators.T > 0
        relevant[itself] = False
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :-1]  # the query itself is last
        hits = np.take_along_axis(relevant, order, axis=1)
        precision = np.cumsum(hits, axis=1) / np.arange(1, n)
        average.append((precision * hits).sum(axis=1) / hits.sum(axis=1))
        first.append(hits.argmax(axis=1))
    rank = np.concatenate(first)  # of the first relevant item, from 0
    recall = {k: float((rank < k).mean()) for k in ks}
    return RetrievalScores(len(rank), recall, float(np.concatenate(average).mean()))
