"""k-means by direction: scikit-learn's, on unit rows."""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from cinegrain.discovery.clustering import Clusterer, Clustering, around, check_k, sample_rows, unit_means
from cinegrain.types import Bool, Float64

RESTARTS = 10
MAX_FILMS = 50_000  # that the runs see, more where there are many clusters
FILMS_PER_CLUSTER = 200


def spherical_kmeans(points: Float64, k: int, *, seed: int, restarts: int = 10) -> Clustering:
    """Best of several seeded runs; every film then joins the centre nearest in direction.

    With many films the runs see a seeded sample.

    Args:
        points: Unit rows, shape (n, d).
        k: Number of clusters, 1 <= k <= n.
        seed: Same seed, same clusters.
        restarts: Runs from new k-means++ starts.

    Returns:
        k clusters; fewer only where there are fewer different films.

    Raises:
        DataError: If k is out of range.
    """
    check_k(k, len(points))
    rows = sample_rows(points, max(MAX_FILMS, FILMS_PER_CLUSTER * k), seed)
    sample = np.ascontiguousarray(points[rows], dtype=np.float32)
    # One thread: several would wait for one another, and add up in another order.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different films than clusters
        labels = KMeans(k, n_init=restarts, random_state=seed % 2**32).fit_predict(sample)
    means = unit_means(points[rows], labels.astype(np.int64), k)
    return around(points, means[np.unique(labels)])


def kmeans_clusterer(restarts: int) -> Clusterer:
    """k-means behind the common interface."""

    def cluster(points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:  # noqa: ARG001
        return spherical_kmeans(points, k, seed=seed, restarts=restarts)

    return cluster
