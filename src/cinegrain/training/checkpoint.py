"""Models on disk: weights in `model.safetensors`, the card in `model.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from cinegrain.errors import ConfigError, StoreError
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.shape import ModelShape
from cinegrain.results import from_json
from cinegrain.runs.artifacts import read_json, write_bytes, write_json
from cinegrain.runs.provenance import Provenance
from cinegrain.settings import current_section
from cinegrain.training.calibrate import StoredCalibration
from cinegrain.training.coarse import Epoch

WEIGHTS_FILE, CARD_FILE = "model.safetensors", "model.json"


@dataclass(frozen=True, kw_only=True)
class CoarseCard:
    """Card of a genre model.

    Attributes:
        key: Hash of everything that the model depends on.
        calibration: None in runs of the first version.
        thresholds: Decision threshold of each genre, for calibrated probabilities.
        best_epoch: The epoch that was kept.
        history: Figures of every epoch.
        split: Trailer ids of `train`, `val` and `test`.
        provenance: Seed and versions.
    """

    key: str
    calibration: StoredCalibration | None = None
    thresholds: tuple[float, ...] = ()
    best_epoch: int = 0
    history: tuple[Epoch, ...] = ()
    split: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provenance: Provenance


@dataclass(frozen=True, kw_only=True)
class FinetunedCard:
    """Card of a fine-tuned model; `coarse_key` is that of the genre model it was made from."""

    key: str
    coarse_key: str
    method: str = ""
    history: tuple[Mapping[str, float | None], ...] = ()
    provenance: Provenance


Card = TypeVar("Card", CoarseCard, FinetunedCard)


def save_model(folder: Path, model: GenreModel, card: CoarseCard | FinetunedCard) -> None:
    """Write the weights, then the card: a folder with a card is complete."""
    (folder / CARD_FILE).unlink(missing_ok=True)
    write_bytes(folder / WEIGHTS_FILE, save({k: v.contiguous() for k, v in model.state_dict().items()}))
    write_json(folder / CARD_FILE, {"spec": asdict(model.spec), **asdict(card)})


def load_model(folder: Path, kind: type[Card]) -> tuple[GenreModel, Card]:
    """Load a network in evaluation mode and its card.

    Args:
        folder: Where `save_model` wrote it.
        kind: Type of the card.

    Raises:
        StoreError: If the model is missing or damaged.
    """
    content = read_json(folder / CARD_FILE)
    try:
        card, spec = from_json(kind, content), content["spec"]
        model = GenreModel(
            ModelSpec(
                spec["dimensions"],
                spec["modalities"],
                tuple(spec["genres"]),
                ModelShape(**current_section("model", spec["settings"])),
            )
        )
        model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (ConfigError, KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise StoreError(f"The model in {folder} is damaged: {error}. Delete that folder and train again.") from error
    return model.eval(), card
