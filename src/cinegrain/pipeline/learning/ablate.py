"""Ablation: retrains the genre model on every subset of experts, with several seeds, in parallel; resumable."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from cinegrain.config import Settings, keyed, load_settings
from cinegrain.errors import CinegrainError, ConfigError
from cinegrain.metrics.intervals import weighted_ap
from cinegrain.models.genre_model import ModelSpec
from cinegrain.pipeline.extraction.workers import die_with_parent
from cinegrain.pipeline.learning.ablation_figures import CELL_COLUMNS, ablation_figures, cell_rows
from cinegrain.pipeline.learning.ablation_page import ablation_document
from cinegrain.pipeline.learning.trained import Trained, load_trained
from cinegrain.report.document import document_html, document_markdown
from cinegrain.runs.artifacts import is_current, key_of, read_json, write_csv, write_json, write_text
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Watcher
from cinegrain.training.coarse import train_coarse
from cinegrain.training.infer import predict_genres
from cinegrain.types import Bool, Float64, JsonObject

MAX_EXPERTS = 6
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Cell:
    """One training; bit i of `subset` stands for expert i."""

    subset: int
    seed: int

    @property
    def file_name(self) -> str:
        """File of its result."""
        return f"{self.subset:02d}-{self.seed}.json"


def ablate(run: Run, watcher: Watcher, *, n_seeds: int = 3, workers: int | None = None) -> JsonObject:
    """Trains every subset of experts with every seed on the run's split, and writes RUN/ablation/.

    Each finished training is a file; if interrupted, the same call continues with the missing ones.

    Args:
        run: A trained run.
        watcher: Receives progress.
        n_seeds: Number of trainings per subset.
        workers: Number of single-threaded processes; by default that of the run's settings.

    Returns:
        Content of ablation.json.

    Raises:
        ConfigError: If there are more than MAX_EXPERTS experts.
        CinegrainError: If the run is not trained, a worker dies, or the result cannot be written.
    """
    trained = load_trained(run)
    experts = trained.model.spec.experts
    if len(experts) > MAX_EXPERTS:
        raise ConfigError(
            f"An ablation of {len(experts)} experts would train {2 ** len(experts) - 1} subsets. "
            f"Make a run with at most {MAX_EXPERTS} experts (--extract.experts)."
        )
    settings = load_settings(run.settings)
    key = ablation_key(trained, settings)
    folder = run.folder / "ablation"
    cells = [Cell(subset, seed) for seed in range(n_seeds) for subset in range(1, 2 ** len(experts))]
    todo = [cell for cell in cells if not is_current(folder / "cells" / cell.file_name, key)]
    with watcher.stage("Ablation") as on_step:
        n_workers = min(workers or settings.extract.n_workers, max(len(todo), 1))
        for done, cell in enumerate(_train_all(run, key, todo, n_workers), start=len(cells) - len(todo) + 1):
            on_step(done, len(cells), f"{', '.join(members(experts, cell.subset))}; seed {cell.seed}")
    results = [read_json(folder / "cells" / cell.file_name) for cell in cells]
    figures = ablation_figures(trained, results)
    document = ablation_document(figures)
    write_csv(folder / "ablation.csv", (*CELL_COLUMNS, *trained.data.genres), cell_rows(figures))
    write_text(folder / "ablation.md", document_markdown(document))
    write_text(folder / "ablation.html", document_html(document))
    write_json(folder / "ablation.json", figures)
    return figures


def ablation_key(trained: Trained, settings: Settings) -> str:
    """Hash of everything a training depends on except its subset and seed."""
    parts = [keyed(settings, section) for section in ("model", "train")]
    return key_of("ablation", trained.data.key, trained.card.split, *parts)


def members(experts: Sequence[str], subset: int) -> tuple[str, ...]:
    """The experts whose bits are set."""
    return tuple(name for i, name in enumerate(experts) if subset >> i & 1)


def _train_all(run: Run, key: str, cells: Sequence[Cell], n_workers: int) -> Iterator[Cell]:
    """Trains cells in processes; yields each when its file is written."""
    if not cells:
        return
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")  # read by child processes at the import of numpy
    pool = ProcessPoolExecutor(n_workers, get_context("spawn"), initializer=_start, initargs=(os.getpid(),))
    futures: dict[Future[None], Cell] = {pool.submit(train_cell, run.folder, key, cell): cell for cell in cells}
    try:
        for future in as_completed(futures):
            future.result()
            yield futures[future]
    except BrokenProcessPool as error:
        raise CinegrainError(
            "A training process died, perhaps for lack of memory. Run the same command again with fewer --workers; "
            "finished trainings are kept."
        ) from error
    finally:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with suppress(OSError, ValueError):
                process.kill()  # no state to lose, since a cell's file is written atomically


def _start(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and stops us
    die_with_parent(parent)
    import torch

    torch.set_num_threads(1)


@cache
def _loaded(folder: Path) -> Trained:
    return load_trained(Run.open(folder))


def train_cell(folder: Path, key: str, cell: Cell) -> None:
    """Trains one subset with one seed and writes its result.

    Args:
        folder: The run.
        key: From `ablation_key`.
        cell: The training.
    """
    trained = _loaded(folder)
    settings, data, split = load_settings(Run.open(folder).settings), trained.data, trained.split
    names = members(trained.model.spec.experts, cell.subset)
    arrays = data.arrays.only(names)
    spec = ModelSpec(arrays.dimensions, {n: data.modalities[n] for n in names}, data.genres, settings.model)
    result = train_coarse(arrays, data.labels, split, spec, settings.train, seed=cell.seed)
    probabilities = predict_genres(result.model, arrays, split.test)
    ap = genre_aps(data.labels[split.test], probabilities)
    write_json(
        folder / "ablation" / "cells" / cell.file_name,
        {"key": key, "subset": cell.subset, "seed": cell.seed, "experts": names, "ap": ap},
    )


def genre_aps(truth: Bool, probabilities: Float64) -> list[float | None]:
    """AP of each genre, None without positives. Arguments have shape (n, g)."""
    once = np.ones((1, len(truth)), dtype=np.int64)
    return [
        float(weighted_ap(truth[:, j], probabilities[:, j], once)[0]) if truth[:, j].any() else None
        for j in range(truth.shape[1])
    ]
