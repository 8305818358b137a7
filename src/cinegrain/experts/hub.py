"""Networks as the Hugging Face hub publishes them: small JSON files that describe one, and safetensors.

Nothing here runs what a repository holds. It needs neither PyTorch nor transformers.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinegrain.errors import WeightsError
from cinegrain.experts.base import ExpertCard
from cinegrain.experts.weights import WeightFile, content_key, fetch

_MAX_JSON_BYTES = 1 << 20
_MAX_WORD = 200
# What shapes a network. Nothing else of a config.json reaches the library: other keys can name code and other files.
_SHAPE = (
    *("hidden_size", "intermediate_size", "projection_size", "num_hidden_layers", "num_attention_heads", "hidden_act"),
    *("layer_norm_eps", "image_size", "patch_size", "num_channels", "vocab_size", "max_position_embeddings"),
    *("tubelet_size", "num_frames", "num_mel_bins", "max_length", "frequency_stride", "time_stride"),
    *("qkv_bias", "use_mean_pooling", "vision_use_head"),
)


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


@contextmanager
def refusing(model: HubModel, path: Path) -> Iterator[None]:
    """Values of a JSON file that are missing or wrong become the error that it is not the published one."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise refused(model, path, error) from error


def network_values(config: Mapping[str, Any], card: ExpertCard) -> dict[str, Any]:
    """What shapes the network, out of a config.json.

    Raises:
        ValueError: If its vectors are not as long as the card says.
    """
    values = {name: config[name] for name in _SHAPE if name in config}
    width = values.get("hidden_size", card.dimension)
    if width != card.dimension:
        raise ValueError(f"it gives vectors of {width} numbers, but {card.name} promises {card.dimension}")
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
