"""Trailers a second of a training epoch: ours, and a plain loop over one file a trailer; same network, same batches.

    python benchmarks/training.py [--json] [--quick] [--trailers 8800] [--threads 2] [--scratch FOLDER]

A corpus at the paper's scale is simulated, stored as a run, and written once more as one .npz a trailer. Then each way
of feeding the same network runs in a process of its own, in turn, `--rounds` times; the fastest epoch counts, for other
work on the machine can only slow one down:

plain    torch's DataLoader over the .npz files (float16, uncompressed), padded in Python, with 0 and with 2 workers
scenes   this project's padded batches of scenes, for networks that look at every scene
pooled   this project's batches of scene means, for networks that take the mean: what `cinegrain train` uses
train    `train_coarse` itself: augmentation, averaged weights and validation included

Beside the time on the clock stands processor time, workers included, which other work on the machine moves less (with
one thread; several ones wait for each other actively). A step is forward, loss, backward and AdamW, alike for the first
three. "assembly" is the epoch's share spent making batches; "matrix" is the share of the processor time in matrix
products, by torch's profiler over 20 steps of their own.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset

from cinegrain.artifacts import read_json
from cinegrain.config import Settings
from cinegrain.models.batch import SceneBatch
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.settings import ModelSettings, for_films
from cinegrain.pipeline.catalog import load_matched
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.progress import Silent
from cinegrain.pipeline.simulate import expert_name, simulate
from cinegrain.pipeline.train import RunData, load_data
from cinegrain.simulate.settings import SimulateSettings
from cinegrain.training.coarse import train_coarse
from cinegrain.training.settings import TrainSettings
from cinegrain.training.split import Split
from cinegrain.types import MODALITIES

BATCH = 32
EXPERTS = [expert_name(mode) for mode in MODALITIES]
WAYS = ("plain 0", "plain 2", "scenes", "pooled", "train")
MATRIX_OPS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::_addmm_activation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="few trailers, under a minute")
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
        rows = [run_alone(way, scratch, args.threads) for _ in range(rounds) for way in WAYS]
    best = [max((r for r in rows if r["way"] == way), key=lambda r: r["trailers_per_s"]) for way in WAYS]
    field = [row for row in best if row["way"].startswith("plain")]
    clock, cpu = (max(row[name] for row in field) for name in ("trailers_per_s", "trailers_per_cpu_s"))
    result = {
        "machine": machine(),
        "corpus": {"trailers": trailers, "scenes": n_scenes, "dimensions": 4736, "seed": 0},
        "batch": BATCH,
        "rounds": rounds,
        "threads": args.threads,
        "rows": [
            {
                **row,
                "times_plain": round(row["trailers_per_s"] / clock, 1),
                "times_plain_cpu": round(row["trailers_per_cpu_s"] / cpu, 1),
            }
            for row in best
        ],
    }
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        for row in result["rows"]:
            print(row)


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
    row: dict[str, Any] = {"way": way}
    if way == "train":
        row |= measure_train(load(scratch))
    else:
        start = time.perf_counter()
        n, batches, model = plain(scratch, int(way[-1])) if way.startswith("plain") else ours(scratch, way)
        row["setup_s"] = round(time.perf_counter() - start, 1)
        optimiser = torch.optim.AdamW(model.parameters(), fused=True)
        for batch, target in batches(2):  # warm up
            step(model, optimiser, batch, target)
        start, cpu, stepping = time.perf_counter(), cpu_s(), 0.0
        for batch, target in batches(0):
            began = time.perf_counter()
            step(model, optimiser, batch, target)
            stepping += time.perf_counter() - began
        seconds, cpu = time.perf_counter() - start, cpu_s() - cpu
        row |= {
            "epoch_s": round(seconds, 2),
            "trailers_per_s": round(n / seconds),
            "trailers_per_cpu_s": round(n / cpu),
            "assembly_share": round(1 - stepping / seconds, 3),
            "matrix_share": round(matrix_share(model, optimiser, batches), 3),
        }
    row["peak_mb"] = peak_mb()
    return row


def step(model: GenreModel, optimiser: torch.optim.Optimizer, batch: SceneBatch, target: Tensor) -> None:
    loss = F.binary_cross_entropy_with_logits(model(batch), target)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


Batches = Callable[[int], Iterator[tuple[SceneBatch, Tensor]]]


def network(genres: tuple[str, ...], dimensions: dict[str, int], n: int) -> GenreModel:
    modalities = {name: name.partition("_")[0] for name in dimensions}
    return GenreModel(ModelSpec(dimensions, modalities, genres, for_films(ModelSettings(), n)))


def ours(scratch: Path, way: str) -> tuple[int, Batches, GenreModel]:
    data = load(scratch)
    arrays = data.arrays.pooled() if way == "pooled" else data.arrays
    model = network(data.genres, data.arrays.dimensions, len(data.trailers))
    model.set_statistics(data.arrays.statistics(data.everything))
    target = torch.from_numpy(data.labels.astype(np.float32))

    def batches(limit: int) -> Iterator[tuple[SceneBatch, Tensor]]:
        order = torch.randperm(len(target)).numpy()
        starts = range(0, len(order), BATCH)
        for start in starts[:limit] if limit else starts:
            rows = order[start : start + BATCH]
            yield arrays.batch(rows), target[rows]

    return len(target), batches, model


class Files(Dataset[dict[str, np.ndarray]]):
    """One .npz a trailer."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.npz"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        with np.load(self.paths[index]) as found:
            return {name: found[name] for name in found.files}


