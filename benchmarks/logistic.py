"""Logistic regression on scene means: the baselines that every network must beat."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from cinegrain.training.arrays import TrailerArrays
from cinegrain.types import Bool, Float64, Int64

_MAX_ITERATIONS = 2000


@dataclass(frozen=True)
class LogisticSettings:
    """Which regression.

    Attributes:
        strength: Inverse regularisation C.
        late: One regression for each expert, log-odds averaged over those a film has; else one on all vectors.
    """

    strength: float
    late: bool


def logistic_probabilities(
    arrays: TrailerArrays, labels: Bool, train: Int64, held: Int64, settings: LogisticSettings
) -> Float64:
    """Genre probabilities of held-out films by one logistic regression a genre.

    Vectors are standardised by the training films. A missing expert is the training mean where all vectors are read
    as one, and has no say in late fusion; a film without any gets the genres' shares.

    Args:
        arrays: Vectors of n films.
        labels: Genres, shape (n, g).
        train: Films to learn from.
        held: Films to judge, m of them.
        settings: Which regression.

    Returns:
        Shape (m, g).
    """
    blocks, present = _standardised(arrays, train)
    share = np.log(np.clip(labels[train].mean(axis=0), 1e-3, 1 - 1e-3))
    prior = share - np.log1p(-np.exp(share))
    if not settings.late:
        joint = np.concatenate(blocks, axis=1)
        return _sigmoid(_log_odds(joint, labels, train, held, prior, settings.strength))
    total = np.zeros((len(held), labels.shape[1]))
    for e, block in enumerate(blocks):
        has = present[:, e]
        odds = _log_odds(block, labels, train[has[train]], held, prior, settings.strength)
        total += odds * has[held][:, None]
    count = present[held].sum(axis=1, keepdims=True)
    return _sigmoid(np.where(count > 0, total / np.maximum(count, 1), prior))


def _standardised(arrays: TrailerArrays, train: Int64) -> tuple[list[Float64], Bool]:
    """By expert the standardised means (n, d_e), 0 where missing; and who has which, shape (n, e)."""
    blocks, present = [], []
    for name, (mean, deviation) in arrays.statistics(train).items():
        means = arrays.means(name).astype(np.float64)
        there = np.asarray(~np.isnan(means).any(axis=1))
        blocks.append(np.where(there[:, None], (means - mean.numpy()) / deviation.numpy(), 0.0))
        present.append(there)
    return blocks, np.stack(present, axis=1)


def _log_odds(points: Float64, labels: Bool, train: Int64, held: Int64, prior: Float64, strength: float) -> Float64:
    """Shape (m, g); a genre that all or none of the training films have gets its prior."""
    odds = np.tile(prior, (len(held), 1))
    for j, wanted in enumerate(labels[train].T):
        if wanted.any() and not wanted.all():
            fitted = LogisticRegression(C=strength, max_iter=_MAX_ITERATIONS).fit(points[train], wanted)
            odds[:, j] = fitted.decision_function(points[held])
    return odds


def _sigmoid(x: Float64) -> Float64:
    return np.asarray(1 / (1 + np.exp(-x)))
