"""Models on disk: `model.safetensors` and a readable `model.json`; nothing in them can run code."""

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
    """Writes the weights, then the card; a folder with a card is whole.

    Args:
        folder: Where to.
        model: The network.
        extra: Plain data to keep beside it (thresholds, history, the stage's key).
    """
    (folder / CARD_FILE).unlink(missing_ok=True)
    write_bytes(folder / WEIGHTS_FILE, save({k: v.contiguous() for k, v in model.state_dict().items()}))
    write_json(folder / CARD_FILE, {"spec": asdict(model.spec), **extra})


def load_model(folder: Path) -> tuple[GenreModel, JsonObject]:
    """The network in evaluation mode, and the plain data kept beside it.

    Raises:
        StoreError: If the folder holds no whole model.
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
