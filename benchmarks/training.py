"""Trailers a second of training: ours, and a plain loop over one file a trailer; same network, same batches.

    python benchmarks/training.py [--json] [--quick] [--trailers 8800] [--threads 2] [--scratch FOLDER]

A corpus at the paper's scale is simulated, stored as a run, and written once more as one .npz a trailer. Then each way
of training the same network runs in a process of its own, in turn, `--rounds` times; medians are given.

plain    torch's DataLoader over the .npz files (float16, uncompressed), padded in Python, with 0 and with 2 workers;
         forward, loss, backward, AdamW; then probabilities of a third as many other trailers, as at the end of every
         epoch; at our batch size and at 32, over a third of the corpus
train    `train_coarse`: an epoch with everything it does (mode dropout, averaged weights, a third validated)

`trailers_per_s` counts the trailers of an epoch that are learned from, over the time of their steps alone, and
`epoch_trailers_per_s` over the time of the whole epoch. `times_plain_...` are the ratios to the quickest plain loop.

Beside the time on the clock stands processor time, workers included, which other work on the machine moves less.
"assembly" is the share of a plain epoch spent waiting for batches. Memory is the process's peak, and the largest
worker's.

Of an epoch of `train` with means, validation included: "matrix" is the share of its matrix products, its own ones
replayed alone. "outside" estimates the share outside operations on tensors: validation's figures, the order of films,
and for every step and every batch of validation the time of one of the same network with everything eight values wide,
which is Python, dispatch and bookkeeping; caches are emptied before, as a real step's vectors do.
"times_floor" is a step's time over its physical floor: its matrix products, and a copy of as many bytes as it must move
at least. "floor_matrix" is the products' share of that floor.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset

from cinegrain.config import Settings
from cinegrain.models.batch import SceneBatch
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.shape import for_films
from cinegrain.pipeline.learning.train import RunData, load_data
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import ModelSettings, TrainSettings
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.coarse import train_coarse
from cinegrain.training.infer import BATCH as LOOK
from cinegrain.training.infer import predict_genres
from cinegrain.training.plan import plan_for
from cinegrain.training.split import Split
from cinegrain.training.step import Stepper
from cinegrain.types import MODALITIES, Int64
from simulator.corpus import expert_name, simulate
from simulator.settings import SimulateSettings

EXPERTS = [expert_name(mode) for mode in MODALITIES]
WAYS = (
    "plain 0 workers batch 32",
    "plain 0 workers",
    "plain 2 workers",
    "train",
)
PRODUCTS = (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm, torch.ops.aten.baddbmm)
PLAIN_SHARE, EPOCHS = 3, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="few trailers, once")
    parser.add_argument("--trailers", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="of the network")
    parser.add_argument("--scratch", type=Path, help="keep the corpus here; else it is thrown away")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args.way, args.scratch, args.threads)))
        return
    trailers, rounds = args.trailers or (400 if args.quick else 8800), args.rounds or (1 if args.quick else 3)
    with tempfile.TemporaryDirectory() as folder:
        scratch = args.scratch or Path(folder)
        n_scenes = prepare(scratch, trailers)
        found = [run_alone(way, scratch, args.threads) for _ in range(rounds) for way in WAYS]
    rows = [middle([row for row in found if row["way"] == way]) for way in WAYS]
    for row in rows:
        field = [r for r in rows if r["way"].startswith("plain")]
        for name in ("trailers_per_s", "epoch_trailers_per_s", "epoch_trailers_per_cpu_s"):
            row[f"times_plain_{name}"] = round(row[name] / max(r[name] for r in field), 1)
    result = {
        "machine": machine(),
        "corpus": {"trailers": trailers, "scenes": n_scenes, "dimensions": 4736, "seed": 0},
        "rounds": rounds,
        "threads": args.threads,
        "rows": rows,
    }
    print(json.dumps(result, indent=2) if args.json else "\n".join(map(str, rows)))


def middle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of every figure."""
    return {
        name: round(statistics.median(row[name] for row in rows), 3) if isinstance(value, float | int) else value
        for name, value in rows[0].items()
    }


def machine() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "torch", "pylance")}
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_1min": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": versions,
    }


def prepare(scratch: Path, trailers: int) -> int:
    """Simulates the corpus, and writes it once more as the plain loop's files. Gives the number of scenes."""
    simulate(scratch / "run", SimulateSettings(trailers=trailers), Settings(), Silent())
    folder = scratch / "npz"
    if not folder.is_dir():
        folder.mkdir()
        data = load(scratch)
        for i, trailer in enumerate(data.trailers):
            found: dict[str, Any] = {}
            for name, array in data.arrays.experts.items():
                rows = slice(array.offsets[i], array.offsets[i + 1])
                found[name], found[f"{name}_scenes"] = array.vectors[rows], array.scenes[rows]
            np.savez(folder / f"{trailer.trailer_id}.npz", labels=data.labels[i], **found)
        (scratch / "genres.json").write_text(json.dumps(list(data.genres)))
    run = Run(scratch / "run")
    return sum(record.n_scenes for record in _records(run))


