"""How much a fixed embedding still knows of the genres: a linear probe."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from cinegrain.metrics.multilabel import macro_ap
from cinegrain.types import Bool, Float64

_STRENGTHS = (0.1, 1.0, 10.0, 100.0)
_MOST_FILMS = 20_000  # that it is fitted on


def linear_probe_map(
    train: tuple[Float64, Bool],
    val: tuple[Float64, Bool],
    test: tuple[Float64, Bool],
    *,
    strengths: Sequence[float] = _STRENGTHS,
) -> float | None:
    """Macro mAP on test films of one logistic regression a genre; its strength is chosen on validation films.

    Of more than 20,000 films to fit on it takes an even share.

    Args:
        train: Embeddings (n, d) and genres (n, g) to fit on.
        val: The same, to choose on.
        test: The same, to score.
        strengths: Inverse regularisation to choose from.

    Returns:
        None if no genre has a positive among the test films.
    """
    step = -(-len(train[0]) // _MOST_FILMS) or 1
    train = train[0][::step], train[1][::step]
    points, n = np.concatenate([val[0], test[0]]), len(val[0])
    tried = [_probe(train, points, strength) for strength in strengths]
    best = max(tried, key=lambda scores: np.nan_to_num(macro_ap(val[1], scores[:n]), nan=-1.0))
    score = macro_ap(test[1], best[n:])
    return None if np.isnan(score) else score


def _probe(train: tuple[Float64, Bool], points: Float64, strength: float) -> Float64:
    """Scores (n, g) of points (n, d); a genre that all or no training film has gets its share everywhere."""
    scores = np.empty((len(points), train[1].shape[1]))
    for j, wanted in enumerate(train[1].T):
        if wanted.all() or not wanted.any():
            scores[:, j] = wanted.mean()
            continue
        fitted = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced").fit(train[0], wanted)
        scores[:, j] = fitted.decision_function(points)
    return scores
