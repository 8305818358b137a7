"""Agglomerative clustering: the two nearest groups become one, again and again."""

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from cinegrain.discovery.clustering import Clustering, around, canonical_order, check_k, unit_means
from cinegrain.types import Bool, Float64, Int64

_MOST_FILMS = 8000  # all pairs of them are compared: 0.25 GB


def agglomerative(points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:  # noqa: ARG001
    """Ward's criterion on unit rows; then every film goes to the nearest centre, as new films do.

    Args:
        points: Unit rows, shape (n, d).
        k: Number of clusters, 1 <= k <= n.
        seed: Of the sample that the tree is grown on where there are over 8,000 films; nothing else is left to chance.
        genres: Not looked at.

    Raises:
        DataError: If k is out of range.

    Source: Ward 1963, Hierarchical Grouping to Optimize an Objective Function.
    """
    check_k(k, len(points))
    rows = sample_rows(points, _MOST_FILMS, seed)
    sample = points[rows]
    labels = AgglomerativeClustering(n_clusters=k).fit_predict(sample) if len(sample) > 1 else np.zeros(1, np.int64)
    return around(points, unit_means(sample, labels, k))


def merged(centroids: Float64, sizes: Int64, k: int) -> Float64:
    """Unit rows merged to k by average linkage of their cosines; a group's centre is its mean weighted by size.

    Args:
        centroids: Unit rows, shape (c, d), c >= k.
        sizes: How many films each stands for, shape (c,).
        k: How many are to be left.
    """
    if len(centroids) <= k:
        return centroids
    tree = AgglomerativeClustering(n_clusters=k, metric="cosine", linkage="average")
    return unit_means(centroids * sizes[:, None], tree.fit_predict(centroids), k)


def sample_rows(points: Float64, most: int, seed: int) -> Int64:
    """At most so many rows, chosen by the seed whatever their order, in an order that depends on their content."""
    order = canonical_order(points)
    if len(order) <= most:
        return order
    chosen = np.random.default_rng(seed).choice(len(order), most, replace=False)
    return np.asarray(order[np.sort(chosen)])
