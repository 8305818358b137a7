"""Whether probabilities mean what they say."""

from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64, Int64


@dataclass(frozen=True, eq=False)
class Reliability:
    """Probabilities in b bins of equal width, against how often they came true.

    Attributes:
        edges: Bin k holds edges[k] <= p < edges[k + 1], the last one also 1; shape (b + 1,).
        counts: (film, genre) pairs in each bin, shape (b,).
        said: Mean probability of each bin, shape (b,); NaN where empty.
        true: Share of pairs that were true, shape (b,); NaN where empty.
        ece: Expected calibration error: mean of |said - true|, weighted by the counts.
    """

    edges: Float64
    counts: Int64
    said: Float64
    true: Float64
    ece: float


def reliability(truth: Bool, probabilities: Float64, *, n_bins: int = 10) -> Reliability:
    """Reliability of probabilities over all their entries at once.

    Args:
        truth: Any shape.
        probabilities: The same shape, within 0..1.
        n_bins: Number b of bins.

    Raises:
        ShapeError: If the shapes differ or there is nothing.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv:1706.04599, eq. 2 and 3.
    """
    if truth.shape != probabilities.shape or not truth.size:
        raise ShapeError(f"truth {truth.shape} and probabilities {probabilities.shape} must agree and not be empty.")
    flat, happened = probabilities.ravel(), truth.ravel().astype(np.float64)
    edges = np.linspace(0, 1, n_bins + 1)
    place = np.clip(np.searchsorted(edges, flat, side="right") - 1, 0, n_bins - 1)
    counts = np.bincount(place, minlength=n_bins)
    filled = counts > 0
    said, true = np.full(n_bins, np.nan), np.full(n_bins, np.nan)
    said[filled] = np.bincount(place, flat, n_bins)[filled] / counts[filled]
    true[filled] = np.bincount(place, happened, n_bins)[filled] / counts[filled]
    error = float(np.nansum(np.abs(said - true) * counts) / len(flat))
    return Reliability(edges, counts.astype(np.int64), said, true, error)
