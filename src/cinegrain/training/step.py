"""A training epoch: the loss as a module, steps of the optimiser and of the averaged weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from cinegrain.losses.class_balanced import class_balance, class_balanced_bce
from cinegrain.models.genre_model import GenreModel
from cinegrain.training.arrays import TrailerArrays
from cinegrain.training.augment import drop_present
from cinegrain.training.devices import Devices
from cinegrain.training.infer import pool_films
from cinegrain.training.plan import TrainingPlan
from cinegrain.types import Int64

GenreLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
_WARM_UP = 10  # steps with a smaller decay, so that the untrained weights are soon forgotten


def averaged_weights(model: GenreModel, decay: float) -> AveragedModel:
    """Exponential moving average (EMA) of a network's weights; `decay` warms up over the first steps."""

    def update(mean: Sequence[Tensor], new: Sequence[Tensor], steps: Tensor | int) -> None:
        warm = min(decay, (1 + int(steps)) / (_WARM_UP + int(steps)))
        torch._foreach_lerp_(list(mean), list(new), 1 - warm)

    return AveragedModel(model, multi_avg_fn=update)


def choose_loss(name: str, counts: Tensor) -> GenreLoss:
    """Loss of logits (m, n, g) against targets (m, n, g); `counts` are films per genre, shape (g,)."""
    if name == "balanced":
        weights = class_balance(counts)
        return lambda logits, target: class_balanced_bce(logits, target, weights)
    return F.binary_cross_entropy_with_logits


class Objective(nn.Module):
    """Mean loss of a batch; a module, so that DistributedDataParallel can wrap it."""

    def __init__(self, model: GenreModel, genre_loss: GenreLoss, settings: TrainingPlan) -> None:
        super().__init__()
        self.model, self.genre_loss, self.settings = model, genre_loss, settings

    def forward(self, arrays: TrailerArrays, rows: Int64, target: Tensor, generator: torch.Generator) -> Tensor:
        """The loss; target has shape (n, g)."""
        pooled, present = pool_films(self.model, arrays, rows)
        present = drop_present(present, self.settings.modality_dropout, generator)
        logits = self.model.separate_logits(pooled, present)  # (m, n, g)
        loss = self.genre_loss(logits, target.expand_as(logits))
        if self.model.linear is not None:
            loss = loss + self.settings.ridge / len(logits) * self.model.linear.penalty()
        return loss


@dataclass(frozen=True, eq=False)
class Stepper:
    """Training steps of one process."""

    objective: nn.Module
    optimiser: torch.optim.Optimizer
    model: GenreModel
    averaged: AveragedModel
    generator: torch.Generator
    devices: Devices

    def step(self, arrays: TrailerArrays, batch: Int64, target: Tensor) -> Tensor:
        """Train on this process's shard; returns its mean loss times its fraction of the batch, a scalar."""
        rows = self.devices.shard(batch)
        fraction = len(rows) / len(batch) if len(batch) >= self.devices.count else 1 / self.devices.count
        loss: Tensor = self.objective(arrays, rows, target[rows], self.generator)
        self.optimiser.zero_grad()
        self.devices.backward(loss * (fraction * self.devices.count))  # the mean over processes is the batch's mean
        self.optimiser.step()
        self.averaged.update_parameters(self.model)
        return loss.detach() * fraction

    def epoch(self, arrays: TrailerArrays, target: Tensor, batches: Sequence[Int64]) -> float:
        """Train on all batches; returns the mean loss."""
        self.model.train()
        losses = torch.stack([self.step(arrays, batch, target) * len(batch) for batch in batches])
        return float(self.devices.total(losses.double().cpu().numpy()).sum()) / sum(map(len, batches))
