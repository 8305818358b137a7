"""Trains the coarse genre network."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F

from cinegrain.metrics.multilabel import best_thresholds, macro_ap
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.training.augment import drop_modes
from cinegrain.training.data import TrailerArrays
from cinegrain.training.infer import encode_all, genre_probabilities
from cinegrain.training.settings import TrainSettings
from cinegrain.training.split import Split
from cinegrain.types import Bool, Float64, Int64

log = logging.getLogger(__name__)


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
    """Binary cross-entropy over genres, stopped early on the validation films' macro mAP.

    Args:
        arrays: Vectors of n films.
        labels: Genres, shape (n, g).
        split: Which films train, which stop the training.
        spec: Shape of the network.
        settings: How to train.
        seed: Same seed, same machine, same numbers.
        on_epoch: Called with (done, total, a line to show).
    """
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    model = GenreModel(spec)
    model.set_statistics(arrays.statistics(split.train))
    model.set_prior(torch.from_numpy(labels[split.train].mean(axis=0)))
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    target = torch.from_numpy(labels.astype(np.float32))
    history: list[Epoch] = []
    best: tuple[tuple[float, float], int, dict[str, torch.Tensor]] | None = None
    for number in range(settings.epochs):
        loss = _train_epoch(model, arrays, target, split.train, settings, optimiser, chance)
        epoch = _validate(model, arrays, labels, split.val, number, loss)
        history.append(epoch)
        if on_epoch:
            shown = "n/a" if epoch.val_map is None else f"{epoch.val_map:.3f}"
            on_epoch(number + 1, settings.epochs, f"loss {epoch.train_loss:.3f}, validation mAP {shown}")
        score = (-1.0 if epoch.val_map is None else epoch.val_map, -epoch.val_loss)
        # The first passes only leave chance behind; on few films one of them can score well by luck.
        ripe = number + 1 >= min(settings.min_epochs, settings.epochs)
        if ripe and (best is None or score > best[0]):
            best = (score, number, {k: v.clone() for k, v in model.state_dict().items()})
        elif best is not None and number - best[1] >= settings.patience:
            break
    assert best is not None
    model.load_state_dict(best[2])
    model.eval()
    probabilities = genre_probabilities(model, encode_all(model, arrays, split.val))
    return CoarseResult(model, best_thresholds(labels[split.val], probabilities), tuple(history), best[1])


def _train_epoch(
    model: GenreModel,
    arrays: TrailerArrays,
    target: torch.Tensor,
    films: Int64,
    settings: TrainSettings,
    optimiser: torch.optim.Optimizer,
    chance: torch.Generator,
) -> float:
    model.train()
    order = films[torch.randperm(len(films), generator=chance).numpy()]
    total = 0.0
    for start in range(0, len(order), settings.batch):
        rows = order[start : start + settings.batch]
        batch = drop_modes(arrays.batch(rows), settings.mode_dropout, chance)
        loss = F.binary_cross_entropy_with_logits(model(batch), target[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach()) * len(rows)
    return total / len(order)


def _validate(
    model: GenreModel, arrays: TrailerArrays, labels: Bool, films: Int64, number: int, train_loss: float
) -> Epoch:
    probabilities = genre_probabilities(model, encode_all(model, arrays, films))
    truth = labels[films]
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    loss = -np.where(truth, np.log(clipped), np.log1p(-clipped)).mean()
    score = macro_ap(truth, probabilities)
    return Epoch(number, train_loss, float(loss), None if np.isnan(score) else score)


def history_rows(history: tuple[Epoch, ...]) -> list[dict[str, object]]:
    """The history as plain rows."""
    return [asdict(epoch) for epoch in history]
