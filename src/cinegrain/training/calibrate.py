"""Calibration of genre probabilities on validation films. Imports no PyTorch: exported models use it."""

from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64

KINDS = OWN, SHARED, HELD = "own", "shared", "held"
_NONE = "none"
MIN_OF_EACH = 10
"""Validation films with and without a genre for Platt scaling of that genre."""
MIN_POSITIVES_IN_ALL = 20
"""Positives over all genres for the shared temperature."""
EVIDENCE = 5.0
"""Training films with a genre (or without, if fewer) at which the logits have a weight of one half."""
_MAX_SLOPE = 10.0  # a steeper fit has seen no error and would be overconfident
_EPS = 1e-7


@dataclass(frozen=True)
class StoredCalibration:
    """A `Calibration` as model cards hold it."""

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Linear calibration of each genre's logit: p = sigmoid(slope * logit + offset).

    Attributes:
        slopes: Shape (g,), > 0.
        offsets: Shape (g,).
        kinds: Method of each genre: `own` (Platt scaling), `shared` (one temperature for all genres), `held` (shrunk
            towards the genre's frequency) or `none` (uncalibrated).
    """

    slopes: Float64
    offsets: Float64
    kinds: tuple[str, ...]

    def apply(self, probabilities: Float64) -> Float64:
        """Calibrate probabilities, shape (n, g)."""
        return self.apply_logits(_logit(probabilities))

    def apply_logits(self, logits: Float64) -> Float64:
        """Calibrated probabilities from logits, shape (n, g)."""
        return _sigmoid(logits * self.slopes + self.offsets)

    def scale(self, influence: Float64) -> Float64:
        """Convert influence on the raw logits (..., g) to influence on the calibrated logits."""
        return np.asarray(influence * self.slopes)

    def to_stored(self) -> StoredCalibration:
        """For the model card."""
        return StoredCalibration(tuple(self.slopes.tolist()), tuple(self.offsets.tolist()), self.kinds)

    @classmethod
    def from_stored(cls, stored: StoredCalibration | None, n_genres: int) -> "Calibration":
        """Read from a model card; the identity if the card has none.

        Raises:
            ShapeError: If it is for another number of genres.
        """
        if stored is None:
            return uncalibrated(n_genres)
        result = cls(np.array(stored.slopes), np.array(stored.offsets), stored.kinds)
        if not result.slopes.shape == result.offsets.shape == (n_genres,):
            raise ShapeError(f"The calibration is not for {n_genres} genres. Train the genre model again.")
        return result


def uncalibrated(n_genres: int) -> Calibration:
    """Calibration that changes nothing."""
    return Calibration(np.ones(n_genres), np.zeros(n_genres), (_NONE,) * n_genres)


def fit_calibration(truth: Bool, probabilities: Float64, trained_on: Bool) -> Calibration:
    """Fit the calibration on films that the network was not trained on.

    Genres with at least MIN_OF_EACH films with and without it get Platt scaling, the others a shared temperature. With
    fewer than MIN_POSITIVES_IN_ALL positives in all, logits are shrunk towards the genres' frequencies: networks
    trained on few films are overconfident.

    Args:
        truth: Shape (n, g).
        probabilities: Uncalibrated, shape (n, g).
        trained_on: Genres of the training films, shape (t, g).

    Raises:
        ShapeError: If the shapes do not agree.

    Source: Platt 1999, Probabilistic Outputs for Support Vector Machines, section 2.2 (smoothed targets).
    """
    if truth.shape != probabilities.shape or truth.ndim != 2 or trained_on.shape[1:] != truth.shape[1:]:
        raise ShapeError(
            f"truth {truth.shape} and probabilities {probabilities.shape} must have the same shape (n, g), "
            f"and trained_on {trained_on.shape} the same number of genres."
        )
    result = shrink_to_frequency(trained_on)
    if truth.sum() < MIN_POSITIVES_IN_ALL or truth.all():
        return result
    logits = _logit(probabilities)
    shared, _ = _platt(truth.ravel(), logits.ravel(), with_offset=False)
    slopes, offsets = result.slopes.copy(), result.offsets.copy()
    kinds = list(result.kinds)
    for j in range(truth.shape[1]):
        positives = int(truth[:, j].sum())
        own = min(positives, len(truth) - positives) >= MIN_OF_EACH
        slope, offset = _platt(truth[:, j], logits[:, j], with_offset=True) if own else (0.0, 0.0)
        if 0 < slope <= _MAX_SLOPE:
            slopes[j], offsets[j], kinds[j] = slope, offset, OWN
        elif 0 < shared <= _MAX_SLOPE:
            slopes[j], offsets[j], kinds[j] = shared, 0.0, SHARED
    return Calibration(slopes, offsets, tuple(kinds))


def shrink_to_frequency(trained_on: Bool) -> Calibration:
    """Shrink logits towards the genres' frequencies; with m training films of a genre its weight is m / (m + EVIDENCE).

    Args:
        trained_on: Genres of the training films, shape (t, g).
    """
    positives = trained_on.sum(axis=0)
    fewer = np.minimum(positives, len(trained_on) - positives)
    slopes = np.maximum(fewer, 0.5) / (np.maximum(fewer, 0.5) + EVIDENCE)  # above 0 to keep the ranking
    prior = _logit((positives + 1) / (len(trained_on) + 2))
    return Calibration(slopes, (1 - slopes) * prior, (HELD,) * len(slopes))


def _platt(truth: Bool, logits: Float64, *, with_offset: bool) -> tuple[float, float]:
    """Slope and offset by logistic regression on Platt's smoothed targets."""
    from sklearn.linear_model import LogisticRegression

    n_true = int(truth.sum())
    n_false = len(truth) - n_true
    target = np.where(truth, (n_true + 1) / (n_true + 2), 1 / (n_false + 2))
    x, y = np.concatenate([logits, logits])[:, None], np.repeat([1, 0], len(truth))
    model = LogisticRegression(C=1e6, fit_intercept=with_offset, max_iter=1000)
    model.fit(x, y, sample_weight=np.concatenate([target, 1 - target]))
    return float(model.coef_[0, 0]), float(model.intercept_[0]) if with_offset else 0.0


def _logit(p: Float64) -> Float64:
    p = np.clip(p, _EPS, 1 - _EPS)
    return np.asarray(np.log(p) - np.log1p(-p))


def _sigmoid(x: Float64) -> Float64:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))  # does not overflow
