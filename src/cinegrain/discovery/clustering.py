"""Clusterings of unit vectors, with soft membership for old and new films."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array
from scipy.special import log_softmax, softmax
from sklearn.cluster import AgglomerativeClustering

from cinegrain.errors import DataError
from cinegrain.types import Bool, Float32, Float64, Int64

_AT_ONCE = 100_000  # rows per matrix product
_SHARPEST = 1e-3  # minimum temperature


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of n unit rows. Every film is in the cluster where its membership is greatest.

    The membership of a unit row x in cluster c is the softmax over clusters of `weights[c] @ x + biases[c]`. For
    k-means the weights are the centroids divided by a temperature, so a film belongs to the nearest centroid. With the
    clusterer `genres`, a film of known genres is in the best of the clusters under these.

    Attributes:
        labels: Shape (n,), 0..k-1, largest cluster first.
        centroids: Unit rows, shape (k, d).
        weights: Shape (k, d).
        biases: Shape (k,).
        objective: Mean cosine similarity of points to their centroid.
    """

    labels: Int64
    centroids: Float64
    weights: Float64
    biases: Float64
    objective: float

    def __len__(self) -> int:
        """Number of clusters."""
        return len(self.centroids)

    def scores(self, points: Float64 | Float32) -> Float64:
        """Logits of membership, shape (n, k), of unit rows of shape (n, d)."""
        return np.asarray(points @ self.weights.T + self.biases)

    def membership(self, points: Float64 | Float32) -> Float64:
        """Soft membership of unit rows of shape (n, d): shape (n, k), rows sum to 1."""
        return np.asarray(softmax(self.scores(points), axis=1))

    def membership_of_own(self, points: Float64 | Float32) -> Float64:
        """Soft membership of the clustered films themselves, shape (n, k); the greatest is their own cluster's.

        Clusters that would fit a film better than its own are under genres that it does not have, and count as 0.

        Args:
            points: The n unit rows that were clustered.
        """
        scores = self.scores(points)
        own = np.take_along_axis(scores, self.labels[:, None], axis=1)
        return np.asarray(softmax(np.where(scores > own, -np.inf, scores), axis=1))

    def assign(self, points: Float64 | Float32) -> Int64:
        """The cluster of each unit row, shape (n,)."""
        parts = [self.scores(points[i : i + _AT_ONCE]).argmax(axis=1) for i in range(0, len(points), _AT_ONCE)]
        return np.concatenate(parts).astype(np.int64)

    def tempered(self, temperature: float) -> "Clustering":
        """The same clusters, with softer membership (above 1) or harder."""
        return replace(self, weights=self.weights / temperature, biases=self.biases / temperature)


class Clusterer(Protocol):
    """Clusters films.

    The result does not depend on the order of the rows. There are k clusters, or fewer if the data has fewer: identical
    films always share one.
    """

    def __call__(self, points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:
        """Clusters unit rows.

        Args:
            points: Unit rows, shape (n, d).
            k: Number of clusters, 1 <= k <= n.
            seed: Random seed.
            genres: Known genres of the films, shape (n, g); used by `genres` only.

        Raises:
            DataError: If k is out of range.
        """
        ...


def check_k(k: int, n: int) -> None:
    """Checks the number of clusters.

    Raises:
        DataError: If it is below 1 or above n.
    """
    if not 1 <= k <= n:
        raise DataError(f"k must be within 1..{n} (the number of films); it is {k}.")


def canonical_order(points: Float64 | Float32) -> Int64:
    """An order that depends only on the content of the rows, so that results do not depend on the order of films."""
    direction = np.random.default_rng(0).standard_normal(points.shape[1])
    return np.argsort(points @ direction, kind="stable").astype(np.int64)


def sample_rows(points: Float64 | Float32, most: int, seed: int) -> Int64:
    """At most so many random rows, independent of their order, in an order that depends on their content."""
    order = canonical_order(points)
    if len(order) <= most:
        return order
    chosen = np.random.default_rng(seed).choice(len(order), most, replace=False)
    return np.asarray(order[np.sort(chosen)])


def merged(centroids: Float64, sizes: Int64, k: int) -> Float64:
    """Merges unit rows to k by average linkage on cosines; a group's centre is the mean weighted by size.

    Args:
        centroids: Unit rows, shape (c, d), c >= k.
        sizes: Number of films of each, shape (c,).
        k: Number of rows to keep.
    """
    if len(centroids) <= k:
        return centroids
    tree = AgglomerativeClustering(n_clusters=k, metric="cosine", linkage="average")
    return unit_means(centroids * sizes[:, None], tree.fit_predict(centroids), k)


def unit_means(points: Float64 | Float32, labels: Int64, k: int) -> Float64:
    """Mean directions of k groups, unit rows, shape (k, d); zeros for a group without members."""
    n = len(labels)
    members = csr_array((np.ones(n, points.dtype), (labels, np.arange(n))), shape=(k, n))
    sums = np.asarray(members @ points)
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12))


