"""Training settings by number of training films."""

from dataclasses import dataclass

from cinegrain.models.shape import size_defaults
from cinegrain.settings import TrainSettings, chosen

RIDGE = 300.0
"""Ridge penalty of the linear classifier times the number of training films: 1 / C of a logistic regression."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan(TrainSettings):
    """Training settings with `auto` resolved."""

    batch_size: int
    learning_rate: float
    weight_decay: float
    ridge: float


def plan_for(settings: TrainSettings, n_films: int) -> TrainingPlan:
    """Resolve `auto` for this number of training films."""
    usual = size_defaults(n_films)
    resolved = {
        "batch_size": chosen(settings.batch_size, usual.batch_size),
        "learning_rate": chosen(settings.learning_rate, usual.learning_rate),
        "weight_decay": chosen(settings.weight_decay, usual.weight_decay),
    }
    return TrainingPlan(**{**vars(settings), **resolved}, ridge=RIDGE / n_films)
