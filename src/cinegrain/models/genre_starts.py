"""Initialise a genre mixture from clusters of all films instead of clusters within each genre."""

import numpy as np
from scipy.sparse import identity
from scipy.sparse.csgraph import connected_components, laplacian
from scipy.sparse.linalg import ArpackError, aslinearoperator, eigsh
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

from cinegrain.models.assign_genres import assign_genres
from cinegrain.models.genre_mixture import GenreMixture, fit_genre_mixture
from cinegrain.types import Bool, Float64, Int64

_NEIGHBOURS = 10
_SUBSAMPLE, _MIN_RAND_INDEX = 0.8, 0.7
"""Fraction of films in the second clustering, and the adjusted Rand index that the two must reach (ADR 23). It is
mostly below 0.6 without clusters and on simulated films, and about 0.8 on some hundred films with clear sub-genres."""
SAMPLE_FILMS, SAMPLE_PER_CLUSTER = 3000, 20
_RESTARTS = 5
_MIN_MEMBERSHIP = 1e-3  # a film whose cluster was assigned to another genre may join any component of its own


def thin_out(points: Float64, k: int) -> Float64:
    """Every i-th row, enough of them for k clusters; the order of rows must be random."""
    return points[:: max(len(points) // max(SAMPLE_FILMS, SAMPLE_PER_CLUSTER * k), 1)]


def fit_from_clusters(points: Float64, genres: Bool, labels: Int64, k: int, *, seed: int, steps: int) -> GenreMixture:
    """Fit a mixture that starts from clusters, each assigned to the genre that most of its films have.

    Args:
        points: Shape (n, d).
        genres: Shape (n, g).
        labels: Clusters 0..k-1, shape (n,).
        k: Number of clusters.
        seed: Random seed of the mixture.
        steps: Number of EM steps.
    """
    start = np.eye(k)[labels]
    used = np.flatnonzero(genres.any(axis=0))
    genre_of = used[assign_genres(start.T @ genres[:, used] / len(points))]
    start = np.maximum(start, _MIN_MEMBERSHIP) * (genres[:, genre_of] | ~genres.any(axis=1, keepdims=True))
    start /= np.maximum(start.sum(axis=1, keepdims=True), 1e-12)
    return fit_genre_mixture(points, genres, genre_of, seed=seed, steps=steps, start=start)


def neighbour_clusters(points: Float64, k: int, *, seed: int) -> Int64 | None:
    """Spectral clustering of the nearest-neighbour graph, if it is stable.

    Clusters need not be convex. In data without gaps they follow the noise of the graph and change when a fifth of the
    films is left out. Large collections are subsampled; the other films take the label of their neighbours.

    Args:
        points: Unit rows in random order, shape (n, d).
        k: Number of clusters.
        seed: Random seed of k-means and of the subsample.

    Returns:
        Clusters 0..k-1, shape (n,); None if they are not stable.

    Source: Ng, Jordan and Weiss 2001, On Spectral Clustering: Analysis and an algorithm.
    """
    sample = thin_out(points, k)
    if k < 2 or _SUBSAMPLE * len(sample) <= max(k, _NEIGHBOURS) + 2:
        return None
    kept = np.sort(np.random.default_rng(seed).permutation(len(sample))[: round(_SUBSAMPLE * len(sample))])
    try:
        labels, again = _spectral_clusters(sample, k, seed), _spectral_clusters(sample[kept], k, seed)
    except ArpackError:  # no convergence: no eigenvalue stands out
        return None
    if adjusted_rand_score(labels[kept], again) < _MIN_RAND_INDEX:
        return None
    if len(sample) < len(points):
        return np.asarray(KNeighborsClassifier(_NEIGHBOURS).fit(sample, labels).predict(points))
    return labels


def _spectral_clusters(points: Float64, k: int, seed: int) -> Int64:
    axes = _leading_eigenvectors(points, k, seed)
    rows = axes / np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-12)
    return np.asarray(KMeans(k, n_init=_RESTARTS, random_state=seed).fit(rows).labels_, dtype=np.int64)


def _leading_eigenvectors(points: Float64, k: int, seed: int) -> Float64:
    """Leading eigenvectors of the nearest-neighbour graph, normalised by degree, shape (n, k).

    Those of the graph's connected components are known and are deflated: all have eigenvalue 1, and the Lanczos method
    finds only one vector of a multiple eigenvalue.
    """
    graph = kneighbors_graph(points, _NEIGHBOURS, include_self=False)
    graph = (graph + graph.T) / 2
    normed, root_degree = laplacian(graph, normed=True, return_diag=True)
    _, labels = connected_components(graph, directed=False)
    largest = np.argsort(-np.bincount(labels), kind="stable")[:k]
    known = (labels[:, None] == largest) * root_degree[:, None]
    known /= np.linalg.norm(known, axis=0)
    if known.shape[1] == k:
        return np.asarray(known)
    basis = aslinearoperator(known)
    deflated = aslinearoperator(identity(len(points)) - normed) - basis @ basis.T
    start = np.random.default_rng(seed).random(len(points))
    return np.hstack([known, eigsh(deflated, k - known.shape[1], which="LA", v0=start)[1]])
