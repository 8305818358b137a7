"""Confusion of genres in multi-label predictions."""

from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64, Int64


@dataclass(frozen=True, eq=False)
class Confusion:
    """Rows are genres that were missed (false negatives), columns genres predicted instead (false positives).

    Attributes:
        counts: Films, shape (g, g); the diagonal is 0.
        missed: False negatives of each genre, shape (g,).
        rates: counts / missed, shape (g, g); 0 where nothing was missed.
        cooccurrence: Fraction of a genre's films (row) that also have the other (column), shape (g, g).
    """

    counts: Int64
    missed: Int64
    rates: Float64
    cooccurrence: Float64


def confusion(truth: Bool, predicted: Bool) -> Confusion:
    """Confusion of genres, both arguments of shape (n, g).

    Raises:
        ShapeError: If the shapes differ.
    """
    if truth.shape != predicted.shape or truth.ndim != 2:
        raise ShapeError(f"truth {truth.shape} and predicted {predicted.shape} must have the same shape (n, g).")
    misses, false_alarms = (truth & ~predicted).astype(np.int64), (predicted & ~truth).astype(np.int64)
    counts, missed = misses.T @ false_alarms, misses.sum(axis=0)
    positive = truth.astype(np.int64)
    cooccurrence = (positive.T @ positive) / np.maximum(positive.sum(axis=0), 1)[:, None]
    return Confusion(counts, missed, counts / np.maximum(missed, 1)[:, None], cooccurrence)
