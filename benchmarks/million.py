"""Training on very many pooled trailers from disk: time an epoch, and the memory that it takes.

    python benchmarks/million.py [--json] [--quick] [--trailers 1000000] [--epochs 2] [--scratch FOLDER]

A pooled corpus with a sixteenth of the paper's dimensions (at least 8) is simulated into a run. Then, each in a process
of its own, its vectors are pooled from the dataset into mapped files, and the genre network is trained on those. Memory
is given as the peak of everything resident and as what is the process's own (anonymous: what it cannot do without);
the rest are mapped pages of files, which the system may drop at any moment.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cinegrain.config import Settings
from cinegrain.metrics.multilabel import macro_ap
from cinegrain.models.genre_model import ModelSpec
from cinegrain.models.settings import ModelSettings
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.pooled import mapped_arrays
from cinegrain.pipeline.progress import Silent
from cinegrain.pipeline.simulate import expert_name, simulate, trailer_id
from cinegrain.simulate.films import draw_film
from cinegrain.simulate.oracle import oracle_probabilities
from cinegrain.simulate.settings import SimulateSettings
from cinegrain.simulate.world import make_world
from cinegrain.training.coarse import train_coarse
from cinegrain.training.settings import TrainSettings
from cinegrain.training.split import Split
from cinegrain.types import MODALITIES, Bool

BATCH, HELD, N_ORACLE = 1024, 5_000, 1000
EXPERTS = [expert_name(mode) for mode in MODALITIES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="20,000 trailers")
    parser.add_argument("--trailers", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="keep the run here; else it is thrown away")
    parser.add_argument("--part", choices=["simulate", "pool", "train"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    trailers = args.trailers or (20_000 if args.quick else 1_000_000)
    wanted = SimulateSettings(trailers=trailers, pooled=True, scale_dimensions=0.0625)
    if args.part:
        torch.set_num_threads(1)
        print(json.dumps(measured(args.part, Run(args.scratch), wanted, args.epochs)))
        return
    with tempfile.TemporaryDirectory() as folder:
        scratch = args.scratch or Path(folder) / "run"
        command = [sys.executable, __file__, "--scratch", str(scratch), "--trailers", str(trailers)]
        command += ["--epochs", str(args.epochs), "--part"]
        rows = [
            json.loads(subprocess.run([*command, part], check=True, stdout=subprocess.PIPE, text=True).stdout)
            for part in ("simulate", "pool", "train")
        ]
        result = {"trailers": trailers, "dimensions": wanted.dimensions, "batch": BATCH, "threads": 1, "rows": rows}
    print(json.dumps(result, indent=2) if args.json else "\n".join(map(str, rows)))


def measured(part: str, run: Run, wanted: SimulateSettings, epochs: int) -> dict[str, Any]:
    own = OwnMemory()
    start = time.perf_counter()
    row: dict[str, Any] = {"part": part}
    if part == "simulate":
        simulate(run.folder, wanted, Settings(), Silent())
    elif part == "pool":
        mapped_arrays(run, ids(wanted), EXPERTS, key=str(wanted))
    else:
        row |= trained(run, wanted, epochs)
    row["seconds"] = round(time.perf_counter() - start, 1)
    row["peak_mb"], row["peak_own_mb"] = status_mb("VmHWM"), own.stop()
    return row


def ids(wanted: SimulateSettings) -> list[str]:
    return [trailer_id(number) for number in range(wanted.trailers)]


def trained(run: Run, wanted: SimulateSettings, epochs: int) -> dict[str, Any]:
    world = make_world(wanted)
    arrays = mapped_arrays(run, ids(wanted), EXPERTS, key=str(wanted))
    labels: Bool = np.zeros((wanted.trailers, len(world.genres)), dtype=bool)
    for number in range(wanted.trailers):
        labels[number] = world.membership[draw_film(world, number).genre_set]
    held = min(HELD, wanted.trailers // 10)
    order = np.random.default_rng(0).permutation(wanted.trailers)
    split = Split(np.sort(order[2 * held :]), np.sort(order[:held]), np.sort(order[held : 2 * held]))
    modalities = dict(zip(EXPERTS, MODALITIES, strict=True))
    spec = ModelSpec(arrays.dimensions, modalities, world.genres, ModelSettings())
    before, ends = time.perf_counter(), []

    def on_epoch(*_: object) -> None:
        ends.append(time.perf_counter())

    settings = TrainSettings(epochs=epochs, min_epochs=1, batch=BATCH)
    result = train_coarse(arrays, labels, split, spec, settings, seed=0, on_epoch=on_epoch)
    seconds = min(np.diff([before, *ends]))
    some = split.val[:N_ORACLE]
    best = oracle_probabilities(world, some.tolist())
    return {
        "epochs": epochs,
        "epoch_s": round(seconds, 1),
        "trailers_per_s": round(len(split.train) / seconds),
        "val_map": [None if e.val_map is None else round(e.val_map, 4) for e in result.history],
        "oracle_map": round(macro_ap(labels[some], best), 4),
        "mapped_mb": round(sum(a.vectors.nbytes for a in arrays.experts.values()) / 1e6),
    }


def status_mb(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) // 1000


class OwnMemory:
    """Follows the process's anonymous memory, ten times a second."""

    def __init__(self) -> None:
        self.peak_mb = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._done.wait(0.1):
            self.peak_mb = max(self.peak_mb, status_mb("RssAnon"))

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return max(self.peak_mb, status_mb("RssAnon"))


if __name__ == "__main__":
    main()
