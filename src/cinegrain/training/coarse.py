"""Training of the genre model."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cinegrain.metrics.multilabel import best_thresholds, macro_ap
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.shape import for_films
from cinegrain.settings import AUTO, TrainSettings
from cinegrain.training.arrays import TrailerArrays
from cinegrain.training.devices import ALONE, Devices
from cinegrain.training.infer import predict_genres
from cinegrain.training.linear_weight import choose_weight
from cinegrain.training.plan import TrainingPlan, plan_for
from cinegrain.training.split import Split
from cinegrain.training.step import Objective, Stepper, averaged_weights, choose_loss
from cinegrain.training.threads import threads_for
from cinegrain.types import Bool, Float64, Int64

_MIN_EPOCHS = 20  # with few films an early epoch can score well by chance


@dataclass(frozen=True)
class Epoch:
    """Mean training loss, validation loss and validation macro mAP (None without positives) of an epoch."""

    epoch: int
    train_loss: float
    val_loss: float
    val_map: float | None


@dataclass(frozen=True, eq=False)
class CoarseResult:
    """The best network, its thresholds from validation films, shape (g,), and its history."""

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
    """Train the genre model with early stopping on the validation macro mAP.

    Ensemble members and the linear classifier have a loss each. The moving average of the weights is validated and
    kept. The linear classifier's weight, if `auto`, is chosen on validation films. With a patience of 0 nothing is
    chosen on validation films.

    Args:
        arrays: Vectors of n films.
        labels: Genres, shape (n, g).
        split: Training and validation films.
        spec: Architecture; `auto` is resolved by the number of training films.
        settings: Training settings; the same.
        seed: Random seed; results are reproducible on one machine.
        on_epoch: Called with (done, total, message).
        devices: Processes of a distributed training; each passes the same arguments and gets the same result.
    """
    with threads_for(len(split.train)):
        plan = plan_for(settings, len(split.train))
        return _train(arrays, labels, split, spec, plan, seed, on_epoch, devices)


def _train(
    arrays: TrailerArrays,
    labels: Bool,
    split: Split,
    spec: ModelSpec,
    settings: TrainingPlan,
    seed: int,
    on_epoch: Callable[[int, int, str], None] | None,
    devices: Devices,
) -> CoarseResult:
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    model = GenreModel(replace(spec, settings=for_films(spec.settings, len(split.train))))
    model.set_statistics(arrays.statistics(split.train))
    model.set_prior(torch.from_numpy(labels[split.train].mean(axis=0)))
    averaged = averaged_weights(model, settings.ema_decay)
    ema = averaged.module
    assert isinstance(ema, GenreModel)
    optimiser: torch.optim.Optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    target = torch.from_numpy(labels.astype(np.float32))
    genre_loss = choose_loss(settings.loss, target[split.train].sum(dim=0))
    objective, optimiser = devices.prepare(Objective(model, genre_loss, settings), optimiser)
    stepper = Stepper(objective, optimiser, model, averaged, devices.seed(seed), devices)
    history: list[Epoch] = []
    best: tuple[tuple[float, float], int, dict[str, Tensor]] | None = None
    for number in range(settings.epochs):
        films = split.train[torch.randperm(len(split.train), generator=order).numpy()]
        batches = [films[start : start + settings.batch_size] for start in range(0, len(films), settings.batch_size)]
        loss = stepper.epoch(arrays, target, batches)
        epoch = _validate(ema, arrays, labels, split.val, number, loss, devices)
        history.append(epoch)
        if on_epoch:
            val_map = "n/a" if epoch.val_map is None else f"{epoch.val_map:.3f}"
            on_epoch(number + 1, settings.epochs, f"loss {epoch.train_loss:.3f}, validation mAP {val_map}")
        score = (-1.0 if epoch.val_map is None else epoch.val_map, -epoch.val_loss)
        eligible = number + 1 >= min(_MIN_EPOCHS, settings.epochs)
        if eligible and (best is None or score > best[0] or not settings.patience):
            best = (score, number, {k: v.clone() for k, v in ema.state_dict().items()})
        elif best is not None and number - best[1] >= settings.patience:
            break
    assert best is not None
    model.load_state_dict(best[2])
    model.eval()
    if model.linear is not None and spec.settings.linear_weight == AUTO and settings.patience:
        model.set_linear_weight(choose_weight(model, arrays, labels, split.val))
    probabilities = predict_genres(model, arrays, split.val)
    return CoarseResult(model, best_thresholds(labels[split.val], probabilities), tuple(history), best[1])


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
    mine = devices.shard(np.arange(len(films)))
    if len(films) >= devices.count or devices.is_main:
        probabilities[mine] = predict_genres(model, arrays, films[mine])
    probabilities = devices.total(probabilities)
    truth = labels[films]
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    loss = -np.where(truth, np.log(clipped), np.log1p(-clipped)).mean()
    score = macro_ap(truth, probabilities)
    return Epoch(number, train_loss, float(loss), None if np.isnan(score) else score)
