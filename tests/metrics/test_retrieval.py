import numpy as np
import pytest

from cinegrain.errors import ShapeError
from cinegrain.metrics import retrieval
from cinegrain.metrics.linear_probe import linear_probe_map
from cinegrain.metrics.retrieval import retrieval_scores


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def test_against_plain_loops() -> None:
    rng = np.random.default_rng(0)
    points, labels = unit(rng.normal(size=(30, 5))), rng.integers(0, 6, 30)
    labels[0] = 99  # has nothing to find
    scores = retrieval_scores(points, labels[:, None] == np.unique(labels))
    assert scores is not None
    precisions, firsts = [], []
    for i in range(1, 30):
        others = sorted((j for j in range(30) if j != i), key=lambda j: -float(points[i] @ points[j]))
        good = [labels[j] == labels[i] for j in others]
        if any(good):
            precisions.append(np.mean([sum(good[: r + 1]) / (r + 1) for r, g in enumerate(good) if g]))
            firsts.append(any(good[:5]))
    assert scores.n_queries == len(precisions)
    assert scores.map == pytest.approx(np.mean(precisions))
    assert scores.recall_at[5] == pytest.approx(np.mean(firsts))


def test_perfect_and_chance() -> None:
    labels = np.arange(200) % 4
    one_hot = labels[:, None] == np.arange(4)
    perfect = retrieval_scores(np.eye(4)[labels], one_hot)
    chance = retrieval_scores(unit(np.random.default_rng(0).normal(size=(200, 8))), one_hot)
    assert perfect is not None
    assert chance is not None
    assert (perfect.map, perfect.recall_at[1]) == (1, 1)
    assert chance.map == pytest.approx(0.25, abs=0.04)


def test_several_labels_and_a_sample_of_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((500, 5)) < 0.2
    points = unit(labels @ rng.normal(size=(5, 8)) + rng.normal(size=(500, 8)))
    whole = retrieval_scores(points, labels)
    monkeypatch.setattr(retrieval, "BLOCK_CELLS", 7 * 500)  # seven queries at a time
    assert retrieval_scores(points, labels) == whole
    monkeypatch.setattr(retrieval, "MAX_QUERIES", 200)
    some = retrieval_scores(points, labels)
    assert whole is not None
    assert some is not None
    assert whole.n_queries == int(labels.any(axis=1).sum())
    assert some.n_queries == 200
    assert some.map != whole.map
    assert some.map == pytest.approx(whole.map, abs=0.03)


def test_nothing_to_find_and_bad_shapes() -> None:
    assert retrieval_scores(np.eye(3), np.eye(3, dtype=bool)) is None
    with pytest.raises(ShapeError):
        retrieval_scores(np.eye(3), np.eye(2, dtype=bool))


def test_probe_finds_what_is_linear_and_nothing_in_shuffled_labels() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((300, 3)) < 0.3
    points = unit(labels @ rng.normal(size=(3, 10)) + 0.3 * rng.normal(size=(300, 10)))
    parts = [(points[i : i + 100], labels[i : i + 100]) for i in (0, 100, 200)]
    found = linear_probe_map(parts[0], parts[1], parts[2])
    assert found is not None
    assert found > 0.9
    shuffled = [(p, rng.permutation(t)) for p, t in parts]
    chance = linear_probe_map(shuffled[0], shuffled[1], shuffled[2])
    assert chance == pytest.approx(0.33, abs=0.1)


def test_probe_with_a_genre_that_training_lacks() -> None:
    labels = np.array([[1, 0], [0, 0], [1, 0], [0, 0]], dtype=bool)
    part = (np.array([[1.0], [-1.0], [1.0], [-1.0]]), labels)
    assert linear_probe_map(part, part, part) == pytest.approx(1.0)
    assert linear_probe_map(part, part, (part[0], np.zeros_like(labels))) is None
