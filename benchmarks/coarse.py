"""How well every way of joining modes finds coarse genres, beside baselines without a network.

    python benchmarks/coarse.py [--json] [--quick] [--text] [--models NAMES] [--run RUN] [--out FILE]

Data: MMTF-14K trailers (train to val), with --text their plots as a further expert; or with --run the films of any run
(the demo, a simulated dataset), split by title. Every choice (strength, width, dropout, epochs) is made by
cross-validation among the training films, for the baselines as for our own; the held-out films are scored once for
each seed. Figures are means and standard deviations over seeds.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
from sklearn.metrics import average_precision_score

from cinegrain.artifacts import write_text
from cinegrain.metrics.multilabel import macro_ap
from cinegrain.models.genre_model import ModelSpec
from cinegrain.models.settings import ModelSettings
from cinegrain.training.coarse import train_coarse
from cinegrain.training.data import TrailerArrays
from cinegrain.training.infer import encode_all, genre_probabilities
from cinegrain.training.logistic import LogisticSettings, logistic_probabilities
from cinegrain.training.settings import TrainSettings
from cinegrain.training.split import Split
from cinegrain.types import Float64, Int64
from mmtf import FOLDER, GenreData, load


@dataclass(frozen=True)
class Effort:
    """How much work goes into the table."""

    folds: int
    epochs: int
    seeds: int


FULL, QUICK = Effort(folds=3, epochs=60, seeds=5), Effort(folds=2, epochs=2, seeds=2)
EPOCH_STEP = 5


class Choice(Protocol):
    """One setting of a model that cross-validation may choose."""

    def curve(self, data: GenreData, train: Int64, held: Int64, effort: Effort, /) -> list[tuple["Choice", float]]:
        """Macro mAP on held-out films of this choice, and of its variants that come for free."""

    def probabilities(self, data: GenreData, train: Int64, held: Int64, seed: int, /) -> Float64:
        """Genre probabilities of held-out films, shape (m, g)."""


@dataclass(frozen=True)
class Logistic:
    """Logistic regression on scene means."""

    settings: LogisticSettings

    def curve(self, data: GenreData, train: Int64, held: Int64, _effort: Effort) -> list[tuple[Choice, float]]:
        return [(self, macro_ap(data.labels[held], self.probabilities(data, train, held, 0)))]

    def probabilities(self, data: GenreData, train: Int64, held: Int64, _seed: int) -> Float64:
        return logistic_probabilities(data.arrays, data.labels, train, held, self.settings)


@dataclass(frozen=True)
class Network:
    """A fusion network, trained for a fixed number of epochs."""

    model: ModelSettings
    train: TrainSettings
    experts: tuple[str, ...] = ()

    def curve(self, data: GenreData, train: Int64, held: Int64, effort: Effort) -> list[tuple[Choice, float]]:
        longest = replace(self.train, epochs=effort.epochs)
        history = self._fit(data, train, held, longest, 0).history
        step = min(EPOCH_STEP, effort.epochs)
        return [
            (replace(self, train=replace(self.train, epochs=e.epoch + 1)), e.val_map or 0.0)
            for e in history
            if (e.epoch + 1) % step == 0
        ]

    def probabilities(self, data: GenreData, train: Int64, held: Int64, seed: int) -> Float64:
        model = self._fit(data, train, held, self.train, seed).model
        return genre_probabilities(model, encode_all(model, self._arrays(data), held))

    def _arrays(self, data: GenreData) -> TrailerArrays:
        names = self.experts or tuple(data.arrays.experts)
        return TrailerArrays({name: data.arrays.experts[name] for name in names})

    def _fit(self, data: GenreData, train: Int64, held: Int64, settings: TrainSettings, seed: int) -> Any:
        arrays = self._arrays(data)
        spec = ModelSpec(arrays.dimensions, data.modalities, data.genres, self.model)
        return train_coarse(arrays, data.labels, Split(train, held, held), spec, settings, seed=seed)


def candidates(data: GenreData, *, quick: bool = False) -> dict[str, Sequence[Choice]]:
    """Every model with the settings among which cross-validation chooses; `quick` leaves no choice."""
    plain = TrainSettings(patience=0, batch=64, averaging=0.0)
    ours = TrainSettings(patience=0, batch=64)
    one = ModelSettings(members=1)
    strengths = (0.01,) if quick else (0.001, 0.003, 0.01, 0.03, 0.1)
    concat = [Network(replace(one, fusion="concat", width=w, dropout=d), plain) for w in (64, 256) for d in (0.3, 0.5)][
        : 1 if quick else None
    ]
    found: dict[str, Sequence[Choice]] = {
        "logistic regression": [Logistic(LogisticSettings(c, late=False)) for c in strengths],
        "late-fused logistic regressions": [Logistic(LogisticSettings(c, late=True)) for c in strengths],
        "concat + MLP": concat,
        "gating (default)": [Network(ModelSettings(), ours)],
        "gating, with mixup": [Network(ModelSettings(), replace(ours, mixup=1.0))],
        "gating, one network, plain training": [Network(replace(one, width=128, dropout=0.3), plain)],
        "gated units": [Network(ModelSettings(fusion="units"), ours)],
        "concat + MLP, trained as the default": [Network(ModelSettings(fusion="concat"), ours)],
        "late fusion": [Network(ModelSettings(fusion="late"), ours)],
        "transformer": [Network(replace(one, fusion="transformer"), ours)],
    }
    if any((array.offsets[1:] - array.offsets[:-1]).max(initial=0) > 1 for array in data.arrays.experts.values()):
        for pooling in ("attention", "netvlad"):
            found[f"gating, {pooling} pooling"] = [Network(ModelSettings(pooling=pooling), ours)]
    for name in data.arrays.experts:
        found[f"only {name}"] = [Network(ModelSettings(fusion="concat"), ours, (name,))]
    for loss in ("asymmetric", "balanced"):
        found[f"gating, {loss} loss"] = [Network(ModelSettings(), replace(ours, loss=loss))]
    return found


def choose(choices: Sequence[Choice], data: GenreData, effort: Effort) -> tuple[Choice, float]:
    """The choice with the best mean macro mAP over folds of the training films, and that mean."""
    folds = MultilabelStratifiedKFold(effort.folds, shuffle=True, random_state=0)
    parts = list(folds.split(data.train[:, None], data.labels[data.train].astype(int)))
    scores: dict[Choice, list[float]] = {}
    for choice in choices:
        for rest, held in parts:
            for variant, score in choice.curve(data, data.train[rest], data.train[held], effort):
                scores.setdefault(variant, []).append(score)
    best = max(scores, key=lambda variant: np.mean(scores[variant]))
    return best, float(np.mean(scores[best]))


def table(data: GenreData, names: Sequence[str], effort: Effort) -> Iterator[dict[str, Any]]:
    """One row a model."""
    models = candidates(data, quick=effort is QUICK)
    truth = data.labels[data.held]
    for name in names or models:
        start = time.process_time()
        choice, inner = choose(models[name], data, effort)
        n_seeds = 1 if isinstance(choice, Logistic) else effort.seeds  # the regression has no chance in it
        found = [choice.probabilities(data, data.train, data.held, seed) for seed in range(n_seeds)]
        macro = [macro_ap(truth, p) for p in found]
        scored = truth.any(axis=0)
        micro = [float(average_precision_score(truth[:, scored], p[:, scored], average="micro")) for p in found]
        yield {
            "data": data.name,
            "model": name,
            "macro_map": round(float(np.mean(macro)), 4),
            "macro_map_deviation": round(float(np.std(macro)), 4),
            "micro_map": round(float(np.mean(micro)), 4),
            "micro_map_deviation": round(float(np.std(micro)), 4),
            "cross_validated_macro_map": round(inner, 4),
            "seeds": n_seeds,
            "chosen": asdict(choice),  # type: ignore[call-overload]
            "cpu_s": round(time.process_time() - start, 1),
        }


def from_run(folder: Path) -> GenreData:
    """The films of a finished run; a fifth of the titles is held out, the rest trains."""
    from cinegrain.config import SETTINGS_FILE, load_settings
    from cinegrain.experts.registry import expert_names
    from cinegrain.pipeline.catalog import load_matched
    from cinegrain.pipeline.layout import Run
    from cinegrain.pipeline.train import load_data
    from cinegrain.training.split import split_by_title

    run = Run.open(folder)
    settings = load_settings(*[f for f in [folder / SETTINGS_FILE] if f.is_file()])
    data = load_data(run, load_matched(run.catalog).trailers, expert_names(settings.extract.experts))
    rows = data.labelled
    split = split_by_title([data.trailers[i].title for i in rows], data.labels[rows], settings.split, seed=0)
    train = rows[np.concatenate([split.train, split.val])]
    return GenreData(folder.name, data.arrays, data.modalities, data.genres, data.labels, train, rows[split.test])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--run", type=Path, help="a run folder instead of MMTF")
    parser.add_argument("--text", action="store_true", help="plots as a further expert")
    parser.add_argument("--models", default="", help="names joined by ;")
    parser.add_argument("--quick", action="store_true", help="a smoke test in under a minute; its figures mean nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--out", type=Path, help="JSON lines, rewritten after every row")
    args = parser.parse_args()
    if args.run is None and not (args.folder / "items.csv").is_file():
        print(f"skipped: {args.folder} holds no items.csv", file=sys.stderr)
        return
    torch.set_num_threads(1)
    data = from_run(args.run) if args.run else load(args.folder, with_text=args.text)
    names = [name.strip() for name in args.models.split(";") if name.strip()]
    if args.quick and not names:
        names = list(candidates(data))[:4]
    machine = {"python": platform.python_version(), **{name: version(name) for name in ("torch", "scikit-learn")}}
    lines = []
    for row in table(data, names, QUICK if args.quick else FULL):
        row["n_train"], row["n_held_out"], row["versions"] = len(data.train), len(data.held), machine
        lines.append(json.dumps(row))
        if args.json:
            print(lines[-1], flush=True)
        else:
            print(f"{row['model']:<42}{row['macro_map']:.3f} ± {row['macro_map_deviation']:.3f}", flush=True)
        if args.out:
            write_text(args.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
