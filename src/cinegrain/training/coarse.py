"""Trains the coarse genre network."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from cinegrain.losses.asymmetric import asymmetric_loss
from cinegrain.losses.class_balanced import class_balance, class_balanced_bce
from cinegrain.metrics.multilabel import best_thresholds, macro_ap
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.settings import for_films
from cinegrain.training.augment import drop_present, mix_films
from cinegrain.training.data import TrailerArrays
from cinegrain.training.devices import ALONE, Devices
from cinegrain.training.infer import pool_films, predict_genres
from cinegrain.training.settings import TrainSettings
from cinegrain.training.share import choose_share
from cinegrain.training.split import Split
from cinegrain.types import Bool, Float64, Int64

log = logging.getLogger(__name__)

GenreLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
_SORTED_BATCHES = 16
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
    devices: Devices = ALONE,
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
        devices: The processes that train together; each calls this with the same, and gets the same.
    """
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    settings = settings.for_films(len(split.train))
    model = GenreModel(replace(spec, settings=for_films(spec.settings, len(split.train))))
    model.set_statistics(arrays.statistics(split.train))
    model.set_prior(torch.from_numpy(labels[split.train].mean(axis=0)))
    averaged = _averaged(model, settings.averaging)
    kept = averaged.module
    assert isinstance(kept, GenreModel)
    optimiser: torch.optim.Optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    target = torch.from_numpy(labels.astype(np.float32))
    genre_loss = _genre_loss(settings.loss, target[split.train].sum(dim=0))
    objective, optimiser = devices.prepare(_Objective(model, genre_loss, settings), optimiser)
    stepper = _Stepper(objective, optimiser, model, averaged, devices.seed(seed), devices)
    history: list[Epoch] = []
    best: tuple[tuple[float, float], int, dict[str, Tensor]] | None = None
    for number in range(settings.epochs):
        films = split.train[torch.randperm(len(split.train), generator=order).numpy()]
        if model.pools_means:
            batches = [films[start : start + settings.batch] for start in range(0, len(films), settings.batch)]
        else:
            batches = even_batches(films, settings.batch, arrays.lengths[films], order)
        loss = stepper.epoch(arrays, target, batches)
        epoch = _validate(kept, arrays, labels, split.val, number, loss, devices)
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


def even_batches(films: Int64, size: int, lengths: Int64, order: torch.Generator) -> list[Int64]:
    """Batches of films of similar length, which need less padding, for networks that look at every scene.

    Films are sorted within some batches' worth of them only, and the batches come in random order, so that there is
    chance in who meets whom and nothing in when a long film comes.

    Args:
        films: In random order, shape (n,).
        size: Films in a batch; one batch may be smaller.
        lengths: Scenes of each film, shape (n,).
        order: Source of chance.
    """
    window = _SORTED_BATCHES * size
    parts = [np.arange(start, min(start + window, len(films))) for start in range(0, len(films), window)]
    films = films[np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])]
    starts = np.arange(0, len(films), size)[torch.randperm(-(-len(films) // size), generator=order).numpy()]
    return [films[start : start + size] for start in starts]


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


class _Objective(nn.Module):
    """Mean loss of some films; a module, so that processes can share its gradients."""

    def __init__(self, model: GenreModel, genre_loss: GenreLoss, settings: TrainSettings) -> None:
        super().__init__()
        self.model, self.genre_loss, self.settings = model, genre_loss, settings

    def forward(self, arrays: TrailerArrays, rows: Int64, target: Tensor, chance: torch.Generator) -> Tensor:
        """The loss; target has shape (n, g)."""
        pooled, present = pool_films(self.model, arrays, rows)
        present = drop_present(present, self.settings.mode_dropout, chance)
        pooled, shares = mix_films(pooled, present, target, self.settings.mixup, chance)
        logits = self.model.answers(pooled, present)  # (m, n, g)
        loss = self.genre_loss(logits, shares.expand_as(logits))
        if self.model.linear is not None:
            loss = loss + self.settings.ridge / len(logits) * self.model.linear.penalty()
        return loss


@dataclass(frozen=True, eq=False)
class _Stepper:
    """Takes steps of training."""

    objective: nn.Module
    optimiser: torch.optim.Optimizer
    model: GenreModel
    averaged: AveragedModel
    chance: torch.Generator
    devices: Devices

    def step(self, arrays: TrailerArrays, batch: Int64, target: Tensor) -> Tensor:
        """Learns from this process's share of a batch; gives its loss times its part of the batch, a scalar."""
        rows = self.devices.share(batch)
        part = len(rows) / len(batch) if len(batch) >= self.devices.count else 1 / self.devices.count
        loss: Tensor = self.objective(arrays, rows, target[rows], self.chance)
        self.optimiser.zero_grad()
        self.devices.backward(loss * (part * self.devices.count))  # the mean over processes is the batch's mean
        self.optimiser.step()
        self.averaged.update_parameters(self.model)
        return loss.detach() * part

    def epoch(self, arrays: TrailerArrays, target: Tensor, batches: Sequence[Int64]) -> float:
        """One pass over films in batches; gives their mean loss."""
        self.model.train()
        losses = torch.stack([self.step(arrays, batch, target) * len(batch) for batch in batches])
        return float(self.devices.total(losses.double().cpu().numpy()).sum()) / sum(map(len, batches))


def _validate(
    model: GenreModel,
    arrays: TrailerArrays,
    labels: Bool,
    films: Int64,
    number: int,
    train_loss: float,
    devices: Devices,
) -> Epoch:
    probabilities = np.zeros((len(films), labels.shape[1]))
    mine = devices.share(np.arange(len(films)))
    if len(films) >= devices.count or devices.is_main:
        probabilities[mine] = predict_genres(model, arrays, films[mine])
    probabilities = devices.total(probabilities)
    truth = labels[films]
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    loss = -np.where(truth, np.log(clipped), np.log1p(-clipped)).mean()
    score = macro_ap(truth, probabilities)
    return Epoch(number, train_loss, float(loss), None if np.isnan(score) else score)


def history_rows(history: tuple[Epoch, ...]) -> list[dict[str, object]]:
    """The history as plain rows."""
    return [asdict(epoch) for epoch in history]
