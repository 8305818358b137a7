"""Probabilities that are wrong by design come right again."""

import numpy as np
import pytest
from scipy.special import expit

from cinegrain.errors import ShapeError
from cinegrain.metrics.calibration import reliability
from cinegrain.training.calibrate import Calibration, fit_calibration, shrink_to_frequency, uncalibrated
from cinegrain.types import Bool, Float64


def true_to_its_word(n: int, g: int, seed: int) -> tuple[Bool, Float64]:
    """Labels drawn from logits: as probabilities these are calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 1.2, size=(n, g))
    return rng.random((n, g)) < expit(logits), logits


def test_logits_times_three_are_brought_back() -> None:
    val_truth, val_logits = true_to_its_word(1500, 4, 0)
    truth, logits = true_to_its_word(4000, 4, 1)
    found = fit_calibration(val_truth, expit(3 * val_logits), val_truth)
    right, wrong = reliability(truth, expit(logits)).ece, reliability(truth, expit(3 * logits)).ece
    mended = reliability(truth, found.apply(expit(3 * logits))).ece
    assert wrong > 0.08
    assert mended < right + 0.01, "as good as the probabilities that made the labels, but for the noise of 4,000 films"
    np.testing.assert_allclose(found.slopes, 1 / 3, atol=0.07)
    assert found.kinds == ("own",) * 4


def test_a_shift_is_brought_back_by_a_line_of_its_own() -> None:
    truth, logits = true_to_its_word(3000, 2, 0)
    found = fit_calibration(truth, expit(logits + np.array([2.0, 0.0])), truth)
    np.testing.assert_allclose(found.offsets, [-2.0, 0.0], atol=0.35)


def test_rare_genres_share_a_temperature_and_order_is_kept() -> None:
    truth, logits = true_to_its_word(400, 3, 2)
    truth[:, 2] = False
    truth[:4, 2] = True
    found = fit_calibration(truth, expit(3 * logits), truth)
    assert found.kinds == ("own", "own", "shared")
    assert found.offsets[2] == 0
    assert (found.slopes > 0).all()
    p = expit(logits)
    assert (np.argsort(found.apply(p)[:, 2]) == np.argsort(p[:, 2])).all()


def test_few_films_are_not_shouted_about() -> None:
    """Of 8 films two have the first genre; a network fitted to them says 0.93 and 0.02 of other films."""
    trained_on = np.zeros((8, 2), dtype=bool)
    trained_on[:2, 0] = trained_on[:5, 1] = True
    truth, _ = true_to_its_word(3, 2, 0)
    found = fit_calibration(truth, np.full((3, 2), 0.5), trained_on)
    assert found.kinds == ("held",) * 2
    loud, quiet = found.apply(np.array([[0.93, 0.93], [0.02, 0.02]]))
    share = (trained_on.sum(axis=0) + 1) / 10
    assert (loud < 0.78).all()
    assert (quiet > 0.08).all()
    assert ((quiet < share) & (share < loud)).all(), "it still says which film is the likelier one"
    # A network that says the genre's share says it still; what it adds counts m / (m + 5).
    np.testing.assert_allclose(found.apply(share[None])[0], share, atol=1e-9)
    np.testing.assert_allclose(found.slopes, [2 / 7, 3 / 8])


def test_the_more_films_the_more_is_believed() -> None:
    trained_on = np.zeros((1000, 4), dtype=bool)
    for j, n in enumerate((0, 1, 30, 500)):
        trained_on[:n, j] = True
    found = shrink_to_frequency(trained_on)
    assert (np.diff(found.slopes) > 0).all()
    assert 0 < found.slopes[0] < 0.1
    assert found.slopes[3] > 0.98
    assert np.isfinite(found.offsets).all()


def test_a_network_that_is_wrong_way_round_is_not_turned_over() -> None:
    truth, logits = true_to_its_word(500, 2, 0)
    found = fit_calibration(truth, expit(np.column_stack([-logits[:, 0], logits[:, 1]])), truth)
    assert found.slopes[0] > 0


def test_certain_probabilities_stay_finite() -> None:
    truth = np.tile([[True, False], [False, True]], (30, 1))
    found = fit_calibration(truth, truth.astype(np.float64), truth)
    assert np.isfinite(found.apply(np.array([[0.0, 1.0]]))).all()


def test_round_trip_and_scaled_influence() -> None:
    truth, logits = true_to_its_word(300, 2, 0)
    found = fit_calibration(truth, expit(2 * logits), truth)
    again = Calibration.from_stored(found.to_stored(), 2)
    np.testing.assert_array_equal(again.apply_logits(logits), found.apply_logits(logits))
    np.testing.assert_allclose(found.scale(np.ones((5, 4, 2)))[3, 1], found.slopes)
    assert Calibration.from_stored(None, 2).kinds == uncalibrated(2).kinds
    with pytest.raises(ShapeError):
        fit_calibration(truth, expit(logits), truth[:, :1])
    with pytest.raises(ShapeError):
        Calibration.from_stored(found.to_stored(), 3)
