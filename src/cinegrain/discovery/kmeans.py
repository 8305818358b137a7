"""Spherical k-means: clusters by direction."""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import kmeans_plusplus

from cinegrain.errors import DataError
from cinegrain.types import Float64, Int64

_MAX_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of n points.

    Attributes:
        labels: Shape (n,), 0..k-1, biggest cluster first.
        centroids: Unit rows, shape (k, d).
        objective: Mean cosine similarity of points to their centroid.
    """

    labels: Int64
    centroids: Float64
    objective: float


def spherical_kmeans(points: Float64, k: int, *, seed: int, restarts: int = 10) -> Clustering:
    """Best of several seeded runs.

    Args:
        points: Unit rows, shape (n, d).
        k: Number of clusters, 1 <= k <= n.
        seed: Same seed, same clusters.
        restarts: Runs from new k-means++ starts.

    Raises:
        DataError: If k is out of range.

    Source: Dhillon and Modha 2001, Concept Decompositions for Large Sparse Text Data Using Clustering.
    """
    if not 1 <= k <= len(points):
        raise DataError(f"k must be within 1..{len(points)} (the number of trailers); found {k}.")
    runs = [_one_run(points, k, seed * 1000 + restart) for restart in range(restarts)]
    labels, centroids, objective = max(runs, key=lambda run: run[2])
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    return Clustering(np.argsort(order)[labels].astype(np.int64), centroids[order], objective)


def _one_run(points: Float64, k: int, seed: int) -> tuple[Int64, Float64, float]:
    centroids, _ = kmeans_plusplus(points, k, random_state=seed % 2**32)
    labels = np.full(len(points), -1)
    for _ in range(_MAX_ROUNDS):
        similarity = points @ centroids.T  # (n, k)
        new = similarity.argmax(axis=1)
        best = similarity[np.arange(len(points)), new]
        for empty in np.setdiff1d(np.arange(k), new):  # an empty cluster takes the point that fits worst
            worst = int(np.where(np.bincount(new, minlength=k)[new] > 1, best, np.inf).argmin())
            new[worst], best[worst] = empty, np.inf
        if (new == labels).all():
            break
        labels = new
        sums = np.zeros_like(centroids)
        np.add.at(sums, labels, points)
        centroids = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return labels, centroids, float((points * centroids[labels]).sum(axis=1).mean())
