"""Settings of splits and training. No heavy imports: the command line reads them for its help."""

from dataclasses import dataclass, field

from cinegrain.auto import AUTO, Auto, check_least, chosen
from cinegrain.errors import ConfigError
from cinegrain.models.settings import size_defaults

RIDGE = 300.0
"""Ridge penalty of the linear classifier times the number of training films: 1 / C of a logistic regression."""
LOSSES = ("bce", "balanced")
FINETUNING = ("mixture", "contrast")


@dataclass(frozen=True)
class SplitSettings:
    """Shares of the films held back."""

    val: float = field(default=0.2, metadata={"help": "Share of films for early stopping and thresholds."})
    test: float = field(default=0.2, metadata={"help": "Share of films that only the final figures see."})

    def __post_init__(self) -> None:
        if not (0 < self.val < 1 and 0 < self.test < 1 and self.val + self.test < 0.9):
            raise ConfigError(
                f"split.val and split.test must be above 0 and together under 0.9; found {self.val} and {self.test}."
            )


@dataclass(frozen=True)
class TrainSettings:
    """How the coarse network is trained."""

    epochs: int = field(default=200, metadata={"help": "Most passes over the training films."})
    min_epochs: int = field(default=20, metadata={"help": "Passes before the best one is looked for."})
    patience: int = field(
        default=30,
        metadata={
            "help": "Stop after so many epochs without a better validation mAP; 0 trains all epochs, keeps the last."
        },
    )
    batch: int | Auto = field(default=AUTO, metadata={"help": "Films in one step; auto: by number of films."})
    learning_rate: float | Auto = field(
        default=AUTO, metadata={"help": "Step size of AdamW; auto: what suits the usual batch."}
    )
    weight_decay: float | Auto = field(
        default=AUTO, metadata={"help": "Weight decay of AdamW; auto: by number of films."}
    )
    ridge: float | Auto = field(
        default=AUTO, metadata={"help": "Ridge penalty of the linear classifier; auto: by number of films."}
    )
    loss: str = field(
        default="bce", metadata={"help": "Genre loss: " + ", ".join(LOSSES) + "; `balanced` weighs rare genres more."}
    )
    averaging: float = field(
        default=0.99, metadata={"help": "Share of the running mean of weights kept at each step; 0 is no averaging."}
    )
    mode_dropout: float = field(default=0.1, metadata={"help": "Chance that a film loses a mode in one step."})

    def __post_init__(self) -> None:
        check_least("train", self, epochs=1, min_epochs=1, patience=0, batch=1, weight_decay=0, ridge=0)
        if chosen(self.learning_rate, 1.0) <= 0:
            raise ConfigError(f"train.learning_rate must be above 0; found {self.learning_rate}.")
        if not (0 <= self.mode_dropout < 1 and 0 <= self.averaging < 1):
            raise ConfigError("train.mode_dropout and .averaging must be within 0..1, below 1.")
        if self.loss not in LOSSES:
            raise ConfigError(f"train.loss must be one of {', '.join(LOSSES)}; found {self.loss!r}.")

    def for_films(self, n_films: int) -> "TrainingPlan":
        """These settings with what was `auto` chosen for this number of training films."""
        usual = size_defaults(n_films)
        open_ = {
            "batch": chosen(self.batch, usual.batch),
            "learning_rate": chosen(self.learning_rate, usual.learning_rate),
            "weight_decay": chosen(self.weight_decay, usual.weight_decay),
            "ridge": chosen(self.ridge, RIDGE / n_films),
        }
        return TrainingPlan(**{**vars(self), **open_})


@dataclass(frozen=True, kw_only=True)
class TrainingPlan(TrainSettings):
    """The same with nothing left to choose."""

    batch: int
    learning_rate: float
    weight_decay: float
    ridge: float


@dataclass(frozen=True)
class FinetuneSettings:
    """How trailers get the embedding in which sub-genres are looked for."""

    method: str = field(
        default="mixture",
        metadata={"help": "mixture: components under genres, no network; contrast: as in the paper."},
    )
    prototypes: int | Auto = field(
        default=AUTO, metadata={"help": "Sub-genres that mixture looks for; auto: four a genre."}
    )
    rounds: int = field(default=4, metadata={"help": "How often mixture finds components and turns the space to them."})
    epochs: int = field(default=40, metadata={"help": "Passes over all films; not of mixture."})
    batch: int = field(default=128, metadata={"help": "Films in one step; each is a negative of all others."})
    learning_rate: float = field(default=3e-4, metadata={"help": "Step size of AdamW."})
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    temperature: float = field(default=0.5, metadata={"help": "Temperature of the contrast."})
    genre_weight: float = field(default=1.0, metadata={"help": "Weight of the genre loss kept beside it; 0 is none."})
    projection: int = field(default=128, metadata={"help": "Length of the projection, dropped afterwards."})
    mode_dropout: float = field(default=0.2, metadata={"help": "Chance that a view loses a mode."})
    noise: float = field(default=0.1, metadata={"help": "Noise on a view's values, in standard deviations."})

    def __post_init__(self) -> None:
        if self.method not in FINETUNING:
            raise ConfigError(f"finetune.method must be one of {', '.join(FINETUNING)}; found {self.method!r}.")
        check_least("finetune", self, prototypes=1, rounds=1, epochs=1, projection=1, batch=2)
        check_least("finetune", self, genre_weight=0, noise=0, weight_decay=0)
        if min(self.temperature, self.learning_rate) <= 0:
            raise ConfigError("finetune.temperature and .learning_rate must be above 0.")
        if not 0 <= self.mode_dropout < 1:
            raise ConfigError("finetune.mode_dropout must be within 0..1.")
