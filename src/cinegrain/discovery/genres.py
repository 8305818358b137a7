"""Sub-genres under genres: a mixture in which a film can only be in a component of one of its genres."""

import numpy as np
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from cinegrain.discovery.clustering import Clustering, around, check_k, merged, ordered, sample_rows, unit_means
from cinegrain.discovery.kmeans import spherical_kmeans
from cinegrain.models.genre_mixture import GenreMixture, components_by_genre, fit_genre_mixture, linear_scores
from cinegrain.models.genre_starts import fit_from_clusters, neighbour_clusters, thin_out
from cinegrain.types import Bool, Float64, Int64

MAX_FILMS = 50_000
_STEPS = 30
_RESTARTS = 5
_COMES_BACK = 0.6
"""Adjusted Rand index of two runs of k-means; up to 0.5 on simulated films of 20 genres, 0.8 on tidy data."""
_AT_ONCE = 100_000


def under_genres(points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:
    """Clusters that hang under genres.

    The mixture is fitted from clusters inside each genre, and from clusters of all films, by k-means and by who is
    whose neighbour, if these come back from another seed; the likeliest result is taken.

    A film whose genres are known is in the best cluster of these genres; for a film of unknown genres, and for soft
    membership, all clusters compete. For a k below the number of genres the most alike clusters are merged.

    Args:
        points: Unit rows, shape (n, d).
        k: Number of clusters, 1 <= k <= n. There may be fewer, where a component is nobody's best.
        seed: Of the start, and of the sample that the mixture is fitted to where there are over 50,000 films.
        genres: Shape (n, g); None is one genre for all.

    Raises:
        DataError: If k is out of range.
    """
    check_k(k, len(points))
    known = np.ones((len(points), 1), dtype=bool) if genres is None else genres
    with threadpool_limits(1):  # several threads would wait for one another
        return _under_genres(points, k, seed, known)


def _under_genres(points: Float64, k: int, seed: int, known: Bool) -> Clustering:
    rows = sample_rows(points, MAX_FILMS, seed)  # in an order that depends on what they hold
    sample, own = points[rows].astype(np.float64), known[rows]
    n_genres = max(int(own.any(axis=0).sum()), 1)
    if not own.any():
        own = np.ones((len(own), 1), dtype=bool)
        known = np.ones((len(points), 1), dtype=bool)
    wanted = max(k, n_genres)
    starts = _all_clusters(sample, wanted, seed), neighbour_clusters(sample, wanted, seed=seed)
    fits = [
        _from_genres(sample, own, wanted, seed),
        *(fit_from_clusters(sample, own, s, wanted, seed=seed, steps=_STEPS) for s in starts if s is not None),
    ]
    found = max(fits, key=lambda fit: fit.log_likelihood)
    weights, biases = linear_scores(sample, found.memberships)
    if len(rows) == len(points):
        labels = np.empty(len(points), dtype=np.int64)
        labels[rows] = found.memberships.argmax(axis=1)
    else:
        labels = _place(points, known, found, weights, biases)
    placed = ordered(points, Clustering(labels, unit_means(points, labels, len(biases)), weights, biases, 0.0))
    if len(placed) <= k:
        return placed
    sizes = np.bincount(placed.labels, minlength=len(placed))
    return around(points, merged(placed.centroids, sizes, k))


def _from_genres(points: Float64, genres: Bool, k: int, seed: int) -> GenreMixture:
    """From clusters found inside each genre: right where genres differ more than sub-genres do."""
    genre_of = components_by_genre(points, genres, k, seed=seed)
    return fit_genre_mixture(points, genres, genre_of, seed=seed, steps=_STEPS)


def _all_clusters(points: Float64, k: int, seed: int) -> Int64 | None:
    """Clusters of all films: right where films fall apart.

    Where they do not, a fit from them can be the likelier one for what has nothing to do with sub-genres, such as
    studios; but then they hang on the seed, and there are none. Of many films an even share is asked: their order
    means nothing.
    """
    some = thin_out(points, k)
    one, again = (spherical_kmeans(some, k, seed=s, restarts=_RESTARTS).labels for s in (seed, seed + 1))
    if adjusted_rand_score(one, again) < _COMES_BACK:
        return None
    return one if len(some) == len(points) else spherical_kmeans(points, k, seed=seed, restarts=_RESTARTS).labels


def _place(points: Float64, known: Bool, found: GenreMixture, weights: Float64, biases: Float64) -> Int64:
    """The best component of each film among those of its genres, part by part."""
    labels = np.zeros(len(points), dtype=np.int64)
    for start in range(0, len(points), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        allowed = known[part][:, found.genre_of] | ~known[part].any(axis=1, keepdims=True)
        labels[part] = np.where(allowed, points[part] @ weights.T + biases, -np.inf).argmax(axis=1)
    return labels
