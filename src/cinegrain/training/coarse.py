"""Trains the coarse genre network."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from cinegrain.losses.asymmetric import asymmetric_loss
from cinegrain.losses.class_balanced import class_balance, class_balanced_bce
from cinegrain.metrics.multilabel import best_thresholds, macro_ap
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.settings import for_films
from cinegrain.training.augment import drop_present, mix_films
from cinegrain.training.data import TrailerArrays
from cinegrain.training.infer import pool_films, predict_genres
from cinegrain.training.settings import TrainSettings
from cinegrain.training.share import choose_share
from cinegrain.training.split import Split
from cinegrain.types import Bool, Float64, Int64

log = logging.getLogger(__name__)

GenreLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
_WARM_UP = 10  # steps; the first ones are forgotten quickly, or the untrained start would weigh on the mean


@dataclass(frozen=True)
class Epoch:
    """One pass: mean training loss, validation loss and macro mAP (None without positives)."""

    epoch: int
    train_loss: float
    val_loss: float
    val_map: float | None


@dataclass(frozen=True, eq=False)
class CoarseResult:
    """The best network, its thresholds (shape (g,), from validation films) and its history."""

    model: GenreModel
    thresholds: Float64
    history: tuple[Epoch, ...]
    best_epoch: int


def train_coarse(
    arrays: TrailerArrays,
    labels: Bool,
    split: Split,
    spec: ModelSpec,
    settings: TrainSettings,
    *,
    seed: int,
    on_epoch: Callable[[int, int, str], None] | None = None,
) -> CoarseResult:
    """Trains on the genre loss, stopped early on the validation films' macro mAP.

    Each member of the network has its own loss, and so has the linear classifier. What is validated and kept is the
    running mean of the weights. Unless the settings say it, the linear classifier's share is chosen on the validation
    films; without patience nothing is chosen on them.

    Args:
        arrays: Vectors of n films.
        labels: Genres, shape (n, g).
        split: Which films train, which stop the training.
        spec: Shape of the network; what it leaves open is chosen by the number of training films.
        settings: How to train; the same.
        seed: Same seed, same machine, same numbers.
        on_epoch: Called with (done, total, a line to show).
    """
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    settings = settings.for_films(len(split.train))
    model = GenreModel(replace(spec, settings=for_films(spec.settings, len(split.train))))
    model.set_statistics(arrays.statistics(split.train))
    model.set_prior(torch.from_numpy(labels[split.train].mean(axis=0)))
    averaged = _averaged(model, settings.averaging)
    kept = averaged.module
    assert isinstance(kept, GenreModel)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    target = torch.from_numpy(labels.astype(np.float32))
    genre_loss = _genre_loss(settings.loss, target[split.train].sum(dim=0))
    history: list[Epoch] = []
    best: tuple[tuple[float, float], int, dict[str, Tensor]] | None = None
    for number in range(settings.epochs):
        step = _Step(model, averaged, optimiser, genre_loss, settings, chance)
        loss = _train_epoch(step, arrays, target, split.train)
        epoch = _validate(kept, arrays, labels, split.val, number, loss)
        history.append(epoch)
        if on_epoch:
            shown = "n/a" if epoch.val_map is None else f"{epoch.val_map:.3f}"
            on_epoch(number + 1, settings.epochs, f"loss {epoch.train_loss:.3f}, validation mAP {shown}")
        score = (-1.0 if epoch.val_map is None else epoch.val_map, -epoch.val_loss)
        # The first passes only leave chance behind; on few films one of them can score well by luck.
        ripe = number + 1 >= min(settings.min_epochs, settings.epochs)
        if ripe and (best is None or score > best[0] or not settings.patience):
            best = (score, number, {k: v.clone() for k, v in kept.state_dict().items()})
        elif best is not None and number - best[1] >= settings.patience:
            break
    assert best is not None
    model.load_state_dict(best[2])
    model.eval()
    if model.linear is not None and spec.settings.linear_share < 0 and settings.patience:
        model.set_linear_share(choose_share(model, arrays, labels, split.val))
    probabilities = predict_genres(model, arrays, split.val)
    return CoarseResult(model, best_thresholds(labels[split.val], probabilities), tuple(history), best[1])


def _averaged(model: GenreModel, share: float) -> AveragedModel:
    """A running mean of the weights that starts as the first step's."""

    def mean(kept: Sequence[Tensor], new: Sequence[Tensor], n: Tensor | int) -> None:
        steps = int(n)
        torch._foreach_lerp_(list(kept), list(new), 1 - min(share, (1 + steps) / (_WARM_UP + steps)))

    return AveragedModel(model, multi_avg_fn=mean)


def _genre_loss(name: str, counts: Tensor) -> GenreLoss:
    """Loss of logits (m, n, g) against targets (m, n, g); `counts` are the genres' films, shape (g,)."""
    if name == "balanced":
        weights = class_balance(counts)
        return lambda logits, target: class_balanced_bce(logits, target, weights)
    return asymmetric_loss if name == "asymmetric" else F.binary_cross_entropy_with_logits


@dataclass(frozen=True, eq=False)
class _Step:
    """One step of training on some films."""

    model: GenreModel
    averaged: AveragedModel
    optimiser: torch.optim.Optimizer
    genre_loss: GenreLoss
    settings: TrainSettings
    chance: torch.Generator

    def __call__(self, arrays: TrailerArrays, rows: Int64, target: Tensor) -> Tensor:
        """Mean loss of some films; target has shape (n, g)."""
        pooled, present = pool_films(self.model, arrays, rows)
        present = drop_present(present, self.settings.mode_dropout, self.chance)
        pooled, shares = mix_films(pooled, present, target, self.settings.mixup, self.chance)
        logits = self.model.answers(pooled, present)  # (m, n, g)
        loss = self.genre_loss(logits, shares.expand_as(logits))
        if self.model.linear is not None:
            loss = loss + self.settings.ridge / len(logits) * self.model.linear.penalty()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.averaged.update_parameters(self.model)
        return loss.detach()


def _train_epoch(step: _Step, arrays: TrailerArrays, target: Tensor, films: Int64) -> float:
    step.model.train()
    order = films[torch.randperm(len(films), generator=step.chance).numpy()]
    parts = [order[start : start + step.settings.batch] for start in range(0, len(order), step.settings.batch)]
    losses = torch.stack([step(arrays, rows, target[rows]) * len(rows) for rows in parts])
    return float(losses.double().sum()) / len(order)


def _validate(
    model: GenreModel, arrays: TrailerArrays, labels: Bool, films: Int64, number: int, train_loss: float
) -> Epoch:
    probabilities = predict_genres(model, arrays, films)
    truth = labels[films]
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    loss = -np.where(truth, np.log(clipped), np.log1p(-clipped)).mean()
    score = macro_ap(truth, probabilities)
    return Epoch(number, train_loss, float(loss), None if np.isnan(score) else score)


def history_rows(history: tuple[Epoch, ...]) -> list[dict[str, object]]:
    """The history as plain rows."""
    return [asdict(epoch) for epoch in history]
