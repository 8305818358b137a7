"""Architecture of the genre model by number of training films."""

from dataclasses import dataclass

from cinegrain.settings import ModelSettings, chosen


@dataclass(frozen=True, kw_only=True)
class ModelShape(ModelSettings):
    """Model settings with `auto` resolved."""

    hidden_dim: int
    ensemble_size: int
    dropout: float
    linear_weight: float


LINEAR_WEIGHT = 0.3
"""Weight of the linear classifier during training, and afterwards unless it is chosen on validation films."""


@dataclass(frozen=True)
class SizeDefaults:
    """Defaults for up to `films` training films."""

    films: float
    hidden_dim: int
    ensemble_size: int
    dropout: float
    weight_decay: float
    batch_size: int
    learning_rate: float


BY_FILMS = (
    SizeDefaults(300, 32, 4, 0.5, 0.1, 32, 1e-3),
    SizeDefaults(5_000, 64, 4, 0.5, 0.05, 32, 1e-3),
    SizeDefaults(50_000, 128, 2, 0.2, 0.05, 512, 6e-3),
    SizeDefaults(float("inf"), 256, 1, 0.1, 0.01, 1024, 6e-3),
)


def size_defaults(n_films: int) -> SizeDefaults:
    """The row of `BY_FILMS` for this number of training films."""
    return next(row for row in BY_FILMS if n_films <= row.films)


def for_films(settings: ModelSettings, n_films: int) -> ModelShape:
    """Resolve `auto` for this number of training films."""
    usual = size_defaults(n_films)
    return ModelShape(
        fusion=settings.fusion,
        hidden_dim=chosen(settings.hidden_dim, usual.hidden_dim),
        ensemble_size=chosen(settings.ensemble_size, usual.ensemble_size),
        dropout=chosen(settings.dropout, usual.dropout),
        linear_weight=chosen(settings.linear_weight, LINEAR_WEIGHT),
    )
