"""The real commands on very many pooled trailers: time, and the memory that they take.

    python benchmarks/million.py [--json] [--quick] [--trailers 1000000] [--scale-dimensions 0.0625] [--epochs 2]
                                 [--scratch FOLDER]

`benchmarks/simulate.py --pooled` makes the corpus; `cinegrain train` pools its vectors into mapped files and trains on
those; each in a process of its own. The default is a sixteenth of the dimensions of the paper (at least 8); 1 is all.
Memory is given as the peak of everything resident and as what is the process's own (anonymous: what it cannot do
without); the rest are mapped pages of files, which the system may drop at any moment.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

N_ORACLE = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="20,000 trailers")
    parser.add_argument("--trailers", type=int, default=0)
    parser.add_argument("--scale-dimensions", type=float, default=0.0625)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="keep the run here; else it is thrown away")
    parser.add_argument("--command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.command:
        print(json.dumps(measured(args.command)))
        return
    trailers = args.trailers or (20_000 if args.quick else 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        run = args.scratch or Path(folder) / "run"
        size = ["--trailers", str(trailers), "--scale-dimensions", str(args.scale_dimensions)]
        simulated = alone(["simulate", str(run), "--pooled", *size, "--json"])
        epochs = ["--train.epochs", str(args.epochs)]
        trained = alone(["train", str(run), *epochs, "--json"])
        history = trained.pop("answer")["history"]
        result = {
            "trailers": trailers,
            "scale_dimensions": simulated.pop("answer")["settings"]["scale_dimensions"],
            "epochs": len(history),
            "val_map": [round(epoch["val_map"], 4) for epoch in history],
            **oracle(run),
            "pooled_mb": round(sum(file.stat().st_size for file in (run / "pooled").glob("*.npy")) / 1e6),
            "catalogue_mb": round((run / "catalog.json").stat().st_size / 1e6),
            "threads": 1,
            "load_1min": round(os.getloadavg()[0], 1),
            "rows": [simulated, trained],
        }
    print(json.dumps(result, indent=2) if args.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


def alone(command: list[str]) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--command", *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def measured(command: list[str]) -> dict[str, Any]:
    """Runs `simulate` or a command of `cinegrain`, and follows it."""
    own, start = OwnMemory(), time.perf_counter()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if command[0] == "simulate":
            from simulate import main as simulate

            sys.argv = command
            simulate()
        else:
            from cinegrain.cli.main import app

            app(command, standalone_mode=False)
    times = os.times()
    return {
        "command": command[0],
        "answer": json.loads(printed.getvalue()),
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_s": round(times.user + times.system, 1),
        "peak_mb": status_mb("VmHWM"),
        "peak_own_mb": own.stop(),
    }


def oracle(run: Path) -> dict[str, float]:
    """The best possible mAP on some validation films, and the model's."""
    from cinegrain.metrics.multilabel import macro_ap
    from cinegrain.pipeline.learning.trained import load_trained
    from cinegrain.runs.layout import Run
    from simulator.corpus import oracle_of

    trained = load_trained(Run(run))
    some = trained.split.val[:N_ORACLE]
    ids = [trained.data.trailers[i].trailer_id for i in some]
    genres, best = oracle_of(Run(run), ids)
    columns = [genres.index(genre) for genre in trained.data.genres]
    truth = trained.data.labels[some]
    return {
        "map_of_1000": round(macro_ap(truth, np.asarray(trained.raw(some))), 4),
        "oracle_of_1000": round(macro_ap(truth, best[:, columns]), 4),
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
