"""Which genre each prototype belongs to: an exact assignment with costs that rise with a genre's share of them."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from cinegrain.errors import DataError
from cinegrain.types import Float64, Int64


def genre_map(affinity: Float64, shares: Float64, *, size_cost: float) -> Int64:
    """Gives each of k prototypes to one of g genres, and each genre at least one.

    Maximises  sum_k affinity[k, genre of k] - size_cost * sum_g n_g^2 / (k shares_g),  n_g = prototypes of genre g.

    The cost is convex in n_g: the j-th prototype of a genre costs (2 j - 1) of its unit whatever the others are. So
    each genre is laid out as slots of rising cost, and an optimal assignment of prototypes to slots fills them from
    the cheapest on: the result is exact. The first slot of each genre costs so little that no genre stays without.

    Args:
        affinity: Shape (k, g): how much of a prototype's weight falls on trailers of a genre.
        shares: How many prototypes a genre should have, relative to the others, shape (g,), all above 0.
        size_cost: How strongly the numbers are held to the shares, at least 0.

    Returns:
        The genre of each prototype, shape (k,).

    Raises:
        DataError: If there are fewer prototypes than genres.

    Source: Grcic et al. 2024 (FALCON), arXiv:2406.11070, eq. 5, there with one size for all genres and a solver for
    mixed-integer programs; slots as in the transport problem with convex costs.
    """
    k, g = affinity.shape
    if k < g:
        raise DataError(f"Every genre needs a prototype: there are {k} for {g} genres. Ask for at least {g}.")
    unit = size_cost / (k * shares / shares.sum())
    slot = np.arange(k - g + 1)  # a genre cannot have more, for the others need one each
    cost = (2 * slot[None, :] + 1) * unit[:, None]  # (g, slots)
    span = float(np.ptp(affinity)) + float(cost.max())
    cost[:, 0] -= 1 + k * span
    value = np.repeat(affinity, len(slot), axis=1) - cost.reshape(-1)[None, :]
    _, column = linear_sum_assignment(value, maximize=True)
    return np.asarray(column // len(slot), dtype=np.int64)
