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


_CELLS = 20_000_000  # of resamples times films times genres at once
_MOST_CELLS = 400_000_000  # in all; beyond, fewer resamples do
_FEWEST_RESAMPLES = 200


def mean_intervals(
    truth: Bool, scores: Float64, decided: Bool, *, n_bootstrap: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Percentile bootstrap over films of the means over genres, by their names in `MultilabelScores`.

    A genre without a positive in a resample is in no mean of it. Very many films are resampled less often.

    Args:
        truth: Shape (n, g), every genre with a positive.
        scores: Probabilities, shape (n, g).
        decided: Shape (n, g).
        n_bootstrap: Resamples, at most.
        seed: Of the resampling.
    """
    n, size = len(truth), truth.size
    n_bootstrap = min(n_bootstrap, max(_FEWEST_RESAMPLES, _MOST_CELLS // size))
    rng = np.random.default_rng(seed)
    by_film = _film_aps(truth, scores)
    step = max(1, _CELLS // size)
    parts = [
        _means(truth, scores, decided, by_film, rng.multinomial(n, np.full(n, 1 / n), min(step, n_bootstrap - first)))
        for first in range(0, n_bootstrap, step)
    ]
    return {name: _interval(np.concatenate([part[name] for part in parts])) for name in parts[0]}


def _means(truth: Bool, scores: Float64, decided: Bool, by_film: Float64, weights: Int64) -> dict[str, Float64]:
    """Every mean for each row of weights (b, n), shape (b,); NaN where a resample has no positive at all."""
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
    """Weighted mean along each row, of what is not NaN."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values * weights, 0).sum(axis=1) / (weights * known).sum(axis=1))


def _film_aps(truth: Bool, scores: Float64) -> Float64:
    """AP of each film's own genres, shape (n,); NaN for one without any."""
    once = np.ones((1, truth.shape[1]), dtype=np.int64)
    found = [float(weighted_ap(t, s, once)[0]) if t.any() else np.nan for t, s in zip(truth, scores, strict=True)]
    return np.array(found)


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
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
