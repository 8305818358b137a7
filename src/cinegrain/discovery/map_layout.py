"""Two coordinates for each trailer, for a map."""

import numpy as np
from openTSNE import TSNE
from scipy.linalg import orthogonal_procrustes

from cinegrain.types import Float64, Int64

_MIN_FOR_TSNE = 10
MAX_TSNE_FILMS = 20_000
_RATE, _MANY = 200.0, 2400  # step size, and where a twelfth of the films is more
_N_NEAR = 5
_BLOCK = 4096


def map_layout(points: Float64, *, seed: int) -> Float64:
    """Seeded t-SNE of unit rows (n, d), shape (n, 2); the first two principal components below ten points.

    Of more than 20,000 points an even sample is laid out, and each of the others goes among its nearest of the sample:
    pictures of more get no clearer.

    Source: van der Maaten and Hinton 2008, Visualizing Data using t-SNE; for very many points Linderman et al. 2019,
    Fast interpolation-based t-SNE for improved visualization of single-cell RNA-seq data.
    """
    n = len(points)
    if n < _MIN_FOR_TSNE:
        centred = points - points.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        flat = centred @ axes[:2].T
        return np.asarray(np.pad(flat, ((0, 0), (0, 2 - flat.shape[1]))))
    if n > MAX_TSNE_FILMS:
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(n, MAX_TSNE_FILMS, replace=False))
        return _placed(points, chosen, map_layout(points[chosen], seed=seed))
    # On unit rows squared Euclidean distance is twice the cosine distance.
    rate = "auto" if n > _MANY else _RATE  # with a smaller one few films keep the shape that they start from
    perplexity = min(30.0, max(3.0, n / 6))
    reducer = TSNE(perplexity=perplexity, initialization="pca", learning_rate=rate, random_state=seed)
    return np.asarray(reducer.fit(points), dtype=np.float64)


def _placed(points: Float64, chosen: Int64, layout: Float64) -> Float64:
    """Places for all unit rows (n, d): the mean of their nearest chosen ones' places (m, 2), nearer ones more."""
    sample = np.ascontiguousarray(points[chosen], dtype=np.float32)
    places = np.empty((len(points), 2))
    for start in range(0, len(points), _BLOCK):
        alike = points[start : start + _BLOCK].astype(np.float32) @ sample.T
        near = np.argpartition(-alike, _N_NEAR, axis=1)[:, :_N_NEAR]
        apart = 1 - np.take_along_axis(alike, near, axis=1)
        weights = 1 / (apart + 1e-3)
        weights /= weights.sum(axis=1, keepdims=True)
        places[start : start + _BLOCK] = np.einsum("nk,nkx->nx", weights, layout[near])
    places[chosen] = layout
    return places


def turned_to(layout: Float64, reference: Float64) -> Float64:
    """A map turned, mirrored and scaled to lie as much as it can like another of the same films, both (n, 2).

    Source: Schönemann 1966, A generalized solution of the orthogonal Procrustes problem.
    """
    own, other = layout - layout.mean(axis=0), reference - reference.mean(axis=0)
    size = float(np.linalg.norm(own))
    if size < 1e-12:
        return np.asarray(reference.copy())
    turn, _ = orthogonal_procrustes(own, other)
    return np.asarray(own @ turn * (np.linalg.norm(other) / size) + reference.mean(axis=0))
