"""Models on disk: weights in `model.safetensors`, the card in `model.json`."""

from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from cinegrain.errors import ConfigError, StoreError
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.models.shape import ModelShape
from cinegrain.runs.artifacts import read_json, write_bytes, write_json
from cinegrain.settings import current_section
from cinegrain.types import JsonObject

WEIGHTS_FILE, CARD_FILE = "model.safetensors", "model.json"


def save_model(folder: Path, model: GenreModel, extra: JsonObject) -> None:
    """Write the weights, then the card: a folder with a card is complete.

    Args:
        folder: Output folder.
        model: The network.
        extra: Further entries of the card (thresholds, history, the stage's key).
    """
    (folder / CARD_FILE).unlink(missing_ok=True)
    write_bytes(folder / WEIGHTS_FILE, save({k: v.contiguous() for k, v in model.state_dict().items()}))
    write_json(folder / CARD_FILE, {"spec": asdict(model.spec), **extra})


def load_model(folder: Path) -> tuple[GenreModel, JsonObject]:
    """Load a network in evaluation mode and its card.

    Raises:
        StoreError: If the model is missing or damaged.
    """
    card = read_json(folder / CARD_FILE)
    try:
        spec = card["spec"]
        model = GenreModel(
            ModelSpec(
                spec["dimensions"],
                spec["modalities"],
                tuple(spec["genres"]),
                ModelShape(**current_section("model", spec["settings"])),
            )
        )
        model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (ConfigError, KeyError, TypeError, RuntimeError, OSError, SafetensorError) as error:
        raise StoreError(f"The model in {folder} is damaged: {error}. Delete that folder and train again.") from error
    return model.eval(), card
