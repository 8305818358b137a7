"""Probabilities that mean what they say, learned on validation films. Imports nothing heavy: exported models use it."""

from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ShapeError
from cinegrain.types import Bool, Float64, JsonObject

KINDS = OWN, SHARED, HELD = "own", "shared", "held"
_NONE = "none"
MIN_OF_EACH = 10
"""Validation films with and without a genre that it needs for a line of its own."""
MIN_POSITIVES_IN_ALL = 20
"""Positives over all genres that the shared temperature needs."""
EVIDENCE = 5.0
"""Training films with a genre (or without, if those are fewer) at which half of what the network says is believed."""
_STEEPEST = 10.0  # a slope beyond this has seen no error, and would claim certainty
_EPS = 1e-7


@dataclass(frozen=True, eq=False)
class Calibration:
    """One rising line a genre on the logits: p = sigmoid(slope * logit + offset).

    Attributes:
        slopes: Shape (g,), > 0.
        offsets: Shape (g,).
        kinds: Of each genre: `own` line (Platt), `shared` temperature of all genres, `held` back towards the genre's
            share of the training films, or `none` (an older card).
    """

    slopes: Float64
    offsets: Float64
    kinds: tuple[str, ...]

    def apply(self, probabilities: Float64) -> Float64:
        """Calibrated probabilities, shape (n, g), from the network's own."""
        return self.apply_logits(_logit(probabilities))

    def apply_logits(self, logits: Float64) -> Float64:
        """The same from logits, shape (n, g)."""
        return _sigmoid(logits * self.slopes + self.offsets)

    def scale(self, influence: Float64) -> Float64:
        """Influence on the network's logits (..., g) as influence on the calibrated ones."""
        return np.asarray(influence * self.slopes)

    def to_json(self) -> JsonObject:
        """Plain data for a model's card."""
        return {"slopes": self.slopes.tolist(), "offsets": self.offsets.tolist(), "kinds": list(self.kinds)}

    @classmethod
    def from_card(cls, card: JsonObject, n_genres: int) -> "Calibration":
        """From a model's card; one without calibration leaves probabilities as they are.

        Raises:
            ShapeError: If it is for another number of genres.
        """
        found = card.get("calibration")
        if found is None:
            return uncalibrated(n_genres)
        result = cls(np.array(found["slopes"]), np.array(found["offsets"]), tuple(found["kinds"]))
        if not result.slopes.shape == result.offsets.shape == (n_genres,):
            raise ShapeError(f"The calibration is not for {n_genres} genres. Train the genre model again.")
        return result


def uncalibrated(n_genres: int) -> Calibration:
    """Leaves probabilities as they are."""
    return Calibration(np.ones(n_genres), np.zeros(n_genres), (_NONE,) * n_genres)


def fit_calibration(truth: Bool, probabilities: Float64, trained_on: Bool) -> Calibration:
    """Learns the lines on films that did not train the network.

    A genre with MIN_OF_EACH films with and without it gets Platt's line; the others one temperature shared by all
    genres. With fewer than MIN_POSITIVES_IN_ALL positives nothing can be learned, and a network that has seen few
    films says too much: its logits are drawn to the genre's share of the training films, the more the fewer they were.

    Args:
        truth: Shape (n, g).
        probabilities: The network's own, shape (n, g).
        trained_on: Genres of the training films, shape (t, g).

    Raises:
        ShapeError: If the shapes do not fit.

    Source: Platt 1999, Probabilistic Outputs for Support Vector Machines, section 2.2 (targets kept off 0 and 1).
    """
    if truth.shape != probabilities.shape or truth.ndim != 2 or trained_on.shape[1:] != truth.shape[1:]:
        raise ShapeError(
            f"truth {truth.shape} and probabilities {probabilities.shape} must be one (n, g), "
            f"trained_on {trained_on.shape} have as many genres."
        )
    result = hold_back(trained_on)
    if truth.sum() < MIN_POSITIVES_IN_ALL or truth.all():
        return result
    logits = _logit(probabilities)
    shared, _ = _line(truth.ravel(), logits.ravel(), with_offset=False)
    slopes, offsets = result.slopes.copy(), result.offsets.copy()
    kinds = list(result.kinds)
    for j in range(truth.shape[1]):
        positives = int(truth[:, j].sum())
        own = min(positives, len(truth) - positives) >= MIN_OF_EACH
        slope, offset = _line(truth[:, j], logits[:, j], with_offset=True) if own else (0.0, 0.0)
        if 0 < slope <= _STEEPEST:
            slopes[j], offsets[j], kinds[j] = slope, offset, OWN
        elif 0 < shared <= _STEEPEST:
            slopes[j], offsets[j], kinds[j] = shared, 0.0, SHARED
    return Calibration(slopes, offsets, tuple(kinds))


def hold_back(trained_on: Bool) -> Calibration:
    """Logits drawn to the genres' shares: of m training films with a genre, a part m / (m + EVIDENCE) is believed.

    Args:
        trained_on: Genres of the training films, shape (t, g).
    """
    positives = trained_on.sum(axis=0)
    fewer = np.minimum(positives, len(trained_on) - positives)
    slopes = np.maximum(fewer, 0.5) / (np.maximum(fewer, 0.5) + EVIDENCE)  # above 0, so that order is kept
    prior = _logit((positives + 1) / (len(trained_on) + 2))
    return Calibration(slopes, (1 - slopes) * prior, (HELD,) * len(slopes))


def _line(truth: Bool, logits: Float64, *, with_offset: bool) -> tuple[float, float]:
    """Slope and offset of least log loss; each film counts as both answers, in Platt's proportions."""
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
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))  # overflows nowhere
