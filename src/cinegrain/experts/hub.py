"""Networks as the Hugging Face hub publishes them: small JSON files that describe one, and safetensors.

Nothing here runs what a repository holds: JSON is parsed and checked value by value, and values that are not known here
go no further. It needs neither PyTorch nor transformers.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinegrain.errors import WeightsError
from cinegrain.experts.weights import WeightFile, content_key, fetch

_MAX_JSON_BYTES = 1 << 20
_MAX_WORD = 200
_ACTIVATIONS = ("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu")
_SWITCHES = ("qkv_bias", "use_mean_pooling", "vision_use_head")
# Values that shape a network, and what is still a network and not an attempt to fill the memory.
_RANGES: Mapping[str, tuple[int, int]] = {
    "hidden_size": (1, 4096),
    "intermediate_size": (1, 16384),
    "projection_size": (1, 4096),
    "num_hidden_layers": (1, 64),
    "num_attention_heads": (1, 64),
    "image_size": (16, 512),
    "patch_size": (8, 64),
    "num_channels": (3, 3),
    "vocab_size": (1, 1_000_000),
    "max_position_embeddings": (1, 512),
    "tubelet_size": (1, 16),
    "num_frames": (1, 64),
    "num_mel_bins": (16, 256),
    "max_length": (16, 4096),
    "frequency_stride": (1, 64),
    "time_stride": (1, 64),
}


@dataclass(frozen=True)
class HubModel:
    """A published network.

    Attributes:
        repository: OWNER/REPO.
        model_type: What its config.json must call itself.
        weights: model.safetensors.
        config: config.json.
        preprocessor: preprocessor_config.json.
        tokenizer: tokenizer.json of networks that read text.
    """

    repository: str
    model_type: str
    weights: WeightFile
    config: WeightFile
    preprocessor: WeightFile
    tokenizer: WeightFile | None = None

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """All of them, small ones first."""
        text = () if self.tokenizer is None else (self.tokenizer,)
        return self.config, self.preprocessor, *text, self.weights


@dataclass(frozen=True)
class HubFiles:
    """A network's files on this machine, its two JSON files parsed; `key` tells all of their content."""

    model: HubModel
    weights: Path
    config_path: Path
    config: Mapping[str, Any]
    preprocessor_path: Path
    preprocessor: Mapping[str, Any]
    tokenizer: Path | None
    key: str


def fetch_model(model: HubModel, cache: Path, *, recipe: str = "") -> HubFiles:
    """All files of a network, fetched where needed.

    Args:
        model: Which.
        cache: The cache folder.
        recipe: Whatever else a graph depends on; goes into the key.

    Raises:
        WeightsError: If a file cannot be had, or a JSON file is damaged or of another kind of network.
    """
    paths = {file: fetch(file, cache) for file in model.files}
    config = read_json(paths[model.config])
    found = config.get("model_type")
    if found != model.model_type:
        raise refused(model, paths[model.config], f"its model_type is {found!r}, not {model.model_type!r}")
    keys = [content_key(path, cache) for path in paths.values()]
    return HubFiles(
        model=model,
        weights=paths[model.weights],
        config_path=paths[model.config],
        config=config,
        preprocessor_path=paths[model.preprocessor],
        preprocessor=read_json(paths[model.preprocessor]),
        tokenizer=paths[model.tokenizer] if model.tokenizer else None,
        key=hashlib.sha256("\n".join([*keys, recipe]).encode()).hexdigest()[:12],
    )


def refused(model: HubModel, path: Path, reason: object) -> WeightsError:
    """The error that a file is not what it should be."""
    return WeightsError(
        f"{path} is not the expected file of {model.repository}: {reason}. "
        f"Put the published file there, or delete it and fetch it again."
    )


def read_json(path: Path) -> Mapping[str, Any]:
    """A small JSON file that holds an object.

    Raises:
        WeightsError: If it holds anything else.
    """
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ValueError(f"larger than {_MAX_JSON_BYTES} bytes")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}. Put the published file there.") from error
    if not isinstance(document, dict):
        raise WeightsError(f"{path} should hold a JSON object, but holds something else. Put the published file there.")
    return document


def network_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """What shapes the network, out of a config.json; everything else stays behind.

    Raises:
        ValueError: If a value is out of range.
    """
    values: dict[str, Any] = {
        name: whole_number(config, name, low, high) for name, (low, high) in _RANGES.items() if name in config
    }
    if "layer_norm_eps" in config:
        values["layer_norm_eps"] = number(config, "layer_norm_eps", 0.0, 0.1)
    if "hidden_act" in config:
        if config["hidden_act"] not in _ACTIVATIONS:
            raise ValueError(f"hidden_act should be one of {', '.join(_ACTIVATIONS)}, not {config['hidden_act']!r}")
        values["hidden_act"] = config["hidden_act"]
    for name in _SWITCHES:
        if name in config:
            if not isinstance(config[name], bool):
                raise ValueError(f"{name} should be true or false, not {config[name]!r}")
            values[name] = config[name]
    return values


def words_of(files: HubFiles) -> tuple[str, ...]:
    """The words of a classifier, `id2label` of its config.json.

    Raises:
        WeightsError: If they are missing or not numbered from 0.
    """
    labels = files.config.get("id2label")
    if isinstance(labels, dict) and len(labels) > 1 and set(labels) == {str(i) for i in range(len(labels))}:
        words = tuple(labels[str(i)] for i in range(len(labels)))
        if all(isinstance(word, str) and 0 < len(word) <= _MAX_WORD for word in words):
            return words
    raise refused(files.model, files.config_path, "id2label should name every output, numbered from 0")


def whole_number(values: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """A checked value.

    Raises:
        ValueError: If it is no whole number from `low` to `high`.
    """
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} should be a whole number from {low} to {high}, not {value!r}")
    return value


def number(values: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """A checked value.

    Raises:
        ValueError: If it is no number from `low` to `high`.
    """
    value = values.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} should be a number, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} should be from {low:g} to {high:g}, not {value!r}")
    return float(value)
