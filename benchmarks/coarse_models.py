"""The models of `benchmarks/coarse.py`, and the settings that each may choose from without seeing held-out films."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

from cinegrain.metrics.multilabel import macro_ap
from cinegrain.models.genre_model import ModelSpec
from cinegrain.settings import AUTO, FIXED, Auto, ModelSettings, TrainSettings, current_section
from cinegrain.training.arrays import TrailerArrays
from cinegrain.training.coarse import CoarseResult, train_coarse
from cinegrain.training.infer import predict_genres
from cinegrain.training.linear_weight import WEIGHTS, weight_losses
from cinegrain.training.split import Split
from cinegrain.types import Float64, Int64
from coarse_data import Task
from logistic import LogisticSettings, logistic_probabilities

EPOCH_STEP = 10
_STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1)


@dataclass(frozen=True)
class Effort:
    """How much work goes into a table.

    Attributes:
        folds: Of cross-validation, where a task has no validation films.
        epochs: At most.
        patience: Epochs without gain before training stops, where a task has validation films.
        seeds: Networks trained for each figure.
        choices: Settings tried for each baseline, at most.
    """

    folds: int
    epochs: int
    patience: int
    seeds: int
    choices: int


@dataclass(frozen=True, eq=False)
class Tried:
    """Macro mAP of a setting and of its variants that come for free; log losses at each of WEIGHTS, if it has one."""

    scores: Sequence[tuple["Choice", float]]
    shares: Float64 | None = None


class Choice(Protocol):
    """One setting of a model."""

    def tried(self, task: Task, train: Int64, held: Int64, effort: Effort, /) -> Tried:
        """How good it is on `held`."""

    def probabilities(self, task: Task, effort: Effort, seed: int, /) -> Float64:
        """Genre probabilities of the task's held-out films, shape (m, g)."""


@dataclass(frozen=True)
class Logistic:
    """Logistic regression on scene means."""

    settings: LogisticSettings

    def tried(self, task: Task, train: Int64, held: Int64, _effort: Effort) -> Tried:
        found = logistic_probabilities(task.arrays, task.labels, train, held, self.settings)
        return Tried([(self, macro_ap(task.labels[held], found))])

    def probabilities(self, task: Task, _effort: Effort, _seed: int) -> Float64:
        return logistic_probabilities(task.arrays, task.labels, task.train, task.held, self.settings)


@dataclass(frozen=True)
class Network:
    """A network; `epochs` is 0 where validation films stop the training."""

    model: ModelSettings
    train: TrainSettings
    experts: tuple[str, ...] = ()
    epochs: int = 0

    def tried(self, task: Task, train: Int64, held: Int64, effort: Effort) -> Tried:
        if task.val is not None:
            result = self._fit(task, Split(train, held, held), effort, 0)
            return Tried([(self, result.history[result.best_epoch].val_map or 0.0)])
        result = replace(self, epochs=effort.epochs)._fit(task, Split(train, held, held), effort, 0)
        step = min(EPOCH_STEP, effort.epochs)
        scores = [
            (replace(self, epochs=e.epoch + 1), e.val_map or 0.0) for e in result.history if (e.epoch + 1) % step == 0
        ]
        chosen = self.model.linear_weight == AUTO and result.model.linear is not None
        shares = weight_losses(result.model, self._arrays(task), task.labels, held) if chosen else None
        return Tried(scores, shares)

    def probabilities(self, task: Task, effort: Effort, seed: int) -> Float64:
        val = task.held if task.val is None else task.val  # without patience nothing is chosen on them
        result = self._fit(task, Split(task.train, val, task.held), effort, seed)
        return predict_genres(result.model, self._arrays(task), task.held)

    def _arrays(self, task: Task) -> TrailerArrays:
        return TrailerArrays({name: task.arrays.experts[name] for name in self.experts or task.arrays.experts})

    def _fit(self, task: Task, split: Split, effort: Effort, seed: int) -> CoarseResult:
        arrays = self._arrays(task)
        spec = ModelSpec(arrays.dimensions, task.modalities, task.genres, self.model)
        settings = replace(self.train, epochs=effort.epochs, patience=effort.patience)
        if task.val is None:
            settings = replace(self.train, epochs=self.epochs, patience=0)
        return train_coarse(arrays, task.labels, split, spec, settings, seed=seed)


