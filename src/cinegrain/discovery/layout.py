"""Two coordinates for each trailer, for a map."""

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.manifold import TSNE

from cinegrain.types import Float64

_MIN_FOR_TSNE = 10


def map_layout(points: Float64, *, seed: int) -> Float64:
    """Seeded t-SNE of unit rows (n, d), shape (n, 2); the first two principal components below ten points.

    Source: van der Maaten and Hinton 2008, Visualizing Data using t-SNE.
    """
    n = len(points)
    if n < _MIN_FOR_TSNE:
        centred = points - points.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        flat = centred @ axes[:2].T
        return np.asarray(np.pad(flat, ((0, 0), (0, 2 - flat.shape[1]))))
    # On unit rows squared Euclidean distance is twice the cosine distance.
    reducer = TSNE(perplexity=min(30.0, max(3.0, n / 6)), init="pca", random_state=seed)
    return np.asarray(reducer.fit_transform(points), dtype=np.float64)


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
