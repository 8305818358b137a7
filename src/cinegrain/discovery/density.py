"""Density clustering (HDBSCAN): groups are where films lie close together."""

import numpy as np
from sklearn.cluster import HDBSCAN

from cinegrain.discovery.agglomerative import merged, sample_rows
from cinegrain.discovery.clustering import Clustering, around, check_k, unit_means
from cinegrain.types import Bool, Float64

_MOST_FILMS = 8000
_SMALLEST = 3


def density(points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:  # noqa: ARG001
    """HDBSCAN's groups, the most alike merged until k are left; every film then joins the nearest centre.

    The smallest group that counts shrinks from a quarter of an even share until there are at least k groups. Where
    density does not hold so many, there are fewer. Nobody is left over: films that HDBSCAN calls noise are shared out.

    Args:
        points: Unit rows, shape (n, d).
        k: Most clusters, 1 <= k <= n.
        seed: Of the sample that is looked at where there are over 8,000 films; nothing else is left to chance.
        genres: Not looked at.

    Raises:
        DataError: If k is out of range.

    Source: Campello, Moulavi and Sander 2013, Density-Based Clustering Based on Hierarchical Density Estimates.
    """
    check_k(k, len(points))
    rows = sample_rows(points, _MOST_FILMS, seed)
    sample = points[rows]
    best = np.zeros(len(sample), dtype=np.int64)
    smallest = max(len(sample) // (4 * k), _SMALLEST)
    while k > 1 and len(sample) > smallest:
        labels = HDBSCAN(min_cluster_size=smallest, min_samples=min(_SMALLEST, smallest), copy=True).fit_predict(sample)
        if labels.max() > best.max():
            best = labels
        if best.max() + 1 >= k or smallest == _SMALLEST:
            break
        smallest = max(smallest // 2, _SMALLEST)
    dense = best >= 0
    groups = int(best.max()) + 1
    centres = unit_means(sample[dense], best[dense], groups)
    return around(points, merged(centres, np.bincount(best[dense], minlength=groups), k))
