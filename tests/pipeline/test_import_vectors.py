"""Vectors computed elsewhere, from file to sub-genres; and what can be done with a dataset as such."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file
from tests.pipeline.conftest import FAST, Cinegrain
from typer.testing import CliRunner
from webdataset import WebDataset

from cinegrain.cli.main import app
from cinegrain.config import Settings, load_settings
from cinegrain.errors import ConfigError, DataError, StoreError
from cinegrain.metrics.multilabel import macro_ap
from cinegrain.pipeline.datasets.dataset import card_text, merge_datasets, open_dataset, summarise, verify_dataset
from cinegrain.pipeline.datasets.shards import write_shards
from cinegrain.pipeline.import_vectors import VectorOptions, fill_dataset, guess_modality, training_films
from cinegrain.pipeline.impute_and_clip import columns, fit_impute_and_clip
from cinegrain.pipeline.learning.train import load_data, train
from cinegrain.readers.choose import open_vectors
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import ModelSettings, TrainSettings
from cinegrain.store.groups import Groups
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.writer import DatasetWriter
from cinegrain.training.checkpoint import CoarseCard, load_model
from cinegrain.training.infer import predict_genres

pytestmark = pytest.mark.xdist_group("vectors")
GENRES = ("Comedy", "Horror", "War")


def planted(folder: Path, *, n: int = 48, seed: int = 0, start: int = 0) -> tuple[Path, Path]:
    """Films whose genre shows in their vectors; one value in fifty is missing, one film has one of 1e30."""
    rng = np.random.default_rng(seed)
    genre = np.arange(n) % len(GENRES)
    centres = np.random.default_rng(99).normal(size=(len(GENRES), 6)) * 3
    image = (centres[genre] + rng.normal(size=(n, 6))).astype(np.float32)
    image[rng.random(image.shape) < 0.02] = np.nan
    image[3, 2] = 1e30
    sound = rng.normal(size=(n, 4)).astype(np.float32) * 1e-6
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.arange(start, start + n)
    np.savez(folder / "v.npz", itemId=ids, avf=image, ivec=sound, ivec_two=sound[:, :2] + 1)
    with (folder / "films.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["itemId", "title", "genres"])
        writer.writerows([i, f"Film {i}", GENRES[g]] for i, g in zip(ids, genre, strict=True))
    return folder / "v.npz", folder / "films.csv"


def filled(folder: Path, vectors: Path, catalog: Path, **options: Any) -> tuple[Run, list[str]]:
    run = Run.open(folder, create=True)
    source = open_vectors(vectors, catalog)
    _, notes = fill_dataset(run, source, Settings(), Silent(), VectorOptions(**options))
    return run, notes


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, cinegrain: Cinegrain) -> tuple[Path, dict[str, Any]]:
    """A whole run from planted vectors through the real command."""
    folder = tmp_path_factory.mktemp("vectors")
    vectors, catalog = planted(folder)
    found = cinegrain("run", "--vectors", vectors, "--catalog", catalog, "--out", folder / "run", "--json", *FAST)
    assert found.code == 0, found.err
    return folder, found.json


def test_planted_genres_are_learned_from_vectors_alone(done: tuple[Path, dict[str, Any]]) -> None:
    folder, told = done
    assert (told["trailers"], told["embedded"], told["genres"]) == (48, 48, 3)
    assert told["test_map"] > 0.8, "chance is about 0.33"
    assert (folder / "run" / "report.html").is_file()
    notes = "\n".join(told["notes"])
    assert "avf: used as image (guessed from the name)" in notes
    assert "ivec, ivec_two: used as audio" in notes
    assert "missing values" in notes
    assert "1 extreme values were clipped" in notes


def test_the_same_again_changes_nothing_and_later_stages_know_the_experts(
    done: tuple[Path, dict[str, Any]], cinegrain: Cinegrain
) -> None:
    folder, _ = done
    before = (folder / "run" / "atlas.json").read_bytes()
    command = ("run", "--vectors", folder / "v.npz", "--catalog", folder / "films.csv", "--out", folder / "run")
    again = cinegrain(*command, "--json", *FAST)
    assert again.code == 0, again.err
    assert again.json["new"] == 0
    assert "Genre model" not in again.err
    assert (folder / "run" / "atlas.json").read_bytes() == before
    assert load_settings(folder / "run" / "settings.toml").extract.experts == "ivec+ivec_two,avf"


def test_statistics_come_from_the_very_films_that_training_sees(tmp_path: Path) -> None:
    vectors, catalog = planted(tmp_path)
    run, _ = filled(tmp_path / "run", vectors, catalog)
    settings = load_settings(run.settings)
    settings = replace(settings, train=TrainSettings(epochs=1), model=ModelSettings(hidden_dim=8))
    source = open_vectors(vectors, catalog)
    data = load_data(run, load_matched(run.catalog).trailers, tuple(settings.extract.experts.split(",")))
    train(run, data, settings, Silent())
    _, card = load_model(run.coarse, CoarseCard)
    assert list(card.split["train"]) == training_films(source.trailers, settings)


def test_what_held_back_films_hold_moves_no_training_value(tmp_path: Path) -> None:
    """Other values in validation and test films leave every stored training vector bit for bit alike."""
    vectors, catalog = planted(tmp_path)
    first, _ = filled(tmp_path / "one", vectors, catalog)
    train_ids = training_films(open_vectors(vectors, catalog).trailers, Settings())
    arrays = dict(np.load(vectors))
    others = ~np.isin(arrays["itemId"].astype(str), train_ids)
    assert others.any()
    arrays["avf"][others] = arrays["avf"][others] * 50 - 7
    np.savez(tmp_path / "w.npz", **arrays)
    second, _ = filled(tmp_path / "two", tmp_path / "w.npz", catalog)
    held_back = [i for i in arrays["itemId"].astype(str).tolist() if i not in train_ids]
    one, two = (EmbeddingDataset(run.dataset) for run in (first, second))
    for name in ("avf", "ivec+ivec_two"):
        np.testing.assert_array_equal(one.vectors(name, train_ids).vectors, two.vectors(name, train_ids).vectors)
    assert not np.array_equal(one.vectors("avf", held_back).vectors, two.vectors("avf", held_back).vectors)


def test_mending_by_hand() -> None:
    """Twenty ordinary rows pass untouched; what is missing becomes the median, what is wild the moved-out quantile."""
    training = np.stack([np.arange(20.0), np.ones(20)], axis=1).astype(np.float32)
    training[5, 0] = np.nan
    mending = fit_impute_and_clip(training, "x")
    known = np.delete(np.arange(20.0), 5)
    low, high = np.quantile(known, 0.1), np.quantile(known, 0.9)  # two of twenty rows on each side
    rows = np.array([[3, 1], [np.nan, np.nan], [1e30, 1], [-np.inf, 1]], np.float32)
    expected = [[3, 1], [np.median(known), 1], [high + (high - low), 1], [low - (high - low), 1]]
    np.testing.assert_allclose(mending(rows), expected, rtol=1e-6)
    assert not mending.standard_units
    np.testing.assert_array_equal(mending(training)[6:], training[6:])
    large = fit_impute_and_clip(training * 1e9, "x")
    assert large.standard_units
    assert abs(float(large(training * 1e9)[:, 0].std()) - 1) < 1e-3  # float32
    assert columns([0, 3, 4, 5, 9]) == "0, 3-5, 9"
    with pytest.raises(DataError, match="x: columns 1 have no value in any training film"):
        fit_impute_and_clip(np.array([[1, np.nan]], np.float32), "x")


def test_as_given_refuses_and_names_columns(tmp_path: Path) -> None:
    vectors, catalog = planted(tmp_path)
    with pytest.raises(DataError, match=r"avf has missing or too large values in columns \d.*--as-given"):
        filled(tmp_path / "run", vectors, catalog, as_given=True)
    clean = np.random.default_rng(0).normal(size=(48, 5)).astype(np.float32)
    np.savez(tmp_path / "clean.npz", itemId=np.arange(48), avf=clean)
    run, _ = filled(tmp_path / "clean", tmp_path / "clean.npz", catalog, as_given=True)
    found = EmbeddingDataset(run.dataset).vectors("avf", [str(i) for i in range(48)]).vectors
    np.testing.assert_array_equal(found, clean.astype(np.float16))


@pytest.mark.parametrize(
    ("modality", "message"),
    [
        ({"thing": "audio"}, "names 'thing', but the vectors are: avf, ivec, ivec_two"),
        ({"avf": "smell"}, "use one of audio, location, motion, image, none"),
        ({"avf": "none", "ivec": "none", "ivec_two": "none"}, "leaves out all vectors"),
    ],
)
def test_bad_modalities(tmp_path: Path, modality: dict[str, str], message: str) -> None:
    vectors, catalog = planted(tmp_path)
    with pytest.raises(ConfigError, match=message):
        filled(tmp_path / "run", vectors, catalog, modality=modality)


def test_told_modalities_and_other_vectors_in_the_same_run(tmp_path: Path) -> None:
    vectors, catalog = planted(tmp_path)
    told = {"avf": "motion", "ivec": "none"}
    run, notes = filled(tmp_path / "run", vectors, catalog, modality=told)
    stored = EmbeddingDataset(run.dataset).experts
    assert [(expert.name, expert.modality, expert.licence) for expert in stored] == [
        ("ivec_two", "audio", "as given"),
        ("avf", "motion", "as given"),
    ]
    assert "avf: used as motion (as given)" in notes
    with pytest.raises(StoreError, match="Choose another --out"):
        filled(tmp_path / "run", vectors, catalog)
    arrays = dict(np.load(vectors))
    arrays["avf"] += 1
    np.savez(vectors, **arrays)
    before = EmbeddingDataset(run.dataset).vectors("avf", ["0"]).vectors
    filled(tmp_path / "run", vectors, catalog, modality=told)  # the file has changed: its vectors are stored anew
    after = EmbeddingDataset(run.dataset).vectors("avf", ["0"]).vectors
    np.testing.assert_allclose(after, before + 1, atol=0.02)  # float16
    assert verify_dataset(run.folder).faults == ()


def test_guesses() -> None:
    assert [guess_modality(n) for n in ("audio", "location", "motion", "image", "vggish_1", "CLIP", "x")] == [
        *("audio", "location", "motion", "image", "audio", "image", None)
    ]


def test_scenes_reach_fine_tuning_and_come_back_from_an_export(tmp_path: Path, cinegrain: Cinegrain) -> None:
    """An export of a dataset with scenes comes back equal, and trains with fine-tuning."""
    rng = np.random.default_rng(1)
    rows = [(f"f{i}", s) for i in range(24) for s in range(2 + i % 3)]
    centre = {f"f{i}": 4 * np.eye(8)[i % 2] for i in range(24)}
    image = np.stack([centre[f] + rng.normal(size=8) for f, _ in rows]).astype(np.float16)
    ids, scenes = np.array([f for f, _ in rows]), np.array([s for _, s in rows])
    np.savez(tmp_path / "v.npz", id=ids, scene=scenes, image=image.astype(np.float32))
    catalog = tmp_path / "c.csv"
    catalog.write_text("id,title,genres\n" + "".join(f"f{i},T {i},{GENRES[i % 2]}\n" for i in range(24)))
    out = tmp_path / "run"
    by_scenes = ("--finetune.method", "contrast")
    asked = ("--catalog", catalog, "--out", out, "--json", *by_scenes, *FAST)
    first = cinegrain("run", "--vectors", tmp_path / "v.npz", *asked)
    assert first.code == 0, first.err
    assert len(read_json(out / "models" / "finetuned" / "model.json")["history"]) == 5
    assert dataset_command("convert", out, "--to", "parquet", "--out", tmp_path / "export")[0] == 0
    back = open_vectors(tmp_path / "export" / "vectors.parquet", tmp_path / "export" / "trailers.parquet")
    dataset = EmbeddingDataset(out / "dataset")
    films = {film.trailer.trailer_id: film for film in back.read()}
    assert sorted(films) == [t.trailer_id for t in dataset.trailers]
    for record in dataset.trailers:
        film, kept = films[record.trailer_id], dataset.vectors("image", [record.trailer_id])
        assert film.n_scenes == record.n_scenes
        assert film.trailer.title.startswith("T ")
        assert film.trailer.genres
        np.testing.assert_array_equal(film.experts["image"].vectors, kept.vectors.astype(np.float32))
        np.testing.assert_array_equal(film.experts["image"].scenes, kept.scenes)
    again = Run.open(tmp_path / "again", create=True)
    fill_dataset(again, back, Settings(), Silent(), VectorOptions(as_given=True))
    kept = EmbeddingDataset(again.dataset).vectors("image", sorted(films))
    np.testing.assert_array_equal(kept.vectors, dataset.vectors("image", sorted(films)).vectors)


def dataset_command(*args: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["dataset", *map(str, args)])
    return found.exit_code, found.stdout


def test_dataset_info_verify_and_card(done: tuple[Path, dict[str, Any]]) -> None:
    run = done[0] / "run"
    told = json.loads(dataset_command("info", run, "--json")[1])
    assert (told["trailers"], told["scenes"], told["genres"]) == (48, 48, {"Comedy": 16, "Horror": 16, "War": 16})
    assert told["bytes"] > 1000
    assert [e["trailers"] for e in told["experts"]] == [48, 48]
    assert dataset_command("info", run)[0] == 0
    assert dataset_command("verify", run)[0] == 0
    sound = json.loads(dataset_command("verify", run / "dataset", "--json")[1])
    assert sound["ok"]
    assert sound["n_files_checked"] == 1
    assert dataset_command("card", run)[0] == 0
    card = (run / "dataset" / "README.md").read_text()
    for word in ("| trailers | 48 |", "| Horror | 16 |", "as given", "ivec+ivec_two", "How it was made"):
        assert word in card
    assert dataset_command("info", done[0])[0] == 1


def test_a_changed_source_is_a_fault_with_exit_code_1(tmp_path: Path) -> None:
    vectors, catalog = planted(tmp_path)
    run, _ = filled(tmp_path / "run", vectors, catalog)
    vectors.write_bytes(vectors.read_bytes() + b"x")
    found = CliRunner().invoke(app, ["dataset", "verify", str(run.folder), "--json"])
    assert found.exit_code == 1
    assert {f["kind"] for f in json.loads(found.output)["faults"]} == {"source has changed"}


def test_the_card_marks_substitutes_and_keeps_tables_whole(done: tuple[Path, dict[str, Any]]) -> None:
    summary = summarise(open_dataset(done[0] / "run"))
    expert = replace(summary.experts[0], substitute_for="A|B", licence="Apache-2.0", citation="X 2018\nand Y")
    text = card_text(replace(summary, experts=(expert,)))
    assert "**substitute** for A\\|B" in text
    assert "| X 2018 and Y |" in text


def test_shards_are_read_by_the_library_they_are_for(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    dataset = EmbeddingDataset(done[0] / "run" / "dataset")
    args = ["dataset", "convert", str(done[0] / "run"), "--to", "webdataset", "--out", str(tmp_path / "w")]
    assert CliRunner().invoke(app, args).exit_code == 0
    ids = [t.trailer_id for t in dataset.trailers]
    rows = {name: {"trailer_id": name, "genres": ["Drama"]} for name in ids}
    small = write_shards(tmp_path, Groups(dataset, trailers_at_once=2), rows)
    assert len(small) == -(-len(ids) // 8)
    wanted = dataset.vectors("avf", ids).vectors
    for shards in (sorted((tmp_path / "w").glob("*.tar")), small):
        samples = list(WebDataset([str(path) for path in shards], shardshuffle=False).decode())
        assert [sample["json"]["trailer_id"] for sample in samples] == ids
        assert all(sample["json"]["genres"] for sample in samples)
        np.testing.assert_array_equal(np.concatenate([sample["avf.npy"] for sample in samples]), wanted)
        assert [sample["scenes.npy"].shape for sample in samples] == [(1, 2)] * len(ids)


def test_parquet_and_safetensors_hold_the_same(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run = done[0] / "run"
    for form in ("parquet", "safetensors"):
        args = ["dataset", "convert", str(run), "--to", form, "--out", str(tmp_path / form)]
        assert CliRunner().invoke(app, args).exit_code == 0
    dataset = EmbeddingDataset(run / "dataset")
    ids = [t.trailer_id for t in dataset.trailers]
    wanted = dataset.vectors("avf", ids).vectors
    tensors = load_file(tmp_path / "safetensors" / "vectors.safetensors")
    np.testing.assert_array_equal(tensors["avf.vectors"], wanted)
    assert [row["trailer_id"] for row in read_json(tmp_path / "safetensors" / "trailers.json")] == ids
    table = pq.read_table(tmp_path / "parquet" / "vectors.parquet")
    assert table["trailer_id"].to_pylist() == ids
    np.testing.assert_array_equal(np.array(table["avf"].to_pylist(), np.float16), wanted)
    back = open_vectors(tmp_path / "parquet" / "vectors.parquet", tmp_path / "parquet" / "trailers.parquet")
    for i, film in enumerate(back.read()):
        np.testing.assert_array_equal(film.experts["avf"].vectors[0], wanted[i].astype(np.float32))
        assert film.trailer.genres
    again = CliRunner().invoke(
        app, ["dataset", "convert", str(run), "--to", "parquet", "--out", str(tmp_path / "parquet")]
    )
    assert again.exit_code == 1
    bad = CliRunner().invoke(app, ["dataset", "convert", str(run), "--to", "hdf5", "--out", str(tmp_path / "n")])
    assert bad.exit_code == 2


def test_merge(tmp_path: Path) -> None:
    vectors, catalog = planted(tmp_path)
    whole, _ = filled(tmp_path / "whole", vectors, catalog)
    one, _ = filled(tmp_path / "one", vectors, catalog)
    two, _ = filled(tmp_path / "two", vectors, catalog)
    for run, gone in ((one, range(30, 48)), (two, range(25))):
        info = EmbeddingDataset(run.dataset).info
        writer = DatasetWriter(run.dataset, experts=info.experts, settings=info.settings)
        writer.remove([str(i) for i in gone])
    merged = merge_datasets(open_dataset(one.folder), open_dataset(Path(two.dataset)), tmp_path / "both")
    assert merged.n_trailers == 48
    assert sorted(merged.doubled, key=int) == ["25", "26", "27", "28", "29"]
    assert verify_dataset(tmp_path / "both").faults == ()
    old, new = EmbeddingDataset(whole.dataset), EmbeddingDataset(tmp_path / "both" / "dataset")
    assert new.trailers == old.trailers
    ids = [t.trailer_id for t in old.trailers]
    for name in ("avf", "ivec+ivec_two"):
        np.testing.assert_array_equal(new.vectors(name, ids).vectors, old.vectors(name, ids).vectors)
    assert len(read_json(tmp_path / "both" / "catalog.json")["trailers"]) == 48
    args = ["dataset", "merge", str(one.folder), str(two.folder), "--out", str(tmp_path / "both")]
    assert CliRunner().invoke(app, args).exit_code == 1, "the place is taken"
    told = CliRunner().invoke(app, [*args[:-1], str(tmp_path / "third"), "--json"])
    assert told.exit_code == 0
    assert len(json.loads(told.output)["doubled"]) == 5


def test_unlike_datasets_do_not_mix(tmp_path: Path) -> None:
    one, _ = filled(tmp_path / "one", *planted(tmp_path / "a"))
    other, _ = filled(tmp_path / "two", *planted(tmp_path / "b", seed=1))
    fewer, _ = filled(tmp_path / "three", *planted(tmp_path / "c"), modality={"avf": "none"})
    with pytest.raises(DataError, match="different settings or weights"):
        merge_datasets(open_dataset(one.folder), open_dataset(other.folder), tmp_path / "m")
    with pytest.raises(DataError, match="Extract what is missing: avf"):
        merge_datasets(open_dataset(one.folder), open_dataset(fewer.folder), tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("command", ["", "info", "verify", "card", "convert", "merge"])
def test_help(command: str) -> None:
    found = CliRunner().invoke(app, ["dataset", *command.split(), "--help"])
    assert found.exit_code == 0
    assert "Usage" in found.output
    assert not command or "--json" in found.output


@pytest.mark.parametrize(
    "args",
    [
        ["run", "--out", "x"],
        ["run", "videos", "--vectors", "v.npz", "--out", "x"],
        ["run", "--vectors", "v.npz", "--out", "x"],
        ["run", "--vectors", "v.npz", "--out", "x", "--modality", "audio"],
    ],
)
def test_bad_usage_is_exit_code_2(args: list[str]) -> None:
    assert CliRunner().invoke(app, args).exit_code == 2


def test_real_trailer_features_beat_chance(shared_data: Path, tmp_path: Path) -> None:
    """Features and genres of 1,556 real trailers; logistic regression on them reaches about 0.36, chance is 0.14."""
    folder = shared_data / "mmtf_trailers"
    catalog = tmp_path / "films.csv"
    with (folder / "items.csv").open(newline="") as read, catalog.open("w", newline="") as write:
        writer = csv.DictWriter(write, ["itemId", "title", "year", "genres"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(csv.DictReader(read))
    source = open_vectors(folder / "features.npz", catalog)
    run = Run.open(tmp_path / "run", create=True)
    settings = Settings(train=TrainSettings(epochs=6, batch_size=64))
    summary, notes = fill_dataset(run, source, settings, Silent(), VectorOptions())
    assert summary.n_done == 1556
    assert any("13 missing values (columns 104-106)" in note for note in notes)
    settings = load_settings(run.settings)
    data = load_data(run, load_matched(run.catalog).trailers, tuple(settings.extract.experts.split(",")))
    train(run, data, settings, Silent())
    model, card = load_model(run.coarse, CoarseCard)
    position = {trailer.trailer_id: i for i, trailer in enumerate(data.trailers)}
    test = np.array([position[t] for t in card.split["test"]])
    found = macro_ap(data.labels[test], predict_genres(model, data.arrays, test))
    chance = float(data.labels[test].mean(axis=0).mean())
    print(f"macro mAP {found:.3f}, chance {chance:.3f}")
    assert chance < 0.16
    assert found > chance + 0.12
