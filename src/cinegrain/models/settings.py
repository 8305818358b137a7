"""Settings of the network, and what they become where they are left to the number of films. No heavy imports."""

from dataclasses import dataclass, field, replace

from cinegrain.errors import ConfigError

FUSIONS = ("gating", "units", "concat", "late", "linear", "transformer")
POOLINGS = ("mean", "attention", "netvlad")


@dataclass(frozen=True)
class ModelSettings:
    """Shape of the network. What is 0 (or a dropout below 0) is chosen by `for_films`."""

    fusion: str = field(
        default="gating",
        metadata={"help": "How modes are joined: " + ", ".join(FUSIONS) + "; `units` gates each mode on its own."},
    )
    pooling: str = field(default="mean", metadata={"help": "From scenes to a film: " + ", ".join(POOLINGS) + "."})
    width: int = field(default=0, metadata={"help": "Shared width of all modes in a network; 0 is by number of films."})
    members: int = field(
        default=0, metadata={"help": "Networks trained side by side and averaged; 0 is by number of films."}
    )
    dropout: float = field(
        default=-1.0, metadata={"help": "Share of input values dropped in training; below 0 is by number of films."}
    )
    linear_share: float = field(
        default=-1.0,
        metadata={"help": "Share of a linear classifier in the answer; 0 is none, below 0 is chosen on validation."},
    )

    def __post_init__(self) -> None:
        if self.fusion not in FUSIONS:
            raise ConfigError(f"model.fusion must be one of {', '.join(FUSIONS)}; found {self.fusion!r}.")
        if self.pooling not in POOLINGS:
            raise ConfigError(f"model.pooling must be one of {', '.join(POOLINGS)}; found {self.pooling!r}.")
        if self.fusion == "transformer" and self.pooling != "mean":
            raise ConfigError("model.fusion transformer reads the scenes itself; leave model.pooling at mean.")
        if self.fusion == "transformer" and self.linear_share > 0:
            raise ConfigError("model.fusion transformer reads the scenes itself; leave out model.linear_share.")
        if self.width < 0 or self.members < 0 or self.dropout > 0.9 or self.linear_share >= 1:
            raise ConfigError(
                "model.width and model.members must be at least 0, model.dropout at most 0.9 and model.linear_share "
                f"below 1; found {self.width}, {self.members}, {self.dropout}, {self.linear_share}."
            )

    @property
    def reads_scenes(self) -> bool:
        """Whether the network looks at every scene, not only at their mean."""
        return self.pooling != "mean" or self.fusion == "transformer"


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

    def for_scenes(self) -> "SizeDefaults":
        """What suits networks that look at every scene: steps that do not fill the memory."""
        return replace(self, batch=min(self.batch, 128), learning_rate=min(self.learning_rate, 2e-3))


BY_FILMS = (
    SizeDefaults(300, 32, 4, 0.5, 0.1, 32, 1e-3),
    SizeDefaults(5_000, 64, 4, 0.5, 0.05, 32, 1e-3),
    SizeDefaults(50_000, 128, 2, 0.2, 0.05, 512, 6e-3),
    SizeDefaults(float("inf"), 256, 1, 0.1, 0.01, 1024, 6e-3),
)


def size_defaults(n_films: int) -> SizeDefaults:
    """The row of `BY_FILMS` for this number of training films."""
    return next(row for row in BY_FILMS if n_films <= row.films)


def for_films(settings: ModelSettings, n_films: int) -> ModelSettings:
    """The settings with everything that was left open filled in for this number of training films."""
    chosen = size_defaults(n_films)
    share = 0.0 if settings.fusion == "transformer" else LINEAR_SHARE
    return replace(
        settings,
        linear_share=settings.linear_share if settings.linear_share >= 0 else share,
        width=settings.width or chosen.width,
        members=settings.members or chosen.members,
        dropout=settings.dropout if settings.dropout >= 0 else chosen.dropout,
    )
