"""Where a mixture under genres may begin besides clusters inside each genre: in clusters of all films."""

import numpy as np
from scipy.sparse import identity
from scipy.sparse.csgraph import connected_components, laplacian
from scipy.sparse.linalg import ArpackError, aslinearoperator, eigsh
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph

from cinegrain.models.genre_map import genre_map
from cinegrain.models.genre_mixture import GenreMixture, fit_genre_mixture
from cinegrain.types import Bool, Float64, Int64

_NEIGHBOURS = 10
_KEPT, _COMES_BACK = 0.8, 0.7
"""Share of films left in a second look, and the adjusted Rand index that it must give (ADR 23): mostly below 0.6 in
clouds and on simulated films, about 0.8 and more on some hundred films whose sub-genres lie bare."""
_ASKED, _ASKED_A_CLUSTER = 3000, 20
_RESTARTS = 5
_DOUBT = 1e-3  # so that a film whose cluster went to another genre may go anywhere under its own


def even_share(points: Float64, k: int) -> Float64:
    """Every so many rows, enough to see whether they fall apart into k clusters; their order must mean nothing."""
    return points[:: max(len(points) // max(_ASKED, _ASKED_A_CLUSTER * k), 1)]


def fit_from_clusters(points: Float64, genres: Bool, labels: Int64, k: int, *, seed: int, steps: int) -> GenreMixture:
    """The mixture that grows out of clusters of all films, each given to the genre that most of its films have.

    Args:
        points: Shape (n, d).
        genres: Shape (n, g).
        labels: Clusters 0..k-1, shape (n,).
        k: How many.
        seed: Of the mixture.
        steps: Of expectation maximisation.
    """
    start = np.eye(k)[labels]
    used = np.flatnonzero(genres.any(axis=0))
    genre_of = used[genre_map(start.T @ genres[:, used] / len(points), np.ones(len(used)), size_cost=0.0)]
    start = np.maximum(start, _DOUBT) * (genres[:, genre_of] | ~genres.any(axis=1, keepdims=True))
    start /= np.maximum(start.sum(axis=1, keepdims=True), 1e-12)
    return fit_genre_mixture(points, genres, genre_of, seed=seed, steps=steps, start=start)


def neighbour_clusters(points: Float64, k: int, *, seed: int) -> Int64 | None:
    """Clusters of the graph of nearest neighbours, if films fall apart in it.

    A cluster of sounds or pictures need not be round: neighbours of neighbours belong together, however far the ends
    lie apart. In a cloud without gaps such clusters follow the accidents of the graph: without a fifth of the films
    they are others, and so there are none. Of many films an even share is asked, and the others go with their
    neighbours: their order means nothing.

    Args:
        points: Unit rows, shape (n, d).
        k: How many.
        seed: Of k-means, and of the films left out.

    Returns:
        Clusters 0..k-1, shape (n,); None if they do not come back.

    Source: Ng, Jordan and Weiss 2001, On Spectral Clustering: Analysis and an algorithm.
    """
    some = even_share(points, k)
    if k < 2 or _KEPT * len(some) <= max(k, _NEIGHBOURS) + 2:
        return None
    kept = np.sort(np.random.default_rng(seed).permutation(len(some))[: round(_KEPT * len(some))])
    try:
        labels, again = _cut(some, k, seed), _cut(some[kept], k, seed)
    except ArpackError:  # it did not converge: nothing stands out
        return None
    if adjusted_rand_score(labels[kept], again) < _COMES_BACK:
        return None
    if len(some) < len(points):
        return np.asarray(KNeighborsClassifier(_NEIGHBOURS).fit(some, labels).predict(points))
    return labels


def _cut(points: Float64, k: int, seed: int) -> Int64:
    """Clusters along the graph's leading vibrations."""
    axes = _vibrations(points, k, seed)
    places = axes / np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-12)
    return np.asarray(KMeans(k, n_init=_RESTARTS, random_state=seed).fit(places).labels_, dtype=np.int64)


def _vibrations(points: Float64, k: int, seed: int) -> Float64:
    """Leading eigenvectors of the graph of nearest neighbours, normalised by degree, shape (n, k).

    Those of parts that hang together in nothing are known beforehand and set aside: they share the eigenvalue 1, and
    Lanczos' method, which finds the others, sees a shared eigenvalue once.
    """
    graph = kneighbors_graph(points, _NEIGHBOURS, include_self=False)
    graph = (graph + graph.T) / 2
    normed, root_degree = laplacian(graph, normed=True, return_diag=True)
    _, part = connected_components(graph, directed=False)
    largest = np.argsort(-np.bincount(part), kind="stable")[:k]
    own = (part[:, None] == largest) * root_degree[:, None]
    own /= np.linalg.norm(own, axis=0)
    if own.shape[1] == k:
        return np.asarray(own)
    parts = aslinearoperator(own)
    rest = aslinearoperator(identity(len(points)) - normed) - parts @ parts.T
    start = np.random.default_rng(seed).random(len(points))
    return np.hstack([own, eigsh(rest, k - own.shape[1], which="LA", v0=start)[1]])
