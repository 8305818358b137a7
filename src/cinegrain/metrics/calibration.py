"""Calibration of probabilities."""

from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64, Int64


@dataclass(frozen=True, eq=False)
class Reliability:
    """Reliability diagram with b bins of equal width.

    Attributes:
        edges: Bin i holds edges[i] <= p < edges[i + 1], the last one also 1; shape (b + 1,).
        counts: (film, genre) pairs in each bin, shape (b,).
        predicted: Mean probability of each bin, shape (b,); NaN if empty.
        observed: Fraction of positives in each bin, shape (b,); NaN if empty.
        ece: Expected calibration error: mean of |predicted - observed|, weighted by the counts.
    """

    edges: Float64
    counts: Int64
    predicted: Float64
    observed: Float64
    ece: float


def reliability(truth: Bool, probabilities: Float64, *, n_bins: int = 10) -> Reliability:
    """Reliability diagram over all entries.

    Args:
        truth: Any shape.
        probabilities: Same shape, 0..1.
        n_bins: Number of bins b.

    Raises:
        ShapeError: If the shapes differ or the arrays are empty.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv:1706.04599, eq. 2 and 3.
    """
    if truth.shape != probabilities.shape or not truth.size:
        raise ShapeError(f"truth {truth.shape} and probabilities {probabilities.shape} must agree and not be empty.")
    flat, positive = probabilities.ravel(), truth.ravel().astype(np.float64)
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.clip(np.searchsorted(edges, flat, side="right") - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    filled = counts > 0
    predicted, observed = np.full(n_bins, np.nan), np.full(n_bins, np.nan)
    predicted[filled] = np.bincount(bins, flat, n_bins)[filled] / counts[filled]
    observed[filled] = np.bincount(bins, positive, n_bins)[filled] / counts[filled]
    ece = float(np.nansum(np.abs(predicted - observed) * counts) / len(flat))
    return Reliability(edges, counts.astype(np.int64), predicted, observed, ece)
