import itertools
import math

import numpy as np
import pytest
import torch

from cinegrain.errors import ShapeError
from cinegrain.explain import neighbours
from cinegrain.explain.influence import expert_influence, influence_by_genre
from cinegrain.explain.neighbours import expert_contributions, nearest, nearest_of_each
from cinegrain.explain.shapley import coalition_masks, shapley_values
from cinegrain.models.batch import SceneBatch
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.settings import ModelSettings

NAMES = ("audio", "location", "motion", "image")


def by_permutations(values: np.ndarray, n: int) -> np.ndarray:
    """The other definition: mean gain over all orders of arrival."""
    result = np.zeros((n, *values.shape[1:]))
    for order in itertools.permutations(range(n)):
        coalition = 0
        for player in order:
            result[player] += values[coalition | 1 << player] - values[coalition]
            coalition |= 1 << player
    return result / math.factorial(n)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_shapley_equals_the_mean_over_orders(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(2**n, 3))
    phi = shapley_values(values)
    np.testing.assert_allclose(phi, by_permutations(values, n), atol=1e-12)
    np.testing.assert_allclose(phi.sum(axis=0), values[-1] - values[0], atol=1e-12)


def test_a_player_that_adds_nothing_gets_nothing_and_equals_get_equal_parts() -> None:
    masks = coalition_masks(3)
    values = (masks[:, 0] & masks[:, 1]).astype(float)  # the first two only together; the third is idle
    assert shapley_values(values) == pytest.approx([0.5, 0.5, 0.0])


def test_shapley_refuses_what_is_not_all_coalitions() -> None:
    with pytest.raises(ShapeError):
        shapley_values(np.zeros(3))
    with pytest.raises(ShapeError):
        coalition_masks(11)


@pytest.fixture
def model() -> GenreModel:
    torch.manual_seed(0)
    dimensions = dict(zip(NAMES, (5, 4, 3, 6), strict=True))
    return GenreModel(
        ModelSpec(dimensions, {n: n for n in NAMES}, ("A", "B"), ModelSettings(hidden_dim=4, dropout=0.0))
    ).eval()


@pytest.fixture
def batch(model: GenreModel) -> SceneBatch:
    g = torch.Generator().manual_seed(1)
    vectors = {n: torch.randn(3, 2, d, generator=g) for n, d in model.spec.dimensions.items()}
    masks = {n: torch.ones(3, 2, dtype=torch.bool) for n in NAMES}
    masks["audio"][1] = False
    return SceneBatch(vectors, masks)


def test_influence_equals_brute_force_over_masked_batches(model: GenreModel, batch: SceneBatch) -> None:
    found = expert_influence(model, batch)
    with torch.no_grad():
        values = np.stack(
            [
                model(
                    batch.keep_experts({n: torch.full((3,), bool(k)) for n, k in zip(NAMES, row, strict=True)})
                ).numpy()
                for row in coalition_masks(4)
            ]
        ).astype(np.float64)
    np.testing.assert_allclose(found.values, np.moveaxis(by_permutations(values, 4), 0, 1), atol=1e-6)
    np.testing.assert_allclose(found.values.sum(axis=1), found.full - found.empty, atol=1e-6)


def test_a_missing_mode_has_exactly_no_influence(model: GenreModel, batch: SceneBatch) -> None:
    values = expert_influence(model, batch).values
    assert (values[1, 0] == 0).all()
    assert (values[0, 0] != 0).all()


def test_influence_by_genre_is_the_mean_over_its_films(model: GenreModel, batch: SceneBatch) -> None:
    found = expert_influence(model, batch)
    labels = np.array([[True, False], [True, False], [False, False]])
    table = influence_by_genre(found, labels)
    np.testing.assert_allclose(table[:, 0], found.values[:2, :, 0].mean(axis=0))
    assert (table[:, 1] == 0).all()


def test_contributions_of_modes_add_up_to_the_cosine() -> None:
    rng = np.random.default_rng(0)
    query, corpus = rng.normal(size=(4, 8)), rng.normal(size=(20, 4, 8))
    flat, q = corpus.reshape(20, -1), query.ravel()
    cosine = flat @ q / np.linalg.norm(flat, axis=1) / np.linalg.norm(q)
    np.testing.assert_allclose(expert_contributions(query, corpus).sum(axis=1), cosine)
    near = nearest(query, corpus, top_k=5)
    assert [n.row for n in near] == np.argsort(-cosine)[:5].tolist()
    assert sum(near[0].parts) == pytest.approx(near[0].score)


def test_the_film_itself_never_comes_back() -> None:
    corpus = np.random.default_rng(0).normal(size=(3, 2, 4))
    assert [n.row for n in nearest(corpus[1], corpus, top_k=9, exclude=[1])].count(1) == 0
    assert len(nearest(corpus[1], corpus, top_k=9, exclude=[1])) == 2


@pytest.mark.parametrize("at_once", [1, 2_000, 2**25])
def test_nearest_of_each_is_what_one_by_one_gives(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_CELLS", at_once)
    vectors = np.random.default_rng(5).normal(size=(130, 3, 6))
    vectors[40] = vectors[90]  # a film that is there twice
    vectors[7] = 0.0  # and one of which nothing is known
    points = vectors.reshape(130, -1)
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    rows, scores = nearest_of_each(points, top_k=5)
    for i in range(130):
        slow = nearest(vectors[i], vectors, top_k=5, exclude=[i])
        assert scores[i] == pytest.approx([n.score for n in slow])
        if i != 7:
            assert rows[i].tolist() == [n.row for n in slow]
    assert nearest_of_each(points[:2], top_k=5)[0].tolist() == [[1], [0]]
    assert nearest_of_each(points[:1], top_k=5)[0].shape == (1, 0)
