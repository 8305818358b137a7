"""How well every way of joining modes finds coarse genres, beside baselines without a network: one table.

    python benchmarks/coarse.py [--json] [--quick] [--data NAMES] [--models NAMES] [--out FILE]
                                [--demo RUN] [--simulated RUN]

Data: `mmtf` (real trailers, train to val) and `mmtf-text` (their plots as a further expert) from ../shared/data;
`demo`, any finished run (`cinegrain demo`); `simulated`, a run of `benchmarks/simulate.py` by its scene means. Without
--data, all that are given or there.

Settings of every model, baselines included, are chosen without a look at the held-out films: by cross-validation in
the training films on mmtf, on validation films (as in `cinegrain train`) elsewhere. Figures are means and standard
deviations over seeds; on the demo each seed is another split, elsewhere another start of the same.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from cinegrain.metrics.multilabel import macro_ap
from cinegrain.runs.artifacts import write_text
from cinegrain.settings import AUTO
from cinegrain.types import Bool, Float64
from coarse_data import Task, demo, fewer, mmtf, simulated, tiny_simulation
from coarse_models import DEFAULT, Choice, Effort, Logistic, Network, candidates, choose, network_from
from mmtf import FOLDER

FULL = Effort(folds=3, epochs=80, patience=10, seeds=5, choices=5)
QUICK = Effort(folds=2, epochs=2, patience=2, seeds=2, choices=1)
LARGE = {"epochs": 40, "patience": 10, "choices": 2}  # what changes where an epoch takes seconds
LARGE_FILMS = 5_000
QUICK_FILMS = 80
ORACLE = "oracle (knows the generating means)"


def rows(load: Callable[[int], Task], names: Sequence[str], effort: Effort, known: Sequence[Any]) -> Iterator[Any]:
    """One row a model.

    Args:
        load: The task by seed.
        names: Models; all if empty.
        effort: How much work.
        known: Rows of an earlier call; models that are trained as the default take its settings from there.
    """
    task = load(0)
    if len(task.train) + len(task.held) > LARGE_FILMS and effort is FULL:
        effort = replace(effort, **LARGE)
    models = candidates(task, effort)
    wanted = [name for name in models if not names or name in names]
    like: Network | None = None  # the default as chosen by cross-validation
    if task.val is None and DEFAULT not in wanted and any(models[name].like for name in wanted):
        earlier = [row["chosen"] for row in known if (row["data"], row["model"]) == (task.name, DEFAULT)]
        chosen = network_from(earlier[0]) if earlier else choose(models[DEFAULT], task, effort)[0]
        like = chosen if isinstance(chosen, Network) else None
    for name in wanted:
        candidate = models[name]
        start = time.process_time()
        choice: Choice
        first = candidate.choices[0]
        if candidate.like and like is not None and isinstance(first, Network):
            own = first.model.linear_weight != AUTO
            model = first.model if own else replace(first.model, linear_weight=like.model.linear_weight)
            choice, inner = replace(first, model=model, epochs=like.epochs), None
        else:
            choice, inner = choose(candidate, task, effort)
        if name == DEFAULT and isinstance(choice, Network) and task.val is None:
            like = choice
        yield _row(name, choice, inner, load, effort) | {"cpu_s": round(time.process_time() - start, 1)}
    if task.oracle is not None and (not names or ORACLE in names):
        yield {"data": task.name, "model": ORACLE} | _figures([task.labels[task.held]], [task.oracle])


def _row(name: str, choice: Choice, inner: float | None, load: Callable[[int], Task], effort: Effort) -> dict[str, Any]:
    truths, found = [], []
    for seed in range(effort.seeds):
        task = load(seed)
        if seed and isinstance(choice, Logistic) and task is load(0):
            break  # the regression has no chance in it
        truths.append(task.labels[task.held])
        found.append(choice.probabilities(task, effort, seed))
    chosen = {
        "n_train": len(task.train),
        "n_held_out": len(task.held),
        "chosen_by_macro_map": None if inner is None else round(inner, 4),
        "chosen": asdict(choice),  # type: ignore[call-overload]
        "most_epochs": effort.epochs,
    }
    return {"data": task.name, "model": name} | _figures(truths, found) | chosen


def _figures(truths: Sequence[Bool], found: Sequence[Float64]) -> dict[str, Any]:
    macro, micro = [], []
    for truth, p in zip(truths, found, strict=True):
        scored = truth.any(axis=0)
        macro.append(macro_ap(truth, p))
        micro.append(float(average_precision_score(truth[:, scored], p[:, scored], average="micro")))
    return {
        "macro_map": round(float(np.mean(macro)), 4),
        "macro_map_deviation": round(float(np.std(macro)), 4),
        "micro_map": round(float(np.mean(micro)), 4),
        "micro_map_deviation": round(float(np.std(micro)), 4),
        "seeds": len(found),
    }


def _tasks(args: argparse.Namespace) -> dict[str, Callable[[int], Task]]:
    """What there is to measure on; each is read once."""
    wanted = [name for name in args.data.split(",") if name]
    found: dict[str, Callable[[int], Task]] = {}

    def once(name: str, there: bool, how: str, load: Callable[[int], Task], *, by_seed: bool = False) -> None:
        if wanted and name not in wanted:
            return
        if not there:
            print(f"skipped {name}: {how}", file=sys.stderr)
            return
        kept: dict[int, Task] = {}

        def cached(seed: int) -> Task:
            key = seed if by_seed else 0
            if key not in kept:
                kept[key] = fewer(load(key), QUICK_FILMS) if args.quick else load(key)
            return kept[key]

        found[name] = cached

    real = (args.folder / "items.csv").is_file()
    once("mmtf", real, f"{args.folder} holds no items.csv", lambda _: mmtf(args.folder, with_text=False))
    once("mmtf-text", real, f"{args.folder} holds no items.csv", lambda _: mmtf(args.folder, with_text=True))
    once("demo", args.demo is not None, "give --demo RUN", lambda seed: demo(args.demo, seed), by_seed=True)
    once("simulated", args.simulated is not None, "give --simulated RUN", lambda _: simulated(args.simulated))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="", help="names joined by commas")
    parser.add_argument("--models", default="", help="names joined by ;")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the real trailers' features")
    parser.add_argument("--demo", type=Path, help="a finished run")
    parser.add_argument("--simulated", type=Path, help="a simulated run, read by its scene means")
    parser.add_argument("--quick", action="store_true", help="a smoke test in under a minute; its figures mean nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--out", type=Path, help="JSON lines; rows of other data and models that it holds are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = [name.strip() for name in args.models.split(";") if name.strip()]
    machine = {"python": platform.python_version(), **{name: version(name) for name in ("torch", "scikit-learn")}}
    lines = {}
    if args.out and args.out.is_file():
        kept = map(json.loads, args.out.read_text(encoding="utf-8").splitlines())
        lines = {(row["data"], row["model"]): row for row in kept}
    with tempfile.TemporaryDirectory() as place:
        if args.quick and args.simulated is None:
            args.simulated = tiny_simulation(Path(place) / "run")
        _measure(args, names, machine, lines)


def _measure(args: argparse.Namespace, names: Sequence[str], machine: Any, lines: dict[tuple[str, str], Any]) -> None:
    """Prints every row and adds it to the lines."""
    for load in _tasks(args).values():
        effort, known = QUICK if args.quick else FULL, list(lines.values())
        for row in rows(load, names, effort, known):
            row["versions"] = machine
            lines[row["data"], row["model"]] = row
            shown = f"{row['data']:<34}{row['model']:<42}{row['macro_map']:.3f} ± {row['macro_map_deviation']:.3f}"
            print(json.dumps(row) if args.json else shown, flush=True)
            if args.out:
                write_text(args.out, "".join(json.dumps(line) + "\n" for line in lines.values()))


if __name__ == "__main__":
    main()
