from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cinegrain.errors import ConfigError, DataError, StoreError
from cinegrain.metrics.multilabel import macro_ap
from cinegrain.models.batch import SceneBatch
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.runs.provenance import provenance
from cinegrain.settings import FinetuneSettings, ModelSettings, SplitSettings, TrainSettings
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.augment import add_noise, disjoint_views, drop_experts
from cinegrain.training.checkpoint import CoarseCard, load_model, save_model
from cinegrain.training.coarse import train_coarse
from cinegrain.training.finetune import finetune
from cinegrain.training.infer import encode_all, predict_genres
from cinegrain.training.split import split_by_title
from cinegrain.training.threads import threads_for
from cinegrain.types import Bool

GENRES = ("A", "B", "C", "D")


def planted(n: int = 120, seed: int = 0) -> tuple[TrailerArrays, Bool]:
    """Films of four genres that show in two experts; the first expert is missing in every fifth film."""
    rng = np.random.default_rng(seed)
    main = np.arange(n) % 4
    labels = np.zeros((n, 4), dtype=bool)
    labels[np.arange(n), main] = True
    labels[np.arange(n), rng.integers(0, 4, n)] |= rng.random(n) < 0.3
    experts = {}
    for expert, dimension in (("sound", 12), ("picture", 20)):
        centres = rng.normal(size=(4, dimension))
        vectors, scenes, offsets = [], [], [0]
        for i in range(n):
            s = 0 if expert == "sound" and i % 5 == 0 else int(rng.integers(2, 7))
            own = rng.normal(size=dimension)  # what all scenes of this film share
            vectors.append(labels[i] @ centres + own + rng.normal(size=(s, dimension)))
            scenes.append(np.arange(s))
            offsets.append(offsets[-1] + s)
        experts[expert] = ExpertArray(
            np.concatenate(vectors).astype(np.float16), np.concatenate(scenes), np.array(offsets)
        )
    return TrailerArrays(experts), labels


def spec(arrays: TrailerArrays) -> ModelSpec:
    return ModelSpec(arrays.dimensions, {"sound": "audio", "picture": "image"}, GENRES, ModelSettings(hidden_dim=32))


QUICK = TrainSettings(epochs=60, patience=20)


def titles(n: int) -> list[str]:
    return [f"Film {i}" for i in range(n)]


def test_batch_equals_the_plain_arrays() -> None:
    arrays, _ = planted()
    rows = np.array([7, 0, 33])
    batch = arrays.batch(rows)
    for name, array in arrays.experts.items():
        for place, i in enumerate(rows):
            a, b = array.offsets[i], array.offsets[i + 1]
            expected = array.vectors[a:b].astype(np.float32)
            np.testing.assert_array_equal(batch.vectors[name][place][batch.masks[name][place]].numpy(), expected)
    assert not batch.masks["sound"][1].any(), "film 0 has no sound"


def test_means_and_statistics() -> None:
    arrays, _ = planted()
    means = arrays.means("sound")
    a = arrays.experts["sound"]
    np.testing.assert_allclose(means[7], a.vectors[a.offsets[7] : a.offsets[8]].astype(float).mean(0), rtol=1e-5)
    assert np.isnan(means[0]).all()
    mean, deviation = arrays.statistics(np.arange(0, 60))["sound"]
    there = means[:60][~np.isnan(means[:60, 0])]
    np.testing.assert_allclose(mean.numpy(), there.mean(0), rtol=1e-5)
    np.testing.assert_allclose(deviation.numpy(), there.std(0), rtol=1e-5)


def test_planted_genres_are_learned_and_shuffled_ones_are_not() -> None:
    arrays, labels = planted()
    split = split_by_title(titles(120), labels, SplitSettings(), seed=0)
    result = train_coarse(arrays, labels, split, spec(arrays), QUICK, seed=0)
    learned = macro_ap(labels[split.test], predict_genres(result.model, arrays, split.test))
    assert learned > 0.9
    scores = []
    for seed in range(3):
        shuffled = labels[np.random.default_rng(seed).permutation(120)]
        chance = train_coarse(arrays, shuffled, split, spec(arrays), QUICK, seed=0)
        p = predict_genres(chance.model, arrays, split.test)
        scores.append(macro_ap(shuffled[split.test], p))
    assert abs(np.mean(scores) - labels.mean()) < 0.2, "without anything to learn it must fall to chance"


def test_same_seed_same_numbers_and_other_seed_others() -> None:
    arrays, labels = planted(60)
    split = split_by_title(titles(60), labels, SplitSettings(), seed=0)
    settings = TrainSettings(epochs=6)
    runs = [train_coarse(arrays, labels, split, spec(arrays), settings, seed=s) for s in (1, 1, 2)]
    first, again, other = ([e.train_loss for e in run.history] for run in runs)
    assert first == pytest.approx(again, rel=1e-4)  # threads may add in another order
    assert first != pytest.approx(other, rel=1e-4)


