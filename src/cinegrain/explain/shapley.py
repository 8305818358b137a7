"""Exact Shapley values from the values of all coalitions."""

from math import factorial

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64

MAX_PLAYERS = 10


def coalition_masks(n_players: int) -> Bool:
    """All subsets, shape (2**n, n): row c holds the bits of c, player 0 first. Row 0 is empty, the last is full.

    Raises:
        ShapeError: If there are more than MAX_PLAYERS players.
    """
    if not 1 <= n_players <= MAX_PLAYERS:
        raise ShapeError(f"Exact Shapley values need 1 to {MAX_PLAYERS} experts; found {n_players}.")
    return np.asarray((np.arange(2**n_players)[:, None] >> np.arange(n_players)) & 1 == 1)


def shapley_values(values: Float64) -> Float64:
    """Shapley value of each player.

        phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! * (v(S + i) - v(S))

    Args:
        values: v(S) for every coalition in the order of `coalition_masks`, shape (2**n, ...).

    Returns:
        Shape (n, ...); the sum over players is v(full) - v(empty).

    Raises:
        ShapeError: If the first dimension is not a power of two.

    Source: Shapley 1953, A Value for n-Person Games.
    """
    n = int(values.shape[0]).bit_length() - 1
    if values.shape[0] != 2**n:
        raise ShapeError(f"Expected a value for each of 2**n coalitions; found {values.shape[0]}.")
    masks = coalition_masks(n)
    sizes = masks.sum(axis=1)
    result = np.zeros((n, *values.shape[1:]))
    for player in range(n):
        without = np.flatnonzero(~masks[:, player])
        weight = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in sizes[without]])
        gains = values[without | (1 << player)] - values[without]
        result[player] = np.tensordot(weight, gains, axes=1)
    return result
