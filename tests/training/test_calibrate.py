"""Probabilities that are wrong by design come right again."""

import numpy as np
import pytest
from scipy.special import expit

from cinegrain.errors import ShapeError
from cinegrain.metrics.calibration import reliability
from cinegrain.training.calibrate import Calibration, fit_calibration, uncalibrated
from cinegrain.types import Bool, Float64


def true_to_its_word(n: int, g: int, seed: int) -> tuple[Bool, Float64]:
    """Labels drawn from logits: as probabilities these are calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 1.2, size=(n, g))
    return rng.random((n, g)) < expit(logits), logits


def test_logits_times_three_are_brought_back() -> None:
    val_truth, val_logits = true_to_its_word(1500, 4, 0)
    truth, logits = true_to_its_word(4000, 4, 1)
    found = fit_calibration(val_truth, expit(3 * val_logits))
    right, wrong = reliability(truth, expit(logits)).ece, reliability(truth, expit(3 * logits)).ece
    mended = reliability(truth, found.apply(expit(3 * logits))).ece
    assert wrong > 0.08
    assert mended < right + 0.01, "as good as the probabilities that made the labels, but for the noise of 4,000 films"
    np.testing.assert_allclose(found.slopes, 1 / 3, atol=0.07)
    assert found.kinds == ("own",) * 4


def test_a_shift_is_brought_back_by_a_line_of_its_own() -> None:
    truth, logits = true_to_its_word(3000, 2, 0)
    found = fit_calibration(truth, expit(logits + np.array([2.0, 0.0])))
    np.testing.assert_allclose(found.offsets, [-2.0, 0.0], atol=0.35)


def test_rare_genres_share_a_temperature_and_order_is_kept() -> None:
    truth, logits = true_to_its_word(400, 3, 2)
    truth[:, 2] = False
    truth[:4, 2] = True
    found = fit_calibration(truth, expit(3 * logits))
    assert found.kinds == ("own", "own", "shared")
    assert found.offsets[2] == 0
    assert (found.slopes > 0).all()
    p = expit(logits)
    assert (np.argsort(found.apply(p)[:, 2]) == np.argsort(p[:, 2])).all()


def test_too_few_films_change_nothing() -> None:
    truth, logits = true_to_its_word(12, 3, 0)
    found = fit_calibration(truth, expit(logits))
    assert found.kinds == ("none",) * 3
    np.testing.assert_allclose(found.apply(expit(logits)), expit(logits), atol=1e-9)


def test_a_network_that_is_wrong_way_round_is_not_turned_over() -> None:
    truth, logits = true_to_its_word(500, 2, 0)
    found = fit_calibration(truth, expit(np.column_stack([-logits[:, 0], logits[:, 1]])))
    assert found.slopes[0] > 0


def test_certain_probabilities_stay_finite() -> None:
    truth = np.tile([[True, False], [False, True]], (30, 1))
    found = fit_calibration(truth, truth.astype(np.float64))
    assert np.isfinite(found.apply(np.array([[0.0, 1.0]]))).all()


def test_round_trip_and_scaled_influence() -> None:
    truth, logits = true_to_its_word(300, 2, 0)
    found = fit_calibration(truth, expit(2 * logits))
    again = Calibration.from_card({"calibration": found.to_json()}, 2)
    np.testing.assert_array_equal(again.apply_logits(logits), found.apply_logits(logits))
    np.testing.assert_allclose(found.scale(np.ones((5, 4, 2)))[3, 1], found.slopes)
    assert Calibration.from_card({}, 2).kinds == uncalibrated(2).kinds
    with pytest.raises(ShapeError):
        Calibration.from_card({"calibration": found.to_json()}, 3)
