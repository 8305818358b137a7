"""The films of `benchmarks/coarse.py`: real features, a simulated corpus with its oracle, and rendered films."""

import csv
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cinegrain.config import Settings, load_settings
from cinegrain.experts.registry import expert_names
from cinegrain.pipeline.learning.train import load_data
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import SETTINGS_FILE, Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import SplitSettings
from cinegrain.store.pool import pool_scenes
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.split import split_by_title
from cinegrain.types import Bool, Float64, Int64
from mmtf import FOLDER, load
from simulator.corpus import oracle_of, simulate, simulated_world, truth_file
from simulator.settings import SimulateSettings


@dataclass(frozen=True, eq=False)
class Task:
    """n films whose genres are to be found.

    Attributes:
        name: Of the data.
        arrays: Vectors.
        modalities: Mode of each expert.
        genres: Names of the g genres.
        labels: Shape (n, g).
        train: Films to learn from.
        val: Films for early stopping and for choosing settings; None where cross-validation does that.
        held: Films to judge.
        oracle: The best possible probabilities of `held`, shape (m, g), where the data were simulated.
    """

    name: str
    arrays: TrailerArrays
    modalities: dict[str, str]
    genres: tuple[str, ...]
    labels: Bool
    train: Int64
    val: Int64 | None
    held: Int64
    oracle: Float64 | None = None


def mmtf(folder: Path = FOLDER, *, with_text: bool) -> Task:
    """Real trailers' features (MMTF-14K), train to val; choices are made by cross-validation in the training films."""
    data = load(folder, with_text=with_text)
    return Task(data.name, data.arrays, data.modalities, data.genres, data.labels, data.train, None, data.held)


def demo(folder: Path, seed: int) -> Task:
    """A finished run, such as the demo's; split by title, anew for each seed because there are few films."""
    run = Run.open(folder)
    settings = load_settings(*[f for f in [folder / SETTINGS_FILE] if f.is_file()])
    data = load_data(run, load_matched(run.catalog).trailers, expert_names(settings.extract.experts))
    rows = data.labelled
    split = split_by_title([data.trailers[i].title for i in rows], data.labels[rows], settings.split, seed=seed)
    return Task(
        "demo",
        data.arrays,
        data.modalities,
        data.genres,
        data.labels,
        rows[split.train],
        rows[split.val],
        rows[split.test],
    )


def simulated(folder: Path) -> Task:
    """A run of `benchmarks/simulate.py`, judged against the planted genres of films that did not train."""
    run = Run.open(folder)
    world = simulated_world(run)
    settings = load_settings(run.settings)
    with truth_file(run).open(encoding="utf-8-sig", newline="") as file:
        planted = {row["trailer_id"]: set(row["true_genres"].split("|")) for row in csv.DictReader(file)}
    trailers = load_matched(run.catalog).trailers
    ids = [trailer.trailer_id for trailer in trailers]
    genres = world.genres
    given = np.array([[genre in trailer.genres for genre in genres] for trailer in trailers])
    true = np.array([[genre in planted[name] for genre in genres] for name in ids])
    split = split_by_title([trailer.title for trailer in trailers], given, SplitSettings(), seed=0)
    labels = given.copy()
    labels[split.test] = true[split.test]
    names = settings.extract.experts.split(",")
    modes = {name: name.removesuffix("_simulated") for name in names}
    dimensions = {name: world.settings.dimensions[mode] for name, mode in modes.items()}  # type: ignore[index]
    arrays = TrailerArrays({name: _means(run, name, d, ids) for name, d in dimensions.items()})
    oracle = oracle_of(run, [ids[i] for i in split.test])[1]
    what = f"simulated, {world.settings.difficulty}" + ("" if len(ids) == 8800 else f", {len(ids)} trailers")
    return Task(what, arrays, modes, genres, labels, split.train, split.val, split.test, oracle)


def fewer(task: Task, n: int) -> Task:
    """The same with at most n films to learn from, and as many to judge."""
    held = task.held[:n]
    oracle = None if task.oracle is None else task.oracle[:n]
    return replace(task, train=task.train[:n], val=None if task.val is None else task.val[:n], held=held, oracle=oracle)


def tiny_simulation(folder: Path) -> Path:
    """A run of 150 trailers for a smoke test."""
    wanted = SimulateSettings(trailers=150, scale_dimensions=0.02, genres=5)
    return simulate(folder, wanted, Settings(), Silent()).folder


def _means(run: Run, expert: str, dimension: int, trailer_ids: Sequence[str]) -> ExpertArray:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "means.npy"
        present = pool_scenes(run.dataset, expert, dimension, trailer_ids, file)
        vectors = np.load(file)
    return ExpertArray(vectors, np.zeros(len(vectors), dtype=np.int64), np.concatenate([[0], np.cumsum(present)]))
