"""Exact assignment of clusters to genres."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from cinegrain.errors import DataError
from cinegrain.types import Float64, Int64


def assign_genres(affinity: Float64) -> Int64:
    """Assign each of k clusters to one of g genres, at least one cluster to every genre, with the largest total.

    Each genre has k - g + 1 slots, as many as it can fill. The first is worth more than any difference in affinity, so
    that no genre remains empty.

    Args:
        affinity: Weight of a cluster's films in a genre, shape (k, g).

    Returns:
        Genre of each cluster, shape (k,).

    Raises:
        DataError: If there are fewer clusters than genres.
    """
    k, g = affinity.shape
    if k < g:
        raise DataError(f"Every genre needs a cluster: there are {k} for {g} genres. Ask for at least {g}.")
    n_slots = k - g + 1
    value = np.repeat(affinity, n_slots, axis=1)
    value[:, ::n_slots] += 1 + k * float(np.ptp(affinity))
    _, slot = linear_sum_assignment(value, maximize=True)
    return np.asarray(slot // n_slots, dtype=np.int64)
