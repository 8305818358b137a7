"""One pass over the training films: batches, the loss as a module, steps of the optimiser and of the mean weights."""

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
_WARM_UP = 10  # steps; the first ones are forgotten quickly, or the untrained start would weigh on the mean


def averaged_weights(model: GenreModel, decay: float) -> AveragedModel:
    """A running mean of a network's weights that starts as the first step's.

    Args:
        model: Whose weights; the mean is `module` of what is returned.
        decay: Weight of the mean that is kept at each step; it warms up.
    """

    def take_in(kept: Sequence[Tensor], new: Sequence[Tensor], steps: Tensor | int) -> None:
        warm = min(decay, (1 + int(steps)) / (_WARM_UP + int(steps)))
        torch._foreach_lerp_(list(kept), list(new), 1 - warm)

    return AveragedModel(model, multi_avg_fn=take_in)


def choose_loss(name: str, counts: Tensor) -> GenreLoss:
    """Loss of logits (m, n, g) against targets (m, n, g); `counts` are the genres' films, shape (g,)."""
    if name == "balanced":
        weights = class_balance(counts)
        return lambda logits, target: class_balanced_bce(logits, target, weights)
    return F.binary_cross_entropy_with_logits


class Objective(nn.Module):
    """Mean loss of some films; a module, so that processes can share its gradients."""

    def __init__(self, model: GenreModel, genre_loss: GenreLoss, settings: TrainingPlan) -> None:
        super().__init__()
        self.model, self.genre_loss, self.settings = model, genre_loss, settings

    def forward(self, arrays: TrailerArrays, rows: Int64, target: Tensor, chance: torch.Generator) -> Tensor:
        """The loss; target has shape (n, g)."""
        pooled, present = pool_films(self.model, arrays, rows)
        present = drop_present(present, self.settings.modality_dropout, chance)
        logits = self.model.separate_logits(pooled, present)  # (m, n, g)
        loss = self.genre_loss(logits, target.expand_as(logits))
        if self.model.linear is not None:
            loss = loss + self.settings.ridge / len(logits) * self.model.linear.penalty()
        return loss


@dataclass(frozen=True, eq=False)
class Stepper:
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
