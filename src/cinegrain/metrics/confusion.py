"""Which genre is predicted where which one is missing."""

from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64, Int64


@dataclass(frozen=True, eq=False)
class Confusion:
    """Row: a genre that a film has and was not given; column: one that it was given and does not have.

    Attributes:
        counts: Films, shape (g, g); the diagonal is 0.
        missed: Films whose genre was missed, shape (g,).
        shares: counts / missed, shape (g, g); 0 where nothing was missed.
        together: Share of the films of a genre (row) that also have the other (column), by the truth; shape (g, g).
    """

    counts: Int64
    missed: Int64
    shares: Float64
    together: Float64


def confusion(truth: Bool, decided: Bool) -> Confusion:
    """Confusion of genres that may stand together.

    Args:
        truth: Shape (n, g).
        decided: Shape (n, g).

    Raises:
        ShapeError: If the shapes differ.
    """
    if truth.shape != decided.shape or truth.ndim != 2:
        raise ShapeError(f"truth {truth.shape} and decisions {decided.shape} must be one (n, g).")
    lost, invented = (truth & ~decided).astype(np.int64), (decided & ~truth).astype(np.int64)
    counts, missed = lost.T @ invented, lost.sum(axis=0)
    has = truth.astype(np.int64)
    together = (has.T @ has) / np.maximum(has.sum(axis=0), 1)[:, None]
    return Confusion(counts, missed, counts / np.maximum(missed, 1)[:, None], together)
