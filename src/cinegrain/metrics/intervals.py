"""Bootstrap intervals of one genre's scores, over films."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cinegrain.types import Bool, Float64, Int64

Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class GenreIntervals:
    """95 % intervals."""

    ap: Interval
    precision: Interval
    recall: Interval
    f1: Interval


def genre_intervals(
    truth: Bool, scores: Float64, threshold: float, *, n_bootstrap: int = 1000, seed: int = 0
) -> GenreIntervals | None:
    """Percentile bootstrap over films; a resample without a positive is left out.

    Args:
        truth: Whether each film has the genre, shape (n,).
        scores: Its probability, shape (n,).
        threshold: Decided where the probability is at least this.
        n_bootstrap: Resamples.
        seed: Of the resampling.

    Returns:
        None if no film has the genre.
    """
    if not truth.any():
        return None
    weights = np.random.default_rng(seed).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), n_bootstrap)
    weights = weights[weights[:, truth].sum(axis=1) > 0]  # (b, n)
    decided = scores >= threshold
    hits = weights[:, truth & decided].sum(axis=1)
    precision = hits / np.maximum(weights[:, decided].sum(axis=1), 1)
    recall = hits / weights[:, truth].sum(axis=1)
    f1 = 2 * hits / np.maximum(weights[:, decided].sum(axis=1) + weights[:, truth].sum(axis=1), 1)
    return GenreIntervals(*map(_interval, (weighted_ap(truth, scores, weights), precision, recall, f1)))


def weighted_ap(truth: Bool, scores: Float64, weights: Int64) -> Float64:
    """Average precision where film i counts weights[:, i] times, for all rows of weights at once.

    Films of one score are taken together, as in scikit-learn.

    Args:
        truth: Shape (n,).
        scores: Shape (n,).
        weights: Shape (b, n); each row must give some weight to a positive.

    Returns:
        Shape (b,).
    """
    order = np.argsort(-scores, kind="stable")
    ranked, w = scores[order], weights[:, order].astype(np.float64)
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # last film of each score
    found = np.cumsum(w * truth[order], axis=1)[:, last]
    shown = np.cumsum(w, axis=1)[:, last]
    gained = np.diff(found, axis=1, prepend=0.0)
    return np.asarray((gained * found / np.maximum(shown, 1.0)).sum(axis=1) / found[:, -1])


def _interval(values: Float64) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