def _records(run: Run) -> Any:
    from cinegrain.store.writer import read_trailers

    return read_trailers(run.dataset)


def load(scratch: Path) -> RunData:
    run = Run(scratch / "run")
    return load_data(run, load_matched(run.catalog).trailers, EXPERTS)


def run_alone(way: str, scratch: Path, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--way", way, "--scratch", str(scratch), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def measure(way: str, scratch: Path, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    row = measure_train(load(scratch)) if way.startswith("train") else measure_plain(way, scratch)
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000
    return {"way": way, "peak_mb": peak_mb(), **row, "peak_worker_mb": worker if "2 workers" in way else 0}


def measure_plain(way: str, scratch: Path) -> dict[str, Any]:
    start = time.perf_counter()
    files = Files(scratch / "npz")
    n_train = round(0.6 * len(files))
    shape = for_films(ModelSettings(), n_train)
    dimensions = {name: files[0][name].shape[1] for name in EXPERTS}
    modalities = {name: name.partition("_")[0] for name in dimensions}
    model = GenreModel(ModelSpec(dimensions, modalities, tuple(read_json(scratch / "genres.json")), shape))
    batch = 32 if way.endswith("32") else plan_for(TrainSettings(), n_train).batch_size
    n = len(files) // PLAIN_SHARE
    held = Files(scratch / "npz")
    held.paths, files.paths = files.paths[n // 4 * 3 : n], files.paths[: n // 4 * 3]
    workers = int(way.split()[1])
    loader = DataLoader(files, batch, shuffle=True, num_workers=workers, collate_fn=collate)
    validation = DataLoader(held, batch, num_workers=workers, collate_fn=collate)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    setup = time.perf_counter() - start
    for n, (scenes, target) in enumerate(loader):  # warm up
        step(model, optimiser, scenes, target)
        if n == 2:
            break
    start, cpu, stepping = time.perf_counter(), cpu_s(), 0.0
    for scenes, target in loader:
        began = time.perf_counter()
        step(model, optimiser, scenes, target)
        stepping += time.perf_counter() - began
    learning = time.perf_counter() - start
    with torch.inference_mode():
        for scenes, _ in validation:
            model(scenes).sigmoid()
    seconds, cpu = time.perf_counter() - start, cpu_s() - cpu
    return {
        "batch": batch,
        "setup_s": round(setup, 1),
        "trailers_per_s": round(len(files) / learning),
        "epoch_trailers_per_s": round(len(files) / seconds),
        "epoch_trailers_per_cpu_s": round(len(files) / cpu),
        "assembly_share": round(1 - stepping / learning, 3),
    }


def step(model: GenreModel, optimiser: torch.optim.Optimizer, batch: SceneBatch, target: Tensor) -> None:
    loss = F.binary_cross_entropy_with_logits(model(batch), target)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


class Files(Dataset[dict[str, np.ndarray]]):
    """One .npz a trailer."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.npz"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        with np.load(self.paths[index]) as found:
            return {name: found[name] for name in found.files}


def collate(items: list[dict[str, np.ndarray]]) -> tuple[SceneBatch, Tensor]:
    """Pads in Python, trailer by trailer."""
    vectors, masks = {}, {}
    longest = max(int(item[f"{name}_scenes"].max(initial=-1)) for item in items for name in EXPERTS) + 1
    for name in EXPERTS:
        padded = torch.zeros(len(items), longest, items[0][name].shape[1])
        mask = torch.zeros(len(items), longest, dtype=torch.bool)
        for i, item in enumerate(items):
            scenes = torch.from_numpy(item[f"{name}_scenes"])
            padded[i, scenes] = torch.from_numpy(item[name]).float()
            mask[i, scenes] = True
        vectors[name], masks[name] = padded, mask
    return SceneBatch(vectors, masks), torch.from_numpy(np.stack([item["labels"] for item in items])).float()


def measure_train(data: RunData) -> dict[str, Any]:
    start = time.perf_counter()
    order = np.random.default_rng(0).permutation(len(data.trailers))
    held = len(order) // 5
    split = Split(np.sort(order[2 * held :]), np.sort(order[:held]), np.sort(order[held : 2 * held]))
    spec = ModelSpec(data.arrays.dimensions, data.modalities, data.genres, ModelSettings())
    batch = plan_for(TrainSettings(), round(0.6 * len(data.trailers))).batch_size
    settings = TrainSettings(epochs=EPOCHS, batch_size=batch)
    ends: list[tuple[float, float]] = []
    with Watched() as watched:
        train_coarse(
            data.arrays,
            data.labels,
            split,
            spec,
            settings,
            seed=0,
            on_epoch=lambda *_: ends.append((time.perf_counter(), cpu_s())),
        )
    seconds, cpu = np.median(np.diff(ends, axis=0), axis=0)
    learning, predicting = statistics.median(watched.learning[1:]), statistics.median(watched.predicting[1:EPOCHS])
    row = {
        "batch": batch,
        "setup_s": round(ends[0][0] - start - seconds, 1),
        "trailers_per_s": round(len(split.train) / learning),
        "epoch_trailers_per_s": round(len(split.train) / seconds),
        "epoch_trailers_per_cpu_s": round(len(split.train) / cpu),
        "peak_mb": peak_mb(),
    }
    stepper, films = watched.steppers[0], split.train[:batch]
    step_s, matrix_s, memory_s = parts_s(stepper, data, films)
    steps, looks = -(-len(split.train) // batch), -(-len(split.val) // LOOK)
    predict_s = looks * products_s(lambda: predict_genres(stepper.model, data.arrays, split.val[:LOOK]))
    step_overhead, look_overhead = overheads_s(data, stepper.model)
    outside = steps * step_overhead + looks * look_overhead + seconds - learning - predicting
    return {
        **row,
        "matrix_share": round((steps * matrix_s + predict_s) / seconds, 3),
        "outside_share": round(outside / seconds, 3),
        "times_floor": round(step_s / (matrix_s + memory_s), 2),
        "floor_matrix_share": round(matrix_s / (matrix_s + memory_s), 3),
    }


class Watched(ExitStack):
    """Notes how long each pass over training films takes, and each over validation films, and what takes the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.learning: list[float] = []
        self.predicting: list[float] = []
        self.steppers: list[Stepper] = []
        learn, predict = Stepper.epoch, predict_genres

        def epoch(stepper: Stepper, *args: Any) -> Any:
            self.steppers.append(stepper)
            return timed(self.learning, learn, stepper, *args)

        self.enter_context(mock.patch.object(Stepper, "epoch", epoch))
        self.enter_context(
            mock.patch("cinegrain.training.coarse.predict_genres", lambda *args: timed(self.predicting, predict, *args))
        )


def timed(kept: list[float], work: Callable[..., Any], *args: Any) -> Any:
    start = time.perf_counter()
    result = work(*args)
    kept.append(time.perf_counter() - start)
    return result


class Products(TorchDispatchMode):
    """Notes every matrix product."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in PRODUCTS:
            self.calls.append((func, [arg.detach() for arg in args]))
        return func(*args, **(kwargs or {}))


def parts_s(stepper: Stepper, data: RunData, films: Int64) -> tuple[float, float, float]:
    """Time of a step, of its matrix products alone, and of a copy of as many bytes as it must move.

    Of each weight are read: itself, its gradient, AdamW's two moments, its running mean; all but the gradient are
    written. Each input value is read and written standardised, and for each member a byte of chance is read, and the
    value read and written.
    """
    target = torch.from_numpy(data.labels.astype(np.float32))
    matrix_s = products_s(lambda: stepper.step(data.arrays, films, target))
    weights = sum(parameter.numel() for parameter in stepper.model.parameters())
    values = len(films) * sum(data.arrays.dimensions.values())
    moved = 4 * 9 * weights + values * (4 * 2 + len(stepper.model.members) * (1 + 4 * 2))
    source = torch.zeros(moved // 8)  # a copy of so many bytes reads half of `moved` and writes half
    copied = torch.empty_like(source)
    return (
        median_s(lambda: stepper.step(data.arrays, films, target)),
        matrix_s,
        median_s(lambda: copied.copy_(source)),
    )


def products_s(work: Callable[[], object]) -> float:
    """Time of the matrix products that some work does, without the rest of it."""
    with Products() as products:
        work()
    return median_s(lambda: [func(*args) for func, args in products.calls])


def overheads_s(data: RunData, model: GenreModel) -> tuple[float, float]:
    """Time of a step, and of a batch of validation, of the same network with all eight values wide, on two films."""
    films = np.arange(16)
    means = {
        name: ExpertArray(array.vectors[films, :8], films, np.arange(17))
        for name, array in data.arrays.pooled().experts.items()
    }
    narrow = replace(
        model.spec, dimensions=dict.fromkeys(means, 8), settings=replace(model.spec.settings, hidden_dim=8)
    )
    arrays, settings = TrailerArrays(means), TrainSettings(epochs=1, batch_size=2)
    with Watched() as watched:
        train_coarse(arrays, data.labels[films], Split(films[:8], films[8:12], films[12:]), narrow, settings, seed=0)
    target = torch.from_numpy(data.labels[films].astype(np.float32))
    stepper, passing = watched.steppers[0], torch.zeros(2**24)
    return (
        median_s(lambda: stepper.step(arrays, films[:2], target), before=passing.zero_),
        median_s(lambda: predict_genres(stepper.model, arrays, films[:2]), before=passing.zero_),
    )


def median_s(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    found = []
    for _ in range(50):
        before()
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def cpu_s() -> float:
    """Processor time of this process and of its workers that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def peak_mb() -> int:
    """Most memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1000


if __name__ == "__main__":
    main()