def test_few_films_are_trained_with_one_thread_and_the_others_come_back() -> None:
    arrays, labels = planted(60)
    split = split_by_title(titles(60), labels, SplitSettings(), seed=0)
    usual, seen = torch.get_num_threads(), []
    torch.set_num_threads(3)
    try:
        train_coarse(
            arrays,
            labels,
            split,
            spec(arrays),
            TrainSettings(epochs=1),
            seed=0,
            on_epoch=lambda *_: seen.append(torch.get_num_threads()),
        )
        with threads_for(5000):
            seen.append(torch.get_num_threads())
        assert seen == [1, 3]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(usual)


def test_the_best_epoch_is_kept_and_patience_ends_training() -> None:
    arrays, labels = planted(60)
    split = split_by_title(titles(60), labels, SplitSettings(), seed=0)
    settings = ModelSettings(hidden_dim=32, linear_weight=0.3)  # else it is chosen at the end
    shape = replace(spec(arrays), settings=settings)
    result = train_coarse(arrays, labels, split, shape, TrainSettings(epochs=80, patience=5), seed=0)
    ripe = [(e.val_map or 0, -e.val_loss) for e in result.history[2:]]
    assert result.best_epoch == 2 + ripe.index(max(ripe))
    assert len(result.history) <= result.best_epoch + 6
    p = predict_genres(result.model, arrays, split.val)
    assert macro_ap(labels[split.val], p) == pytest.approx(result.history[result.best_epoch].val_map)


def test_split_is_by_title_seeded_and_stratified() -> None:
    _, labels = planted(200)
    names = [f"Film {i // 2}!" if i % 2 else f"film {i // 2}" for i in range(200)]  # two trailers a title
    split = split_by_title(names, labels, SplitSettings(), seed=3)
    parts = [split.train, split.val, split.test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(200))
    owner = {int(i): p for p, part in enumerate(parts) for i in part}
    assert all(owner[i] == owner[i + 1] for i in range(0, 200, 2))
    assert [len(p) for p in parts] == pytest.approx([120, 40, 40], abs=8)
    for part in parts[1:]:
        np.testing.assert_allclose(labels[part].mean(0), labels.mean(0), atol=0.1)
    again = split_by_title(names, labels, SplitSettings(), seed=3)
    other = split_by_title(names, labels, SplitSettings(), seed=4)
    np.testing.assert_array_equal(again.test, split.test)
    assert set(other.test.tolist()) != set(split.test.tolist())


@pytest.mark.parametrize("n", [5, 6, 9, 13])
def test_split_of_very_few_films_has_something_in_every_part(n: int) -> None:
    labels = np.zeros((n, 3), dtype=bool)
    labels[np.arange(n), np.arange(n) % 3] = True
    split = split_by_title(titles(n), labels, SplitSettings(), seed=0)
    assert len(split.train) >= n // 2
    assert len(split.val) >= 1
    assert len(split.test) >= 1


def test_too_few_titles() -> None:
    with pytest.raises(DataError, match="at least 5"):
        split_by_title(["a", "A!", "b", "c", "d"], np.ones((5, 2), dtype=bool), SplitSettings(), seed=0)


