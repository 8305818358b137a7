import numpy as np
import pytest
import torch

from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.settings import ModelSettings
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.infer import encode_all, predict_genres


def films(counts: dict[str, list[int]], seed: int = 0, dtype: type = np.float16) -> TrailerArrays:
    """Films with the given numbers of scenes by expert; a scene that an expert lacks is skipped in between."""
    rng = np.random.default_rng(seed)
    experts = {}
    for size, (name, own) in enumerate(counts.items(), start=5):
        scenes = [np.sort(rng.choice(n + 2, n, replace=False)) for n in own]
        vectors: np.ndarray = (rng.normal(size=(sum(own), size)) * 3 + 1).astype(dtype)
        experts[name] = ExpertArray(
            vectors, np.concatenate(scenes).astype(np.int64), np.concatenate([[0], np.cumsum(own)])
        )
    return TrailerArrays(experts)


COUNTS = {"sound": [0, 3, 1, 0, 0, 7, 2, 0], "picture": [4, 0, 2, 1, 0, 3, 9, 0]}


@pytest.mark.parametrize("rows_at_once", [1, 5, 4096])
def test_pooled_films_hold_the_mean_of_their_scenes(rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cinegrain.training.arrays.BLOCK_ROWS", rows_at_once)
    arrays = films(COUNTS)
    pooled = arrays.pooled()
    for name, array in arrays.experts.items():
        for i, n in enumerate(COUNTS[name]):
            one = pooled.experts[name]
            mine = one.vectors[one.offsets[i] : one.offsets[i + 1]]
            assert len(mine) == min(n, 1)
            if n:
                plain = (
                    sum(row.astype(np.float64) for row in array.vectors[array.offsets[i] : array.offsets[i + 1]]) / n
                )
                np.testing.assert_allclose(mine[0], plain, rtol=1e-6)
                np.testing.assert_allclose(arrays.means(name)[i], plain, rtol=1e-6)
            else:
                assert np.isnan(arrays.means(name)[i]).all()
    assert arrays.pooled() is pooled
    assert pooled.pooled() is pooled


@pytest.mark.parametrize("rows_at_once", [2, 4096])
def test_statistics_block_by_block_equal_numpy(rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cinegrain.training.arrays.BLOCK_ROWS", rows_at_once)
    arrays = films(COUNTS)
    chosen = np.array([1, 2, 3, 5, 7])
    for name, (mean, deviation) in arrays.statistics(chosen).items():
        means = arrays.means(name)[chosen]
        means = means[~np.isnan(means[:, 0])].astype(np.float64)
        np.testing.assert_allclose(mean.numpy(), means.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(deviation.numpy(), means.std(axis=0), rtol=1e-5)
    nothing = arrays.statistics(np.array([4, 7]))["sound"]
    assert nothing[0].eq(0).all()
    assert nothing[1].eq(1).all()


def test_a_value_that_never_changes_is_not_blown_up() -> None:
    array = ExpertArray(np.full((4, 3), 7.0, np.float16), np.zeros(4, np.int64), np.arange(5))
    assert TrailerArrays({"sound": array}).statistics(np.arange(4))["sound"][1].eq(1).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_batches_are_padded_float32_of_any_kind(dtype: type) -> None:
    arrays = films(COUNTS, dtype=dtype)
    rows = np.array([5, 0, 7])
    batch = arrays.batch(rows)
    for name, array in arrays.experts.items():
        assert batch.vectors[name].dtype == torch.float32
        for place, i in enumerate(rows):
            own = slice(array.offsets[i], array.offsets[i + 1])
            assert np.flatnonzero(batch.masks[name][place].numpy()).tolist() == array.scenes[own].tolist()
            found = batch.vectors[name][place][batch.masks[name][place]].numpy()
            np.testing.assert_array_equal(found, array.vectors[own].astype(np.float32))


def test_encoding_many_films_equals_one_padded_batch() -> None:
    arrays = films(COUNTS)
    spec = ModelSpec(
        arrays.dimensions, {"sound": "audio", "picture": "image"}, ("A", "B", "C"),
        ModelSettings(hidden_dim=8, ensemble_size=2, dropout=0.1),
    )  # fmt: skip
    torch.manual_seed(0)
    model = GenreModel(spec)
    model.set_statistics(arrays.statistics(np.arange(8)))
    for part in model.parameters():
        torch.nn.init.normal_(part, std=0.3)
    model.eval()
    rows = np.array([6, 1, 4, 5, 0])
    with torch.inference_mode():
        expected, logits = model.encode(arrays.batch(rows)), model(arrays.batch(rows))
    found = encode_all(model, arrays, rows)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    probabilities = predict_genres(model, arrays, rows)
    np.testing.assert_allclose(probabilities, torch.sigmoid(logits).numpy(), rtol=1e-5, atol=1e-7)
    scenes = encode_all(model, arrays.pooled(), rows)
    torch.testing.assert_close(scenes, expected, rtol=1e-4, atol=1e-5)


def test_some_experts_keep_the_means_and_read_nothing() -> None:
    arrays = films(COUNTS)

    class Unread(dict[str, ExpertArray]):
        def __getitem__(self, name: str) -> ExpertArray:
            raise AssertionError("scenes were read")

    stored = TrailerArrays(Unread(arrays.experts), arrays.pooled)
    one = stored.only(["picture"])
    assert list(one.experts) == ["picture"]
    assert one.dimensions == {"picture": arrays.dimensions["picture"]}
    np.testing.assert_array_equal(one.means("picture"), arrays.means("picture"))
    rows = np.array([5, 2, 7])
    np.testing.assert_array_equal(one.means("picture", rows), arrays.means("picture")[rows])
    means, present = one.mean_batch(rows)
    assert present[:, 0].tolist() == [True, True, False]
    np.testing.assert_array_equal(means["picture"][:2].numpy(), arrays.means("picture")[rows[:2]])
    with pytest.raises(AssertionError, match="scenes were read"):
        one.batch(rows)