def around(points: Float64 | Float32, centroids: Float64) -> Clustering:
    """Assigns every row to its nearest centroid; centroids without rows are dropped.

    Args:
        points: Unit rows, shape (n, d).
        centroids: Unit rows, shape (k, d).
    """
    temperature = 1.0
    for _ in range(2):  # the temperature is measured on the clusters, then used in the weights
        found = Clustering(np.zeros(0, np.int64), centroids, centroids / temperature, np.zeros(len(centroids)), 0.0)
        labels = found.assign(points)
        temperature = _temperature(points, labels, centroids)
    return ordered(points, replace(found, labels=labels))


def ordered(points: Float64 | Float32, found: Clustering) -> Clustering:
    """Sorts clusters by size, drops empty ones, and updates labels and objective.

    Args:
        points: Unit rows, shape (n, d).
        found: Their clustering.
    """
    sizes = np.bincount(found.labels, minlength=len(found))
    order = np.argsort(-sizes, kind="stable")[: int((sizes > 0).sum())]
    rank = np.zeros(len(found), np.int64)
    rank[order] = np.arange(len(order))
    labels = rank[found.labels]
    centroids = found.centroids[order]
    nearness = _to_own(points, labels, centroids)
    return Clustering(labels, centroids, found.weights[order], found.biases[order], float(nearness.mean()))


def _to_own(points: Float64 | Float32, labels: Int64, centroids: Float64) -> Float64:
    """Cosine of each row to its own centroid, shape (n,), block by block."""
    parts = [
        np.einsum("nd,nd->n", points[i : i + _AT_ONCE], centroids[labels[i : i + _AT_ONCE]])
        for i in range(0, len(points), _AT_ONCE)
    ]
    return np.concatenate(parts)


def fitted_temperature(scores: Float64, labels: Int64) -> float:
    """Temperature that minimises the cross-entropy of the softmax of scores, on a grid.

    With labels from searches on other films, a membership of 0.8 means that the film joins this cluster in 80 of 100
    repeats.

    Args:
        scores: Logits, shape (n, k).
        labels: Shape (n,).
    """
    grid = np.geomspace(0.05, 100, 60)
    rows = np.arange(len(labels))
    losses = [-log_softmax(scores / t, axis=1)[rows, labels].mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def _temperature(points: Float64 | Float32, labels: Int64, centroids: Float64) -> float:
    """Temperature of the posterior of equal spherical Gaussians: variance / length of a group's mean.

    The variance is measured in the directions in which centres differ; the many others are irrelevant to membership.
    """
    axes = np.linalg.svd(centroids - centroids.mean(axis=0), full_matrices=False)[2][: max(len(centroids) - 1, 1)]
    step = -(-len(points) // _AT_ONCE)
    points, labels = points[::step], labels[::step]
    lengths = _to_own(points, labels, centroids)
    mean = max(float(lengths.mean()), _SHARPEST)
    off = points @ axes.T - mean * (centroids @ axes.T)[labels]
    return max(float((off**2).mean()) / mean, _SHARPEST)


def unit_rows(encoded: Float64) -> Float64:
    """Trailer embeddings: shape (n, e, d) to unit rows (n, e * d)."""
    flat = encoded.reshape(len(encoded), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))