def network_from(chosen: Mapping[str, Any]) -> Network:
    """A network's setting from a row of results."""
    model, train = _known(ModelSettings, chosen["model"]), _known(TrainSettings, chosen["train"])
    return Network(model, train, tuple(chosen["experts"]), chosen["epochs"])


def _known(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Settings from a row, perhaps an earlier version's: what is gone is left out."""
    section, names = kind.__name__.removesuffix("Settings").lower(), {field.name for field in fields(kind)}
    found = (
        current_section(section, {name: value}) for name, value in values.items() if f"{section}.{name}" not in FIXED
    )
    return kind(**{name: value for one in found for name, value in one.items() if name in names})


@dataclass(frozen=True)
class Candidate:
    """A model of the table.

    Attributes:
        choices: Settings to choose from.
        like: Model whose chosen number of epochs it takes over instead of choosing; "" if it chooses itself.
    """

    choices: Sequence[Choice]
    like: str = ""


Candidates: TypeAlias = Mapping[str, Candidate]
DEFAULT = "gating (default)"


def candidates(task: Task, effort: Effort) -> Candidates:
    """Every model of the table, in its order."""
    many = len(task.train) > 5_000
    batch: int | Auto = AUTO if many else 64
    plain, ours = TrainSettings(batch_size=batch, ema_decay=0.0), TrainSettings(batch_size=batch)
    alone = ModelSettings(ensemble_size=1, linear_weight=0.0)
    mlps = [
        Network(replace(alone, fusion="concat", hidden_dim=w, dropout=d), replace(plain, learning_rate=rate))
        for w, d in _MLPS[: effort.choices]
        for rate in ((AUTO, 2e-3) if many else (AUTO,))  # without averaged weights the usual one can be too large
    ]
    middle = len(_STRENGTHS) // 2
    strengths = sorted(_STRENGTHS, key=lambda c: abs(_STRENGTHS.index(c) - middle))[: effort.choices]
    found = {
        "logistic regression": Candidate([Logistic(LogisticSettings(c, late=False)) for c in strengths]),
        "late-fused logistic regressions": Candidate([Logistic(LogisticSettings(c, late=True)) for c in strengths]),
        "concat + MLP": Candidate(mlps),
        DEFAULT: Candidate([Network(ModelSettings(), ours)]),
        "gating, without linear classifier": Candidate([Network(ModelSettings(linear_weight=0.0), ours)], like=DEFAULT),
        "gating, one network, plain training": Candidate([Network(replace(alone, hidden_dim=128, dropout=0.3), plain)]),
        "concat + MLP, trained as the default": Candidate([Network(ModelSettings(fusion="concat"), ours)], DEFAULT),
        "late fusion": Candidate([Network(ModelSettings(fusion="late"), ours)], like=DEFAULT),
        "gating, balanced loss": Candidate([Network(ModelSettings(), replace(ours, loss="balanced"))], like=DEFAULT),
    }
    for name in task.arrays.experts:
        found[f"only {name}"] = Candidate([Network(ModelSettings(), ours, (name,))], like=DEFAULT)
    return found


_MLPS = ((64, 0.5), (256, 0.5), (64, 0.3), (256, 0.3))


def choose(candidate: Candidate, task: Task, effort: Effort) -> tuple[Choice, float | None]:
    """The setting with the best macro mAP on films that are not judged, and that mAP; None where there is no choice."""
    if task.val is not None:
        if len(candidate.choices) == 1:
            return candidate.choices[0], None
        parts = [(task.train, task.val)]
    else:
        folds = MultilabelStratifiedKFold(effort.folds, shuffle=True, random_state=0)
        found = folds.split(task.train[:, None], task.labels[task.train].astype(int))
        parts = [(task.train[rest], task.train[held]) for rest, held in found]
    scores: dict[Choice, list[float]] = {}
    shares: dict[ModelSettings, list[Float64]] = {}
    for choice in candidate.choices:
        for train, held in parts:
            tried = choice.tried(task, train, held, effort)
            for variant, score in tried.scores:
                scores.setdefault(variant, []).append(score)
            if tried.shares is not None and isinstance(choice, Network):
                shares.setdefault(choice.model, []).append(tried.shares)
    best = max(scores, key=lambda variant: np.mean(scores[variant]))
    score = float(np.mean(scores[best]))
    if isinstance(best, Network) and best.model in shares:
        share = WEIGHTS[int(np.argmin(np.mean(shares[best.model], axis=0)))]
        best = replace(best, model=replace(best.model, linear_weight=share))
    return best, score
