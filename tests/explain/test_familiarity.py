"""Films of a kind never seen stand out; others do not."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cinegrain.errors import StoreError
from cinegrain.explain.familiarity import QUANTILE, Familiarity, fit_familiarity
from cinegrain.types import Float32, Int64


def kinds(seed: int = 0) -> tuple[dict[str, Float32], Int64]:
    """Four kinds of film in two modes, 80 each; kind 3 differs in sound alone."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(4), 80)
    sound, image = rng.normal(size=(4, 20)) * 2, rng.normal(size=(4, 30)) * 2
    image[3] = image[0]
    means = {
        "sound": (sound[kind] + rng.normal(size=(320, 20))).astype(np.float32),
        "image": (image[kind] + rng.normal(size=(320, 30))).astype(np.float32),
    }
    return means, kind


def parts(kind: Int64) -> tuple[Int64, Int64, Int64, Int64]:
    rng = np.random.default_rng(1)
    known = rng.permutation(np.flatnonzero(kind < 3))
    return known[:120], known[120:180], known[180:], np.flatnonzero(kind == 3)


def test_a_kind_left_out_of_training_is_strange_and_the_mode_is_named() -> None:
    means, kind = kinds()
    train, val, held, strange = parts(kind)
    found = fit_familiarity(means, train, val)
    judged = found.novelty(means)
    truth = np.r_[np.ones(len(strange)), np.zeros(len(held))]
    assert roc_auc_score(truth, np.r_[judged.score[strange], judged.score[held]]) > 0.95
    assert (judged.score[held] > found.threshold).mean() == pytest.approx(1 - QUANTILE, abs=0.09)
    assert (judged.by_expert[strange, 0] > found.threshold).mean() > 0.8
    assert (judged.by_expert[strange, 1] > found.threshold).mean() < 0.2, "their pictures are as usual"


def test_what_is_absent_is_not_judged() -> None:
    means, kind = kinds()
    train, val, held, strange = parts(kind)
    means["image"][train[::3]] = np.nan
    found = fit_familiarity(means, train, val)
    means["sound"][strange] = np.nan
    judged = found.novelty(means)
    assert np.isnan(judged.by_expert[strange, 0]).all()
    assert (judged.score[strange] > found.threshold).mean() < 0.3
    means["image"][strange] = np.nan
    assert np.isnan(found.novelty(means).score[strange]).all()
    assert not np.isnan(found.novelty(means).score[held]).any()


def test_distance_by_plain_loops() -> None:
    means, kind = kinds()
    train, val, _, strange = parts(kind)
    found = fit_familiarity(means, train, val)
    x = means["sound"].astype(np.float64)
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)

    def distance(i: int) -> float:
        cosines = [x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]) for j in train]
        return 1 - float(np.mean(sorted(cosines)[-3:]))

    usual = [distance(i) for i in val]
    expected = [(distance(i) - np.mean(usual)) / np.std(usual) for i in strange[:5]]
    # Training films are kept as float16: three digits.
    np.testing.assert_allclose(found.novelty(means).by_expert[strange[:5], 0], expected, atol=0.02)


def test_round_trip_and_damage() -> None:
    means, kind = kinds()
    train, val, _, _ = parts(kind)
    found = fit_familiarity(means, train, val)
    again = Familiarity.from_bytes(found.to_bytes(), ("sound", "image"))
    np.testing.assert_array_equal(again.novelty(means).by_expert, found.novelty(means).by_expert)
    assert again.threshold == found.threshold
    for content, experts in ((found.to_bytes()[:-5], ("sound",)), (found.to_bytes(), ("smell",)), (b"", ("sound",))):
        with pytest.raises(StoreError):
            Familiarity.from_bytes(content, experts)
