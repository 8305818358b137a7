"""What can be simulated."""

from dataclasses import dataclass, field

from cinegrain.errors import ConfigError
from cinegrain.types import MODALITIES, Modality

PAPER_DIMENSIONS: dict[Modality, int] = {"audio": 128, "location": 2048, "motion": 512, "image": 2048}
MIN_DIMENSION, MAX_GENRES = 8, 20


@dataclass(frozen=True)
class Strengths:
    """How far things lie apart in the hidden space.

    Attributes:
        genre: Length of a genre's mean in a mode that shows it well.
        sub_genre: Half the distance between the two variants of a sub-genre's mode.
        studio: Length of what all trailers of a studio share.
        trailer: Standard deviation, in each hidden direction, of what all scenes of one trailer share.
        scene: The same between the scenes of a trailer.
    """

    genre: float
    sub_genre: float
    studio: float
    trailer: float
    scene: float


DIFFICULTIES: dict[str, Strengths] = {
    "easy": Strengths(genre=1.0, sub_genre=1.0, studio=0.3, trailer=0.35, scene=0.6),
    "medium": Strengths(genre=1.0, sub_genre=1.1, studio=0.6, trailer=0.5, scene=0.9),
    "hard": Strengths(genre=1.0, sub_genre=1.0, studio=0.9, trailer=0.7, scene=1.2),
    "none": Strengths(genre=1.0, sub_genre=0.0, studio=0.6, trailer=0.5, scene=0.9),
}


@dataclass(frozen=True)
class SimulateSettings:
    """A simulated corpus; the same settings and seed give the same vectors, whatever the number of trailers."""

    trailers: int = field(default=8800, metadata={"help": "How many trailers."})
    genres: int = field(default=MAX_GENRES, metadata={"help": "How many genres, the most frequent ones first."})
    difficulty: str = field(
        default="medium", metadata={"help": "easy, medium, hard, or none: genres without any sub-genre."}
    )
    label_noise: float = field(
        default=0.0,
        metadata={"help": "Chance that a genre is missing from the catalogue, and that a wrong one is added."},
    )
    missing: float = field(default=0.03, metadata={"help": "Chance that a trailer lacks a mode."})
    studios: int = field(default=40, metadata={"help": "Studios, each with its own look and sound."})
    pooled: bool = field(default=False, metadata={"help": "One scene a trailer: the mean of its scenes."})
    scale_dimensions: float = field(
        default=1.0,
        metadata={"help": "Share of the paper's dimensions (128, 2048, 512, 2048), each at least 8."},
    )
    seed: int = field(default=0, metadata={"help": "Random seed."})

    def __post_init__(self) -> None:
        if self.trailers < 1 or self.studios < 1 or not 0 <= self.seed < 2**63:
            raise ConfigError("A simulation needs at least one trailer, one studio, and a seed of at least 0.")
        if not 2 <= self.genres <= MAX_GENRES:
            raise ConfigError(f"--genres must be within 2..{MAX_GENRES}; found {self.genres}.")
        if self.difficulty not in DIFFICULTIES:
            raise ConfigError(f"--difficulty is one of {', '.join(DIFFICULTIES)}; found {self.difficulty!r}.")
        if not (0 <= self.label_noise < 1 and 0 <= self.missing < 1):
            raise ConfigError(
                f"--label-noise and --missing must be within 0..1, below 1; found {self.label_noise}, {self.missing}."
            )
        if not 0 < self.scale_dimensions <= 1:
            raise ConfigError(f"--scale-dimensions must be above 0 and at most 1; found {self.scale_dimensions}.")

    @property
    def strengths(self) -> Strengths:
        """What the difficulty stands for."""
        return DIFFICULTIES[self.difficulty]

    @property
    def dimensions(self) -> dict[Modality, int]:
        """Vector length by mode."""
        return {mode: max(MIN_DIMENSION, round(PAPER_DIMENSIONS[mode] * self.scale_dimensions)) for mode in MODALITIES}
