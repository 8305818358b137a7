import itertools

import numpy as np
import pytest

from cinegrain.errors import ShapeError
from cinegrain.metrics.cluster_agreement import cluster_scores, hungarian_accuracy
from cinegrain.metrics.multilabel import best_thresholds, macro_ap, multilabel_scores


def slow_ap(truth: np.ndarray, scores: np.ndarray) -> float:
    """Precision at the rank of each positive, averaged; scores without ties."""
    order = np.argsort(-scores)
    hits, total = 0, 0.0
    for rank, i in enumerate(order, start=1):
        if truth[i]:
            hits += 1
            total += hits / rank
    return total / hits


@pytest.fixture
def case() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = rng.random((40, 4)) < 0.3
    truth[:, 3] = False  # a genre that none of these films has
    return truth, rng.random((40, 4))


def test_map_leaves_out_a_genre_without_positives_and_says_so(case: tuple[np.ndarray, np.ndarray]) -> None:
    truth, p = case
    scores = multilabel_scores(truth, p, np.full(4, 0.5), ["a", "b", "c", "d"])
    expected = [slow_ap(truth[:, j], p[:, j]) for j in range(3)]
    assert scores.map_macro == pytest.approx(np.mean(expected))
    assert [g.ap for g in scores.genres] == pytest.approx([*expected, None])
    assert scores.left_out == ("d",)
    assert scores.ap_micro == pytest.approx(slow_ap(truth[:, :3].ravel(), p[:, :3].ravel()))
    assert scores.map_low is not None
    assert scores.map_high is not None
    assert scores.map_macro is not None
    assert scores.map_low < scores.map_macro < scores.map_high


def test_f1_by_hand() -> None:
    truth = np.array([[1, 0], [1, 1], [0, 1]], dtype=bool)
    p = np.array([[0.9, 0.9], [0.2, 0.8], [0.1, 0.1]])
    scores = multilabel_scores(truth, p, np.array([0.5, 0.5]), ["a", "b"])
    assert scores.genres[0].f1 == pytest.approx(2 / 3)  # one right, one missed
    assert scores.genres[1].f1 == pytest.approx(0.5)  # one right, one missed, one wrong
    assert scores.f1_micro == pytest.approx(2 * 2 / (3 + 4))
    assert scores.f1_macro == pytest.approx((2 / 3 + 0.5) / 2)
    assert scores.map_macro is not None
    assert scores.map_low is None, "no interval from three films"


def test_random_scores_come_near_chance() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((4000, 5)) < np.array([0.5, 0.3, 0.2, 0.1, 0.05])
    scores = multilabel_scores(truth, rng.random((4000, 5)), np.full(5, 0.5), list("abcde"), n_bootstrap=20)
    assert scores.map_chance is not None
    assert scores.map_macro == pytest.approx(scores.map_chance, abs=0.03)


def test_no_positive_at_all() -> None:
    truth, p = np.zeros((3, 2), dtype=bool), np.full((3, 2), 0.5)
    scores = multilabel_scores(truth, p, np.full(2, 0.5), ["a", "b"])
    assert scores.map_macro is None
    assert np.isnan(macro_ap(truth, p))
    assert best_thresholds(truth, p).tolist() == [0.5, 0.5]


def test_threshold_is_the_best_of_all_cuts() -> None:
    rng = np.random.default_rng(5)
    truth = rng.random((60, 1)) < 0.4
    p = np.clip(truth * 0.3 + rng.random((60, 1)) * 0.7, 0, 1)

    def f1(cut: float) -> float:
        decided = p >= cut
        return float(2 * (decided & truth).sum() / (decided.sum() + truth.sum()))

    assert f1(best_thresholds(truth, p)[0]) == pytest.approx(max(f1(cut) for cut in p.ravel()))


def test_rare_genre_takes_the_common_threshold() -> None:
    truth = np.zeros((20, 2), dtype=bool)
    truth[:19, 0] = True
    truth[0, 1] = True
    p = np.where(truth, 0.8, 0.2)
    p[0, 1] = 0.99
    thresholds = best_thresholds(truth, p)
    assert best_thresholds(truth[1:], p[1:]).tolist() == [0.5, 0.5], "18 positives in all are too few to choose on"
    assert thresholds[1] == pytest.approx(0.5)  # between 0.2 and 0.8, not just under its own 0.99


def test_bad_shapes() -> None:
    with pytest.raises(ShapeError):
        multilabel_scores(np.ones((2, 3), dtype=bool), np.ones((3, 2)), np.ones(2), ["a", "b"])


def test_hungarian_accuracy_against_every_assignment() -> None:
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 4, 50), rng.integers(0, 4, 50)
    best = max(
        np.mean([p[f] == t for t, f in zip(truth, found, strict=True)]) for p in itertools.permutations(range(4))
    )
    assert hungarian_accuracy(truth.tolist(), found.tolist()) == pytest.approx(best)


def test_renamed_clusters_are_perfect_and_random_ones_are_chance() -> None:
    truth = [i % 5 for i in range(500)]
    perfect = cluster_scores(truth, [(t + 3) % 5 for t in truth])
    assert (perfect.ari, perfect.nmi, perfect.accuracy) == pytest.approx((1, 1, 1))
    chance = cluster_scores(truth, np.random.default_rng(0).integers(0, 5, 500).tolist())
    assert abs(chance.ari) < 0.02


def test_one_cluster_for_all_keeps_only_the_biggest_class() -> None:
    assert cluster_scores(["a", "a", "b"], [0, 0, 0]).accuracy == pytest.approx(2 / 3)
