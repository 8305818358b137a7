import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from cinegrain.metrics import intervals
from cinegrain.metrics.confusion import confusion
from cinegrain.metrics.intervals import genre_intervals, mean_intervals, weighted_ap


def test_weighted_ap_is_the_ap_of_the_films_repeated() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random(40) < 0.3, rng.random(40).round(1)  # many films share a score
    weights = rng.multinomial(40, np.full(40, 1 / 40), 20)
    expected = [average_precision_score(np.repeat(truth, w), np.repeat(scores, w)) for w in weights]
    np.testing.assert_allclose(weighted_ap(truth, scores, weights), expected, atol=1e-12)


def test_intervals_hold_the_plain_score_and_narrow_with_films() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for n in (50, 800):
        truth = rng.random(n) < 0.4
        scores = truth * 0.3 + rng.random(n) * 0.7
        found = genre_intervals(truth, scores, 0.5)
        assert found is not None
        assert found.ap[0] < average_precision_score(truth, scores) < found.ap[1]
        assert found.f1[0] < f1_score(truth, scores >= 0.5) < found.f1[1]
        widths.append(found.ap[1] - found.ap[0])
    assert widths[1] < widths[0] / 2
    assert genre_intervals(np.zeros(5, bool), np.zeros(5), 0.5) is None


def test_intervals_of_means_are_those_of_the_films_repeated() -> None:
    """Every mean against scikit-learn on films drawn again and again, from the same draws."""
    rng = np.random.default_rng(2)
    truth, scores = rng.random((30, 3)) < [0.5, 0.3, 0.2], rng.random((30, 3)).round(1)
    truth[0] = True
    decided = scores >= 0.6
    found = mean_intervals(truth, scores, decided, n_bootstrap=60, seed=5)
    draws: dict[str, list[float]] = {name: [] for name in found}
    for w in np.random.default_rng(5).multinomial(30, np.full(30, 1 / 30), 60):
        t, p, d = (np.repeat(x, w, axis=0) for x in (truth, scores, decided))
        some = t.any(axis=0)
        t, p, d = t[:, some], p[:, some], d[:, some]
        draws["map_macro"].append(average_precision_score(t, p, average="macro"))
        draws["ap_weighted"].append(average_precision_score(t, p, average="weighted"))
        draws["ap_micro"].append(average_precision_score(t, p, average="micro"))
        named = t.any(axis=1)
        draws["ap_samples"].append(average_precision_score(t[named], p[named], average="samples"))
        for kind in ("micro", "macro", "weighted"):
            draws[f"f1_{kind}"].append(f1_score(t, d, average=kind, zero_division=0))
    for name, interval in found.items():
        np.testing.assert_allclose(interval, np.percentile(draws[name], [2.5, 97.5]), atol=1e-9, err_msg=name)


def test_many_films_are_resampled_less_often_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    truth, scores = rng.random((50, 2)) < 0.4, rng.random((50, 2))
    whole = mean_intervals(truth, scores, scores > 0.5, n_bootstrap=200)
    monkeypatch.setattr(intervals, "BLOCK_CELLS", 700)
    monkeypatch.setattr(intervals, "MAX_CELLS", 10)
    found = mean_intervals(truth, scores, scores > 0.5)
    for name, interval in whole.items():
        assert found[name] == pytest.approx(interval)


def test_confusion_by_hand() -> None:
    truth = np.array([[1, 0, 0], [1, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=bool)
    decided = np.array([[0, 1, 0], [0, 1, 1], [0, 1, 0], [1, 1, 0]], dtype=bool)
    found = confusion(truth, decided)
    assert found.counts.tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 0]], "film 4 is no miss, though one is wrongly given"
    assert found.missed.tolist() == [2, 0, 0]
    assert found.rates[0, 1] == 1
    assert found.cooccurrence[0] == pytest.approx([1, 0, 1 / 3])
