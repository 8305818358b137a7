"""Settings of splits and training. No heavy imports: the command line reads them for its help."""

from dataclasses import dataclass, field, replace

from cinegrain.errors import ConfigError
from cinegrain.models.settings import size_defaults

RIDGE = 300.0
"""Ridge penalty of the linear classifier times the number of training films: 1 / C of a logistic regression."""
LOSSES = ("bce", "asymmetric", "balanced")
FINETUNING = ("mixture", "contrast", "weighted", "maskcon", "prototypes")


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
    batch: int = field(default=0, metadata={"help": "Films in one step; 0 is by number of films and kind of network."})
    learning_rate: float = field(default=0.0, metadata={"help": "Step size of AdamW; 0 suits the usual batch."})
    weight_decay: float = field(
        default=-1.0, metadata={"help": "Weight decay of AdamW; below 0 is by number of films."}
    )
    ridge: float = field(
        default=-1.0,
        metadata={"help": "Ridge penalty of the linear classifier; below 0 is by number of films."},
    )
    loss: str = field(default="bce", metadata={"help": "Genre loss: " + ", ".join(LOSSES) + "."})
    averaging: float = field(
        default=0.99, metadata={"help": "Share of the running mean of weights kept at each step; 0 is no averaging."}
    )
    mixup: float = field(
        default=0.0, metadata={"help": "Films are mixed with others up to half of this share; 0 is not at all."}
    )
    mode_dropout: float = field(default=0.1, metadata={"help": "Chance that a film loses a mode in one step."})

    def __post_init__(self) -> None:
        if min(self.epochs, self.min_epochs) < 1 or min(self.patience, self.batch, self.learning_rate) < 0:
            raise ConfigError(
                "train.epochs and .min_epochs must be above 0, .batch, .learning_rate and .patience at least 0."
            )
        if not (0 <= self.mode_dropout < 1 and 0 <= self.averaging < 1 and 0 <= self.mixup <= 1):
            raise ConfigError("train.mode_dropout and .averaging must be within 0..1, below 1; .mixup within 0..1.")
        if self.loss not in LOSSES:
            raise ConfigError(f"train.loss must be one of {', '.join(LOSSES)}; found {self.loss!r}.")

    def for_films(self, n_films: int, *, scenes: bool = False) -> "TrainSettings":
        """These settings with what was left open filled in.

        Args:
            n_films: Number of training films.
            scenes: Whether the network looks at every scene.
        """
        usual = size_defaults(n_films)
        usual = usual.for_scenes() if scenes else usual
        return replace(
            self,
            batch=self.batch or usual.batch,
            learning_rate=self.learning_rate or usual.learning_rate,
            weight_decay=self.weight_decay if self.weight_decay >= 0 else usual.weight_decay,
            ridge=self.ridge if self.ridge >= 0 else RIDGE / n_films,
        )


@dataclass(frozen=True)
class FinetuneSettings:
    """How trailers get the embedding in which sub-genres are looked for."""

    method: str = field(
        default="mixture",
        metadata={
            "help": "mixture: components under genres, no network; contrast: as in the paper; weighted: trailers "
            "attract each other as far as their genres agree; maskcon: the same, and as far as they are alike "
            "already; "
            "prototypes: fine classes under genres, by self-distillation."
        },
    )
    prototypes: int = field(
        default=0, metadata={"help": "Sub-genres that mixture and prototypes train for; 0 is four a genre."}
    )
    rounds: int = field(default=4, metadata={"help": "How often mixture finds components and turns the space to them."})
    epochs: int = field(default=40, metadata={"help": "Passes over all films; not of mixture."})
    batch: int = field(default=128, metadata={"help": "Films in one step; each is a negative of all others."})
    learning_rate: float = field(default=3e-4, metadata={"help": "Step size of AdamW."})
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    temperature: float = field(default=0.5, metadata={"help": "Temperature of the contrast."})
    soft_temperature: float = field(
        default=0.1, metadata={"help": "Of maskcon's soft targets: small trusts the nearest."}
    )
    genre_weight: float = field(default=1.0, metadata={"help": "Weight of the genre loss kept beside it; 0 is none."})
    projection: int = field(default=128, metadata={"help": "Length of the projection, dropped afterwards."})
    mode_dropout: float = field(default=0.2, metadata={"help": "Chance that a view loses a mode."})
    noise: float = field(default=0.1, metadata={"help": "Noise on a view's values, in standard deviations."})

    def __post_init__(self) -> None:
        if self.method not in FINETUNING:
            raise ConfigError(f"finetune.method must be one of {', '.join(FINETUNING)}; found {self.method!r}.")
        if min(self.epochs, self.projection, self.rounds) < 1 or self.batch < 2 or self.learning_rate <= 0:
            raise ConfigError(
                "finetune.epochs, .rounds, .projection and .learning_rate must be above 0, .batch at least 2."
            )
        if min(self.temperature, self.soft_temperature) <= 0:
            raise ConfigError("finetune.temperature and .soft_temperature must be above 0.")
        if min(self.genre_weight, self.noise, self.weight_decay, self.prototypes) < 0:
            raise ConfigError("finetune.genre_weight, .noise, .weight_decay and .prototypes must be at least 0.")
        if not 0 <= self.mode_dropout < 1:
            raise ConfigError("finetune.mode_dropout must be within 0..1.")