def views_of(batch: SceneBatch, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return disjoint_views(batch, torch.Generator().manual_seed(seed))


def test_views_are_disjoint_halves_and_differ_by_chance() -> None:
    arrays, _ = planted()
    batch = arrays.batch(np.arange(30))
    first, second, both = views_of(batch)
    some = torch.stack(list(batch.masks.values())).any(0)
    assert not (first & second).any()
    assert ((first | second) == some).all()
    assert ((first.sum(1) - second.sum(1)).abs() <= 1).all()
    assert both.all()
    assert not torch.equal(views_of(batch, 1)[0], first)
    one = batch.keep_scenes(torch.arange(some.shape[1])[None] == 0)
    assert not views_of(one)[2].any(), "a film of one scene has no second view"


def test_mode_dropout_never_takes_the_last_mode() -> None:
    arrays, _ = planted()
    batch = arrays.batch(np.arange(60))
    names = list(batch.masks)
    before = batch.present(names)
    after = drop_experts(batch, 0.9, torch.Generator().manual_seed(0)).present(names)
    assert after.any(dim=1).equal(before.any(dim=1))
    assert not (after & ~before).any()
    assert after.sum() < before.sum()
    assert drop_experts(batch, 0.0, torch.Generator()).present(names).equal(before)


def test_noise_is_as_large_as_stated() -> None:
    arrays, _ = planted()
    batch = arrays.batch(np.arange(100))
    noisy = add_noise(batch, 0.5, torch.Generator().manual_seed(0))
    mask = batch.masks["picture"]
    change = (noisy.vectors["picture"] - batch.vectors["picture"])[mask].std(0)
    torch.testing.assert_close(change, 0.5 * batch.vectors["picture"][mask].std(0), rtol=0.15, atol=0)


@pytest.fixture(scope="module")
def trained() -> tuple[TrailerArrays, Bool, GenreModel]:
    arrays, labels = planted()
    split = split_by_title(titles(120), labels, SplitSettings(), seed=0)
    return arrays, labels, train_coarse(arrays, labels, split, spec(arrays), QUICK, seed=0).model


def test_finetuning_brings_views_of_one_film_together(trained: tuple[TrailerArrays, Bool, GenreModel]) -> None:
    arrays, labels, coarse = trained
    before = {k: v.clone() for k, v in coarse.state_dict().items()}
    settings = FinetuneSettings(method="contrast", epochs=40, learning_rate=3e-3)
    found = finetune(coarse, arrays, labels, np.arange(70), settings, seed=0)
    model, history = found.model, found.history
    assert history[-1].figures["contrast_loss"] < history[0].figures["contrast_loss"]
    assert all(torch.equal(before[k], v) for k, v in coarse.state_dict().items()), "the coarse model is left alone"
    assert set(model.state_dict()) == set(before), "the projection head is dropped"

    def agreement(m: GenreModel) -> float:
        batch = arrays.batch(np.arange(120))
        first, second, both = views_of(batch)
        a, b = (
            torch.nn.functional.normalize(m.encode(batch.keep_scenes(v)).flatten(1), dim=1) for v in (first, second)
        )
        same = (a @ b.T)[both][:, both].argmax(1)
        return float((same == torch.arange(len(same))).float().mean())

    with torch.inference_mode():
        assert agreement(model) > agreement(coarse.eval())


def test_genre_loss_is_kept_at_its_weight(trained: tuple[TrailerArrays, Bool, GenreModel]) -> None:
    arrays, labels, coarse = trained
    settings = FinetuneSettings(method="contrast", epochs=25, genre_weight=3)
    with_genre = finetune(coarse, arrays, labels, np.arange(70), settings, seed=0)
    without = finetune(coarse, arrays, labels, np.arange(70), replace(settings, genre_weight=0), seed=0)
    assert with_genre.history[-1].figures["genre_loss"] < without.history[-1].figures["genre_loss"]
    kept, lost = with_genre.model, without.model
    decay = (lost.head.weight / coarse.head.weight).detach()
    assert float(decay.std()) < 1e-4, "without weight the head gets no gradient; only weight decay shrinks it evenly"
    assert float((kept.head.weight / coarse.head.weight).detach().std()) > 1e-2


def test_films_of_one_scene_cannot_be_contrasted() -> None:
    rng = np.random.default_rng(0)
    array = ExpertArray(rng.normal(size=(6, 3)).astype(np.float16), np.zeros(6, np.int64), np.arange(7))
    arrays = TrailerArrays({"sound": array})
    model = GenreModel(ModelSpec({"sound": 3}, {"sound": "audio"}, ("A", "B"), ModelSettings(hidden_dim=4)))
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(DataError, match="two films with two scenes"):
        finetune(
            model, arrays, np.zeros((6, 2), dtype=bool), none, FinetuneSettings(method="contrast", epochs=1), seed=0
        )


def test_checkpoint_round_trip(tmp_path: Path, trained: tuple[TrailerArrays, Bool, GenreModel]) -> None:
    arrays, _, model = trained
    save_model(tmp_path, model, CoarseCard(key="k", thresholds=(0.1,), provenance=provenance(0)))
    loaded, card = load_model(tmp_path, CoarseCard)
    assert loaded.spec == model.spec
    assert card.key == "k"
    rows = np.arange(10)
    torch.testing.assert_close(encode_all(loaded, arrays, rows), encode_all(model, arrays, rows), rtol=0, atol=0)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")  # a pickle, which is never loaded
    with pytest.raises(StoreError, match="damaged"):
        load_model(tmp_path, CoarseCard)
    (tmp_path / "model.json").unlink()
    with pytest.raises(StoreError, match="missing"):
        load_model(tmp_path, CoarseCard)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SplitSettings(val_fraction=0.5, test_fraction=0.5),
        lambda: TrainSettings(epochs=0),
        lambda: TrainSettings(modality_dropout=1),
        lambda: FinetuneSettings(temperature=0),
        lambda: FinetuneSettings(batch_size=1),
        lambda: ModelSettings(dropout=1.0),
    ],
)
def test_impossible_settings_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ConfigError):
        make()
