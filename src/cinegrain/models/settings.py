"""Settings of the network, and what `auto` becomes for a number of films. No heavy imports."""

from dataclasses import dataclass, field

from cinegrain.auto import AUTO, Auto, check_least, chosen
from cinegrain.errors import ConfigError

FUSIONS = ("gating", "concat", "late", "linear")


@dataclass(frozen=True)
class ModelSettings:
    """Shape of the network; `for_films` chooses what is `auto`."""

    fusion: str = field(default="gating", metadata={"help": "How modes are joined: " + ", ".join(FUSIONS) + "."})
    width: int | Auto = field(
        default=AUTO, metadata={"help": "Shared width of all modes in a network; auto: by number of films."}
    )
    members: int | Auto = field(
        default=AUTO, metadata={"help": "Networks trained side by side and averaged; auto: by number of films."}
    )
    dropout: float | Auto = field(
        default=AUTO, metadata={"help": "Share of input values dropped in training; auto: by number of films."}
    )
    linear_share: float | Auto = field(
        default=AUTO,
        metadata={"help": "Share of a linear classifier in the answer; 0 is none; auto: chosen on validation films."},
    )

    def __post_init__(self) -> None:
        if self.fusion not in FUSIONS:
            raise ConfigError(f"model.fusion must be one of {', '.join(FUSIONS)}; found {self.fusion!r}.")
        check_least("model", self, width=1, members=1, dropout=0, linear_share=0)
        if chosen(self.dropout, 0.0) > 0.9 or chosen(self.linear_share, 0.0) >= 1:
            raise ConfigError(
                "model.dropout must be at most 0.9 and model.linear_share below 1; "
                f"found {self.dropout} and {self.linear_share}."
            )


@dataclass(frozen=True, kw_only=True)
class ModelShape(ModelSettings):
    """The same with nothing left to choose."""

    width: int
    members: int
    dropout: float
    linear_share: float


LINEAR_SHARE = 0.3
"""The linear classifier's, while training and where no validation films choose it."""


@dataclass(frozen=True)
class SizeDefaults:
    """What suits up to `films` training films."""

    films: float
    width: int
    members: int
    dropout: float
    weight_decay: float
    batch: int
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
    """The settings with everything that was `auto` chosen for this number of training films."""
    usual = size_defaults(n_films)
    return ModelShape(
        fusion=settings.fusion,
        width=chosen(settings.width, usual.width),
        members=chosen(settings.members, usual.members),
        dropout=chosen(settings.dropout, usual.dropout),
        linear_share=chosen(settings.linear_share, LINEAR_SHARE),
    )
