"""Every way of fine-tuning on planted sub-genres, and what each owes to its inputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from cinegrain.discovery.genres import under_genres
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.runs.provenance import provenance
from cinegrain.settings import FINETUNING, FinetuneSettings, ModelSettings
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.checkpoint import FinetunedCard, load_model, save_model
from cinegrain.training.contrast import plain_vectors, related
from cinegrain.training.finetune import finetune
from cinegrain.training.finetuned import Finetuned
from cinegrain.training.infer import encode_all, predict_genres
from cinegrain.types import Bool, Int64

N, SCENES = 240, 4
QUICK = {"epochs": 3, "batch_size": 64, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def data() -> tuple[TrailerArrays, Bool, Int64, GenreModel]:
    """Two genres; each comes in two variants, told by one expert each; the second expert is missing in places."""
    rng = np.random.default_rng(0)
    home, variant = rng.integers(2, size=(2, N))
    labels = np.eye(2, dtype=bool)[home] | (rng.random((N, 2)) < 0.2)
    arrays, names = {}, ("sound", "picture")
    for e, (name, d) in enumerate(zip(names, (10, 16), strict=True)):
        means, axis = rng.normal(size=(2, d)), rng.normal(size=d)
        film = labels @ means + (home == e)[:, None] * (2.5 * (2 * variant - 1)[:, None] * axis / np.linalg.norm(axis))
        vectors = (film[:, None] + rng.normal(size=(N, SCENES, d))).astype(np.float32)
        there = np.ones(N, dtype=bool) if e == 0 else rng.random(N) > 0.05
        offsets = np.concatenate([[0], np.cumsum(there * SCENES)])
        scenes = np.tile(np.arange(SCENES), int(there.sum()))
        arrays[name] = ExpertArray(vectors[there].reshape(-1, d), scenes, offsets)
    trailers = TrailerArrays(arrays)
    spec = ModelSpec(
        trailers.dimensions, dict(zip(names, ("audio", "image"), strict=True)), ("A", "B"), ModelSettings(hidden_dim=8)
    )
    torch.manual_seed(0)
    model = GenreModel(spec)
    model.set_statistics(trailers.statistics(np.arange(N)))
    return trailers, labels, 2 * home + variant, model


def run(data: tuple[TrailerArrays, Bool, Int64, GenreModel], method: str, **more: object) -> Finetuned:
    arrays, labels, _, model = data
    settings = FinetuneSettings(method=method, **{**QUICK, "n_subgenres": 4, **more})  # type: ignore[arg-type]
    return finetune(model, arrays, labels, np.arange(200), settings, seed=0)


def embedding(data: tuple[TrailerArrays, Bool, Int64, GenreModel], found: Finetuned) -> np.ndarray:
    flat = encode_all(found.model, data[0], np.arange(N)).double().numpy().reshape(N, -1)
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))


@pytest.mark.parametrize("method", FINETUNING)
def test_every_method_gives_a_model_that_is_read_back_and_repeats_itself(
    method: str, data: tuple[TrailerArrays, Bool, Int64, GenreModel], tmp_path: Path
) -> None:
    found, again = run(data, method), run(data, method)
    points = embedding(data, found)
    np.testing.assert_array_equal(points, embedding(data, again))
    history = tuple(epoch.to_dict() for epoch in found.history)
    save_model(tmp_path, found.model, FinetunedCard(key="k", coarse_key="c", history=history, provenance=provenance(0)))
    read, card = load_model(tmp_path, FinetunedCard)
    np.testing.assert_array_equal(embedding(data, Finetuned(read, ())), points)
    assert [row["epoch"] for row in card.history] == list(range(len(found.history)))
    assert predict_genres(read, data[0], np.arange(N)).shape == (N, 2)


def test_mixture_takes_groups_that_lie_bare_as_they_are_and_turns_once() -> None:
    rng = np.random.default_rng(1)
    home, variant = rng.integers(2, size=(2, N))
    truth = 2 * home + variant
    axes = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    stretch = 4 * rng.uniform(-1, 1, size=(N, 1)) * axes[4]  # makes groups longer than they lie apart
    groups = _from_points(2 * axes[truth] + stretch + rng.normal(scale=0.1, size=(N, 12)))
    cloud = _from_points(rng.normal(size=(N, 12)))
    labels = np.eye(2, dtype=bool)[home]
    spec = ModelSpec(groups.dimensions, {"sound": "audio"}, ("A", "B"), ModelSettings(hidden_dim=8))
    wanted = FinetuneSettings(method="mixture", n_subgenres=4)
    bare, veiled = (finetune(GenreModel(spec), a, labels, np.arange(N), wanted, seed=0) for a in (groups, cloud))
    assert len(bare.history) == 1
    assert len(veiled.history) == 4
    points = encode_all(bare.model, groups, np.arange(N)).double().numpy().reshape(N, -1)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert adjusted_rand_score(truth, under_genres(points, 4, seed=0, genres=labels).labels) > 0.95


def _from_points(points: np.ndarray) -> TrailerArrays:
    one = np.arange(len(points) + 1)
    return TrailerArrays({"sound": ExpertArray(points.astype(np.float32), np.zeros(len(points), np.int64), one)})


def test_mixture_finds_planted_sub_genres_and_keeps_genres(data: tuple[TrailerArrays, Bool, Int64, GenreModel]) -> None:
    _, labels, truth, _ = data
    found = run(data, "mixture")
    labels_found = under_genres(embedding(data, found), 4, seed=0, genres=labels).labels
    assert adjusted_rand_score(truth, labels_found) > 0.7
    held = predict_genres(found.model, data[0], np.arange(200, N))
    assert ((held > 0.5) == labels[200:]).mean() > 0.8


def test_mixture_reads_genres_of_labelled_films_only(data: tuple[TrailerArrays, Bool, Int64, GenreModel]) -> None:
    arrays, labels, _, model = data
    other = labels.copy()
    other[200:] = ~other[200:]
    settings = FinetuneSettings(n_subgenres=4)
    a, b = (finetune(model, arrays, y, np.arange(200), settings, seed=0) for y in (labels, other))
    np.testing.assert_array_equal(embedding(data, a), embedding(data, b))


def test_an_absent_expert_has_no_part_in_the_embedding(data: tuple[TrailerArrays, Bool, Int64, GenreModel]) -> None:
    absent = data[0].experts["picture"].counts == 0
    encoded = encode_all(run(data, "mixture").model, data[0], np.arange(N)).numpy()
    assert absent.any()
    assert not encoded[absent, 1].any()
    assert encoded[~absent, 1].any(axis=1).all()


def test_near_duplicates_and_a_franchise_are_kin(data: tuple[TrailerArrays, Bool, Int64, GenreModel]) -> None:
    arrays, _, _, model = data
    plain = plain_vectors(model, arrays)[:4].clone()
    plain[1] = plain[0]
    family = torch.tensor([0, 1, 2, 2])
    expected = torch.eye(4, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = expected[2, 3] = expected[3, 2] = True
    assert torch.equal(related(family, plain), expected)