def collate(items: list[dict[str, np.ndarray]]) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
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
    return vectors, masks, torch.from_numpy(np.stack([item["labels"] for item in items])).float()


def plain(scratch: Path, workers: int) -> tuple[int, Batches, GenreModel]:
    files = Files(scratch / "npz")
    dimensions = {name: files[0][name].shape[1] for name in EXPERTS}
    model = network(tuple(read_json(scratch / "genres.json")), dimensions, len(files))
    loader = DataLoader(files, BATCH, shuffle=True, num_workers=workers, collate_fn=collate)

    def batches(limit: int) -> Iterator[tuple[SceneBatch, Tensor]]:
        for done, (vectors, masks, target) in enumerate(loader):
            if limit and done == limit:
                break
            yield SceneBatch(vectors, masks), target

    return len(files), batches, model


def matrix_share(model: GenreModel, optimiser: torch.optim.Optimizer, batches: Batches) -> float:
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for batch, target in batches(20):
            step(model, optimiser, batch, target)
    events = profiled.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    return float(sum(event.self_cpu_time_total for event in events if event.key in MATRIX_OPS) / total)


def measure_train(data: RunData) -> dict[str, Any]:
    start = time.perf_counter()
    order = np.random.default_rng(0).permutation(len(data.trailers))
    held = len(order) // 5
    split = Split(np.sort(order[2 * held :]), np.sort(order[:held]), np.sort(order[held : 2 * held]))
    spec = ModelSpec(data.arrays.dimensions, data.modalities, data.genres, ModelSettings())
    ends: list[tuple[float, float]] = []
    settings = TrainSettings(epochs=4, min_epochs=1, batch=BATCH)
    train_coarse(
        data.arrays,
        data.labels,
        split,
        spec,
        settings,
        seed=0,
        on_epoch=lambda *_: ends.append((time.perf_counter(), cpu_s())),
    )
    seconds, cpu = np.diff(ends, axis=0).min(axis=0)
    return {
        "setup_s": round(ends[0][0] - start - seconds, 1),
        "epoch_s": round(seconds, 2),
        "trailers_per_s": round(len(split.train) / seconds),
        "trailers_per_cpu_s": round(len(split.train) / cpu),
    }


def cpu_s() -> float:
    """Processor time of this process and of its workers that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def peak_mb() -> int:
    """Most memory of this process; workers of the plain loop come on top."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1000


if __name__ == "__main__":
    main()
