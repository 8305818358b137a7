"""Bootstrap confidence intervals over films."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cinegrain.types import Bool, Float64, Int64

Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class GenreIntervals:
    """95 % confidence intervals of a genre's scores."""

    ap: Interval
    precision: Interval
    recall: Interval
    f1: Interval


def genre_intervals(
    truth: Bool, scores: Float64, threshold: float, *, n_bootstrap: int = 1000, seed: int = 0
) -> GenreIntervals | None:
    """Percentile bootstrap of a genre's scores; resamples without a positive are dropped.

    Args:
        truth: Whether each film has the genre, shape (n,).
        scores: Probabilities, shape (n,).
        threshold: Films with at least this probability are predicted positive.
        n_bootstrap: Number of resamples.
        seed: Random seed.

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


BLOCK_CELLS = 20_000_000  # resamples times films times genres in memory
MAX_CELLS = 400_000_000  # in all; beyond, fewer resamples are drawn
_MIN_RESAMPLES = 200


def mean_intervals(
    truth: Bool, scores: Float64, decided: Bool, *, n_bootstrap: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Percentile bootstrap of the means in `MultilabelScores`, by their names there.

    Genres without a positive in a resample are left out of its means. Large data sets get fewer resamples.

    Args:
        truth: Shape (n, g), every genre with a positive.
        scores: Probabilities, shape (n, g).
        decided: Predictions at the thresholds, shape (n, g).
        n_bootstrap: Maximum number of resamples.
        seed: Random seed.
    """
    n, size = len(truth), truth.size
    n_bootstrap = min(n_bootstrap, max(_MIN_RESAMPLES, MAX_CELLS // size))
    rng = np.random.default_rng(seed)
    by_film = _film_aps(truth, scores)
    step = max(1, BLOCK_CELLS // size)
    parts = [
        _means(truth, scores, decided, by_film, rng.multinomial(n, np.full(n, 1 / n), min(step, n_bootstrap - first)))
        for first in range(0, n_bootstrap, step)
    ]
    return {name: _interval(np.concatenate([part[name] for part in parts])) for name in parts[0]}


def _means(truth: Bool, scores: Float64, decided: Bool, by_film: Float64, weights: Int64) -> dict[str, Float64]:
    """All means for each row of weights (b, n), shape (b,); NaN for a resample without positives."""
    positives = weights @ truth  # (b, g)
    hits, chosen = weights @ (truth & decided), weights @ decided
    ap = np.full(positives.shape, np.nan)
    for j in range(truth.shape[1]):
        some = positives[:, j] > 0
        ap[some, j] = weighted_ap(truth[:, j], scores[:, j], weights[some])
    f1 = np.where(positives > 0, 2 * hits / np.maximum(positives + chosen, 1), np.nan)
    labelled = ~np.isnan(by_film)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "map_macro": _row_mean(ap, np.ones_like(ap)),
            "ap_micro": weighted_ap(truth.ravel(), scores.ravel(), np.repeat(weights, truth.shape[1], axis=1)),
            "ap_weighted": _row_mean(ap, positives),
            "ap_samples": weights[:, labelled] @ by_film[labelled] / weights[:, labelled].sum(axis=1),
            "f1_micro": 2 * hits.sum(axis=1) / (positives + chosen).sum(axis=1),
            "f1_macro": _row_mean(f1, np.ones_like(f1)),
            "f1_weighted": _row_mean(f1, positives),
        }


def _row_mean(values: Float64, weights: Float64 | Int64) -> Float64:
    """Weighted mean of each row without NaN."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values * weights, 0).sum(axis=1) / (weights * known).sum(axis=1))


def _film_aps(truth: Bool, scores: Float64) -> Float64:
    """AP over the genres of each film, shape (n,); NaN for a film without genres."""
    ones = np.ones((1, truth.shape[1]), dtype=np.int64)
    aps = [float(weighted_ap(t, s, ones)[0]) if t.any() else np.nan for t, s in zip(truth, scores, strict=True)]
    return np.array(aps)


def weighted_ap(truth: Bool, scores: Float64, weights: Int64) -> Float64:
    """Average precision with sample weights, for many weightings; ties as in scikit-learn.

    Args:
        truth: Shape (n,).
        scores: Shape (n,).
        weights: Shape (b, n); each row needs a positive of weight above 0.

    Returns:
        Shape (b,).
    """
    order = np.argsort(-scores, kind="stable")
    ranked, w = scores[order], weights[:, order].astype(np.float64)
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # last film of each score
    hits = np.cumsum(w * truth[order], axis=1)[:, last]
    retrieved = np.cumsum(w, axis=1)[:, last]
    new_hits = np.diff(hits, axis=1, prepend=0.0)
    return np.asarray((new_hits * hits / np.maximum(retrieved, 1.0)).sum(axis=1) / hits[:, -1])


def _interval(values: Float64) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
