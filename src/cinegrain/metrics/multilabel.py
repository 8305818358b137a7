"""Scores of multi-label genre predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, precision_recall_fscore_support

from cinegrain.errors import ShapeError
from cinegrain.metrics.intervals import Interval, mean_intervals
from cinegrain.types import Bool, Float64

MIN_FOR_INTERVAL = 10
"""The bootstrap intervals of fewer films are too narrow."""


@dataclass(frozen=True)
class GenreScore:
    """Scores of a genre; `ap` is None if no film has it."""

    genre: str
    n_positive: int
    ap: float | None
    precision: float
    recall: float
    f1: float
    threshold: float


@dataclass(frozen=True)
class MultilabelScores:
    """Scores over n films and g genres.

    Attributes:
        n_films: Number of films.
        map_macro: Mean AP over genres with positives; None without any.
        map_low: Lower end of its 95 % bootstrap interval; None with fewer than MIN_FOR_INTERVAL films.
        map_high: Upper end.
        map_chance: Expected macro mAP of random scores: the mean frequency of the same genres.
        ap_micro: AP over all (film, genre) pairs.
        ap_weighted: Mean AP weighted by the number of positives.
        ap_samples: Mean over films of the AP over their genres.
        f1_micro: F1 at the thresholds over all pairs.
        f1_macro: Mean F1 over genres with positives.
        f1_weighted: Mean F1 weighted by the number of positives.
        genres: One entry per genre.
        left_out: Genres without positives; they are in no mean.
        intervals: 95 % intervals of the means by attribute name; None with too few films.
    """

    n_films: int
    map_macro: float | None
    map_low: float | None
    map_high: float | None
    map_chance: float | None
    ap_micro: float | None
    ap_weighted: float | None
    ap_samples: float | None
    f1_micro: float
    f1_macro: float
    f1_weighted: float
    genres: tuple[GenreScore, ...]
    left_out: tuple[str, ...]
    intervals: dict[str, Interval] | None = None


def multilabel_scores(
    truth: Bool,
    probabilities: Float64,
    thresholds: Float64,
    names: Sequence[str],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> MultilabelScores:
    """Score genre probabilities.

    Args:
        truth: Shape (n, g), True where the film has the genre.
        probabilities: Shape (n, g).
        thresholds: Smallest probability of a positive prediction, shape (g,).
        names: Genre names, length g.
        n_bootstrap: Maximum number of resamples for the intervals.
        seed: Random seed.

    Raises:
        ShapeError: If the shapes differ or there are no films.
    """
    if truth.shape != probabilities.shape or truth.ndim != 2 or not len(truth):
        raise ShapeError(
            f"truth {truth.shape} and probabilities {probabilities.shape} must have the same shape (n, g), n >= 1."
        )
    scored = np.asarray(truth.any(axis=0))
    decided = probabilities >= thresholds
    precision, recall, f1, _ = precision_recall_fscore_support(truth, decided, average=None, zero_division=0)
    genres = tuple(
        GenreScore(
            name,
            int(truth[:, j].sum()),
            float(average_precision_score(truth[:, j], probabilities[:, j])) if scored[j] else None,
            float(precision[j]),
            float(recall[j]),
            float(f1[j]),
            float(thresholds[j]),
        )
        for j, name in enumerate(names)
    )
    t, p, d = truth[:, scored], probabilities[:, scored], decided[:, scored]
    some = bool(scored.any())
    enough = some and len(truth) >= MIN_FOR_INTERVAL
    intervals = mean_intervals(t, p, d, n_bootstrap=n_bootstrap, seed=seed) if enough else None
    low, high = intervals["map_macro"] if intervals else (None, None)
    labelled = t.any(axis=1)

    def ap(average: str) -> float | None:
        return float(average_precision_score(t, p, average=average)) if some else None

    return MultilabelScores(
        n_films=len(truth),
        map_macro=ap("macro"),
        map_low=low,
        map_high=high,
        map_chance=float(t.mean(axis=0).mean()) if some else None,
        ap_micro=ap("micro"),
        ap_weighted=ap("weighted"),
        ap_samples=float(average_precision_score(t[labelled], p[labelled], average="samples")) if some else None,
        f1_micro=float(f1_score(truth, decided, average="micro", zero_division=0)),
        f1_macro=float(f1_score(t, d, average="macro", zero_division=0)) if some else 0.0,
        f1_weighted=float(f1_score(t, d, average="weighted", zero_division=0)) if some else 0.0,
        genres=genres,
        left_out=tuple(name for name, has in zip(names, scored, strict=True) if not has),
        intervals=intervals,
    )


def macro_ap(truth: Bool, probabilities: Float64) -> float:
    """Mean AP over genres with positives, both arguments of shape (n, g); NaN without any."""
    scored = truth.any(axis=0)
    if not scored.any():
        return float("nan")
    return float(average_precision_score(truth[:, scored], probabilities[:, scored], average="macro"))


def best_thresholds(
    truth: Bool, probabilities: Float64, *, min_positives: int = 3, min_positives_in_all: int = 20
) -> Float64:
    """Threshold with the best F1 for each genre; for validation films only.

    Args:
        truth: Shape (n, g).
        probabilities: Shape (n, g).
        min_positives: Genres with fewer share the best common threshold.
        min_positives_in_all: With fewer over all genres, all thresholds are 0.5.

    Returns:
        Shape (g,).
    """
    if truth.sum() < min_positives_in_all:
        return np.full(truth.shape[1], 0.5)
    common = _best_threshold(truth.ravel(), probabilities.ravel())
    return np.array(
        [
            _best_threshold(truth[:, j], probabilities[:, j]) if truth[:, j].sum() >= min_positives else common
            for j in range(truth.shape[1])
        ]
    )


def _best_threshold(truth: Bool, probabilities: Float64) -> float:
    """Midpoint between the best cut and the next lower probability; both arguments of shape (n,)."""
    precision, recall, cuts = precision_recall_curve(truth, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    cut = float(cuts[int(np.argmax(f1[:-1]))])
    below = probabilities[probabilities < cut]
    return (cut + float(below.max())) / 2 if len(below) else cut
