"""One pass over the training films: batches, the loss as a module, steps of the optimiser and of the mean weights."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegrain.losses.asymmetric import asymmetric_loss
from cinegrain.losses.class_balanced import class_balance, class_balanced_bce
from cinegrain.models.genre_model import GenreModel
from cinegrain.training.augment import drop_present, mix_films
from cinegrain.training.data import TrailerArrays
from cinegrain.training.devices import Devices
from cinegrain.training.infer import pool_films
from cinegrain.training.settings import TrainSettings
from cinegrain.types import Int64

GenreLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
_SORTED_BATCHES = 16
_WARM_UP = 10  # steps; the first ones are forgotten quickly, or the untrained start would weigh on the mean


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


class RunningMean:
    """A running mean of a network's weights that starts as the first step's.

    torch's `AveragedModel` walks through all modules at every step, which takes as long as a twentieth of small steps.

    Attributes:
        model: Holds the mean.
    """

    def __init__(self, model: GenreModel, share: float) -> None:
        self.model, self._share, self._steps = deepcopy(model), share, 0
        self._kept: list[Tensor] = list(self.model.parameters())
        self._new: list[Tensor] = list(model.parameters())

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the network's weights as they are now."""
        share = min(self._share, (1 + self._steps) / (_WARM_UP + self._steps)) if self._steps else 0.0
        torch._foreach_lerp_(self._kept, self._new, 1 - share)
        self._steps += 1


def choose_loss(name: str, counts: Tensor) -> GenreLoss:
    """Loss of logits (m, n, g) against targets (m, n, g); `counts` are the genres' films, shape (g,)."""
    if name == "balanced":
        weights = class_balance(counts)
        return lambda logits, target: class_balanced_bce(logits, target, weights)
    return asymmetric_loss if name == "asymmetric" else F.binary_cross_entropy_with_logits


class Objective(nn.Module):
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
class Stepper:
    """Takes steps of training."""

    objective: nn.Module
    optimiser: torch.optim.Optimizer
    model: GenreModel
    averaged: RunningMean
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
        self.averaged.update()
        return loss.detach() * part

    def epoch(self, arrays: TrailerArrays, target: Tensor, batches: Sequence[Int64]) -> float:
        """One pass over films in batches; gives their mean loss."""
        self.model.train()
        losses = torch.stack([self.step(arrays, batch, target) * len(batch) for batch in batches])
        return float(self.devices.total(losses.double().cpu().numpy()).sum()) / sum(map(len, batches))
