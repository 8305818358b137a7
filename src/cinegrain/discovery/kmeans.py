"""Spherical k-means: clusters by direction."""

import numpy as np
from sklearn.cluster import kmeans_plusplus

from cinegrain.discovery.clustering import Clusterer, Clustering, around, canonical_order, check_k, unit_means
from cinegrain.types import Bool, Float32, Float64, Int64

_MAX_ROUNDS = 100
_LEAST_GAIN = 1e-6
_FIT_ON = 50_000  # films that restarts are run on; more are only gone over from the best of them
_FULL_ROUNDS = 5
_AT_ONCE = 100_000


def spherical_kmeans(points: Float64, k: int, *, seed: int, restarts: int = 10) -> Clustering:
    """Best of several seeded runs.

    With many films the runs see a seeded sample; all films then join for a few rounds from the best centres.

    Args:
        points: Unit rows, shape (n, d).
        k: Number of clusters, 1 <= k <= n.
        seed: Same seed, same clusters.
        restarts: Runs from new k-means++ starts.

    Returns:
        k clusters; fewer only where there are fewer different films.

    Raises:
        DataError: If k is out of range.

    Source: Dhillon and Modha 2001, Concept Decompositions for Large Sparse Text Data Using Clustering.
    """
    check_k(k, len(points))
    order = canonical_order(points)
    rows = order
    if len(order) > max(_FIT_ON, 200 * k):
        rows = np.sort(np.random.default_rng(seed).choice(len(order), max(_FIT_ON, 200 * k), replace=False))
        rows = order[rows]
    fast = np.ascontiguousarray(points[rows], dtype=np.float32)
    runs = [_one_run(fast, k, seed * 1000 + restart) for restart in range(restarts)]
    centroids = max(runs, key=lambda run: run[1])[0].astype(np.float64)
    exact = points if len(rows) == len(points) else points.astype(np.float32, copy=False)
    rounds = _MAX_ROUNDS if len(rows) == len(points) else _FULL_ROUNDS
    return around(points, _settled(exact, centroids, rounds))


def kmeans_clusterer(restarts: int) -> Clusterer:
    """Spherical k-means behind the common interface."""

    def cluster(points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:  # noqa: ARG001
        return spherical_kmeans(points, k, seed=seed, restarts=restarts)

    return cluster


def _one_run(points: Float32, k: int, seed: int) -> tuple[Float32, float]:
    """Centroids and the mean cosine to them, in single precision."""
    centroids = kmeans_plusplus(points, k, random_state=seed % 2**32)[0]
    before, n = -np.inf, len(points)
    for _ in range(_MAX_ROUNDS):
        similarity = points @ centroids.T  # (n, k)
        labels = similarity.argmax(axis=1)
        best = similarity[np.arange(n), labels]
        _fill_empty(labels, best, k)
        objective = float(best.mean())
        if objective - before < _LEAST_GAIN:
            break
        before = objective
        centroids = unit_means(points, labels, k)
    return centroids, objective


def _fill_empty(labels: Int64, best: Float32, k: int) -> None:
    """An empty cluster takes the point that fits worst, unless all fit perfectly; both arrays are changed."""
    sizes = np.bincount(labels, minlength=k)
    for empty in np.flatnonzero(sizes == 0):
        worst = int(np.where(sizes[labels] > 1, best, np.inf).argmin())
        if best[worst] > 1 - _LEAST_GAIN:
            return
        sizes[labels[worst]] -= 1
        labels[worst], best[worst], sizes[empty] = empty, 1.0, 1


def _settled(points: Float64 | Float32, centroids: Float64, rounds: int) -> Float64:
    """Rounds in the precision of the points until nobody moves."""
    labels = None
    for _ in range(rounds):
        parts = [
            (points[i : i + _AT_ONCE] @ centroids.T.astype(points.dtype)).argmax(axis=1)
            for i in range(0, len(points), _AT_ONCE)
        ]
        new = np.concatenate(parts)
        if labels is not None and (new == labels).all():
            break
        labels = new
        means = unit_means(points, labels, len(centroids)).astype(np.float64)
        centroids = np.where(np.bincount(labels, minlength=len(centroids))[:, None] > 0, means, centroids)
    return centroids
