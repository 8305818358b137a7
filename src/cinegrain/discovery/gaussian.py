"""A Gaussian mixture: groups may be unequally frequent and stretched, all in the same way."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from cinegrain.discovery.agglomerative import sample_rows
from cinegrain.discovery.clustering import Clusterer, Clustering, check_k, ordered, unit_means
from cinegrain.discovery.kmeans import spherical_kmeans
from cinegrain.types import Bool, Float64

_MOST_FILMS = 20_000
_MOST_AXES = 32
_FILMS_AN_AXIS = 5
_RIDGE = 1e-3  # of the mean variance, added to each


def gaussian_clusterer(restarts: int) -> Clusterer:
    """The mixture behind the common interface; it starts from spherical k-means with so many restarts."""

    def cluster(points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:  # noqa: ARG001
        return gaussian_mixture(points, k, seed=seed, restarts=restarts)

    return cluster


def gaussian_mixture(points: Float64, k: int, *, seed: int, restarts: int = 10) -> Clustering:
    """Mixture of k normal distributions with one covariance, in the first principal components.

    With one covariance for all, the posterior is a softmax of linear functions, so it holds for new films too.
    Above 20,000 films the mixture is fitted on a sample of them.

    Args:
        points: Unit rows, shape (n, d).
        k: Number of clusters, 1 <= k <= n.
        seed: Same seed, same clusters.
        restarts: Of the k-means it starts from.

    Raises:
        DataError: If k is out of range.

    Source: McLachlan and Peel 2000, Finite Mixture Models, chapter 3.
    """
    check_k(k, len(points))
    rows = sample_rows(points, _MOST_FILMS, seed)
    sample = points[rows]
    start = spherical_kmeans(sample, k, seed=seed, restarts=restarts)
    axes = min(_MOST_AXES, points.shape[1], max(len(sample) // _FILMS_AN_AXIS, 1))
    if k == len(sample) or len(start) == 1 or len(sample) < 3:
        return ordered(points, _of_labels(points, start))
    frame = PCA(axes, svd_solver="full").fit(sample)
    seen = frame.transform(sample)
    groups = len(start)
    means = np.stack([seen[start.labels == c].mean(axis=0) for c in range(groups)])
    mixture = GaussianMixture(
        groups,
        covariance_type="tied",
        means_init=means,
        weights_init=np.bincount(start.labels, minlength=groups) / len(seen),
        precisions_init=np.linalg.inv(_within(seen, start, means)),
        reg_covar=_ridge(seen),
        max_iter=200,
        random_state=seed % 2**32,
    ).fit(seen)
    pull = mixture.means_ @ mixture.precisions_  # (k, axes)
    biases = np.log(np.maximum(mixture.weights_, 1e-12)) - 0.5 * (pull * mixture.means_).sum(axis=1)
    weights = pull @ frame.components_
    biases = biases - weights @ frame.mean_
    return ordered(points, _of_labels(points, Clustering(start.labels, start.centroids, weights, biases, 0.0)))


def _of_labels(points: Float64, found: Clustering) -> Clustering:
    """Labels by greatest membership, and the mean directions that belong to them."""
    labels = found.assign(points)
    return Clustering(labels, unit_means(points, labels, len(found)), found.weights, found.biases, 0.0)


def _ridge(seen: Float64) -> float:
    return _RIDGE * float(seen.var(axis=0).mean()) + 1e-12


def _within(seen: Float64, start: Clustering, means: Float64) -> Float64:
    off = seen - means[start.labels]
    return np.asarray(off.T @ off / len(seen) + _ridge(seen) * np.eye(seen.shape[1]))
