"""Linear probe of genres on a frozen embedding."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from cinegrain.metrics.multilabel import macro_ap
from cinegrain.types import Bool, Float64

_STRENGTHS = (0.1, 1.0, 10.0, 100.0)
_MAX_FILMS = 20_000  # to fit on


def linear_probe_map(
    train: tuple[Float64, Bool],
    val: tuple[Float64, Bool],
    test: tuple[Float64, Bool],
    *,
    strengths: Sequence[float] = _STRENGTHS,
) -> float | None:
    """Test macro mAP of a logistic regression per genre, with the regularisation chosen on validation films.

    More than 20,000 training films are subsampled.

    Args:
        train: Embeddings (n, d) and genres (n, g).
        val: The same.
        test: The same.
        strengths: Inverse regularisation strengths to choose from.

    Returns:
        None if the test films have no genre.
    """
    step = -(-len(train[0]) // _MAX_FILMS) or 1
    train = train[0][::step], train[1][::step]
    points, n = np.concatenate([val[0], test[0]]), len(val[0])
    candidates = [_probe(train, points, strength) for strength in strengths]
    best = max(candidates, key=lambda scores: np.nan_to_num(macro_ap(val[1], scores[:n]), nan=-1.0))
    score = macro_ap(test[1], best[n:])
    return None if np.isnan(score) else score


def _probe(train: tuple[Float64, Bool], points: Float64, strength: float) -> Float64:
    """Scores (n, g) of points (n, d); constant for a genre that all or no training films have."""
    scores = np.empty((len(points), train[1].shape[1]))
    for j, truth in enumerate(train[1].T):
        if truth.all() or not truth.any():
            scores[:, j] = truth.mean()
            continue
        fitted = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced").fit(train[0], truth)
        scores[:, j] = fitted.decision_function(points)
    return scores
