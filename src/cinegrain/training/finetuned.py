"""Result of fine-tuning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cinegrain.errors import DataError
from cinegrain.models.genre_model import GenreModel
from cinegrain.types import JsonObject

OnEpoch: TypeAlias = Callable[[int, int, str], None]
COMPONENTS_PER_GENRE = 4


class NothingToContrastError(DataError):
    """Fewer than two films have the two scenes that two views need."""


@dataclass(frozen=True)
class FinetuneEpoch:
    """Figures of an epoch: losses in nats, or `moved`, the fraction of films that changed their component."""

    epoch: int
    figures: Mapping[str, float]

    def to_dict(self) -> JsonObject:
        """As one flat row."""
        return {"epoch": self.epoch, **self.figures}


@dataclass(frozen=True, eq=False)
class Finetuned:
    """The fine-tuned network and its history, one entry per epoch."""

    model: GenreModel
    history: tuple[FinetuneEpoch, ...]
