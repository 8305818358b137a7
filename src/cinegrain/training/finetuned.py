"""What every way of fine-tuning gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cinegrain.errors import DataError
from cinegrain.models.genre_model import GenreModel
from cinegrain.types import JsonObject

OnEpoch: TypeAlias = Callable[[int, int, str], None]
COMPONENTS_A_GENRE = 4


class NothingToContrastError(DataError):
    """Fewer than two films have two scenes, so no two views can be told apart."""


@dataclass(frozen=True)
class FinetuneEpoch:
    """One pass and its figures by name: losses in nats, or the share of films that `moved` to another component."""

    epoch: int
    figures: Mapping[str, float]

    def to_json(self) -> JsonObject:
        """As one flat row."""
        return {"epoch": self.epoch, **self.figures}


@dataclass(frozen=True, eq=False)
class Finetuned:
    """What fine-tuning gives.

    Attributes:
        model: The network.
        history: One entry a pass.
    """

    model: GenreModel
    history: tuple[FinetuneEpoch, ...]
