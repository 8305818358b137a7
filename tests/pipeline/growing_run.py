"""A run that is growing: discovered from planted vectors, its dataset holds more films than its catalogue."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cinegrain.atlas.new_films import Arrival, Limit, NewFilms, read_new_films, write_new_films
from cinegrain.config import Settings, load_settings, save_settings
from cinegrain.pipeline.answers.assign import place_again
from cinegrain.pipeline.discover import discover
from cinegrain.pipeline.import_vectors import VectorOptions, fill_dataset
from cinegrain.pipeline.learning.train import fine_tune, load_data, train
from cinegrain.readers.choose import open_vectors
from cinegrain.runs.catalog import Matched, load_matched, save_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import DiscoverSettings, FinetuneSettings, ModelSettings, TrainSettings
from cinegrain.store.reader import EmbeddingDataset

N_KINDS, N_OLD, N_NEW, N_STRANGE = 6, 180, 24, 24
NEW = [f"{i}" for i in range(N_OLD, N_OLD + N_NEW)]
STRANGE = [f"{i}" for i in range(N_OLD + N_NEW, N_OLD + N_NEW + N_STRANGE)]
GENRES = ("Comedy", "Horror", "War")


def write_vectors(folder: Path) -> None:
    """Films of six sub-genres of three genres; of a seventh, a War film like no other; and scattered strangers."""
    rng = np.random.default_rng(0)
    kind = np.concatenate([np.arange(N_OLD) % N_KINDS, np.full(N_NEW, N_KINDS), np.full(N_STRANGE, 0)])
    strange = np.arange(len(kind)) >= N_OLD + N_NEW
    genre = np.minimum(kind, N_KINDS - 1) // 2
    columns = {}
    for name, d in (("image", 24), ("audio", 16)):
        genres, kinds = rng.normal(size=(3, d)), rng.normal(size=(N_KINDS + 1, d))
        values = genres[genre] + 1.5 * kinds[kind]
        values[strange] = 2.5 * rng.normal(size=(strange.sum(), d))
        columns[name] = (values + 0.5 * rng.normal(size=values.shape)).astype(np.float32)
    np.savez(folder / "v.npz", itemId=np.arange(len(kind)), **columns)
    with (folder / "films.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["itemId", "title", "genres"])
        writer.writerows([i, f"Film {i}", GENRES[genre[i]]] for i in range(len(kind)))


def rediscover(run: Run, *, seed: int = 0) -> None:
    settings = load_settings(run.settings)
    data = load_data(run, load_matched(run.catalog).trailers, tuple(settings.extract.experts.split(",")))
    train(run, data, settings, Silent())
    fine_tune(run, data, settings, Silent())
    discover(run, data, replace(settings, seed=seed), Silent())


def growing_run(folder: Path) -> Run:
    """Films of NEW and STRANGE have vectors and are not in the catalogue; `all.json` has everything."""
    write_vectors(folder)
    run = Run.open(folder / "run", create=True)
    fill_dataset(run, open_vectors(folder / "v.npz", folder / "films.csv"), Settings(), Silent(), VectorOptions())
    settings = replace(
        load_settings(run.settings),
        model=ModelSettings(hidden_dim=16, dropout=0.1),
        train=TrainSettings(epochs=25, learning_rate=5e-3),
        finetune=FinetuneSettings(epochs=1),
        discover=DiscoverSettings(n_clusters=N_KINDS, max_clusters=6),
    )
    save_settings(settings, run.folder)
    everything = load_matched(run.catalog)
    save_matched(run.folder / "all.json", everything)
    late = {*NEW, *STRANGE}
    save_matched(run.catalog, Matched(tuple(t for t in everything.trailers if t.trailer_id not in late), ()))
    rediscover(run)
    return run


def assign_stored(run: Run, trailer_ids: Sequence[str]) -> tuple[Arrival, ...]:
    """Puts films that the dataset holds and the catalogue does not name into the atlas, as `assign` does videos."""
    records = {record.trailer_id: record for record in EmbeddingDataset(run.dataset).trailers}
    old = read_new_films(run).rows
    rows = tuple(
        Arrival(
            trailer_id=id_,
            title=id_,
            year=None,
            catalog_genres=(),
            split="arrived",
            duration_s=records[id_].duration_s,
            n_scenes=records[id_].n_scenes,
            flags=records[id_].flags,
            missing=(),
            predicted=(),
            sub_genre=None,
            concepts={},
            neighbours=(),
            map=(0.0, 0.0),
            path=records[id_].path,
            at="",
            nearest=Limit("", 0.0, 0.0),
            otherwise="",
        )
        for id_ in trailer_ids
    )
    write_new_films(run, NewFilms((*old, *rows), np.zeros((len(old) + len(rows), 1, 1), np.float32), placed_for=""))
    place_again(run, Silent())
    return read_new_films(run).rows[len(old) :]
