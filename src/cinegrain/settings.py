"""Settings of all stages with defaults, limits and help; and their earlier names."""

import logging
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, TypeVar

from cinegrain.errors import ConfigError

log = logging.getLogger(__name__)

Auto: TypeAlias = Literal["auto"]
AUTO: Auto = "auto"
Engine = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "int8"]
CUTS_BY_CHANGE, CUTS_BY_NETWORK = "change", "transnetv2"
FUSIONS = ("gating", "concat", "late", "linear")
LOSSES = ("bce", "balanced")
FINETUNING = ("mixture", "contrast")
CLUSTERERS = ("genres", "kmeans")

RENAMED: Mapping[str, str] = {
    "extract.inference": "extract.engine",
    "split.val": "split.val_fraction",
    "split.test": "split.test_fraction",
    "model.width": "model.hidden_dim",
    "model.members": "model.ensemble_size",
    "model.linear_share": "model.linear_weight",
    "train.batch": "train.batch_size",
    "train.averaging": "train.ema_decay",
    "train.mode_dropout": "train.modality_dropout",
    "finetune.prototypes": "finetune.n_subgenres",
    "finetune.batch": "finetune.batch_size",
    "discover.k": "discover.n_clusters",
    "discover.k_max": "discover.max_clusters",
}
"""New name by old name."""
FIXED: Mapping[str, Any] = {
    "media.clip_fps": 15.0,
    "media.clip_period_s": 4.0,
    "media.clip_limit": 4,
    "media.cut_ratio": 1.7,
    "media.cut_floor": 6.0,
    "media.cut_neighbours": 2,
    "media.cut_window_s": 0.25,
    "media.fade_black_level": 24,
    "media.silence_dbfs": -80.0,
    "train.min_epochs": 20,
    "train.ridge": AUTO,
    "finetune.rounds": 4,
    "finetune.weight_decay": 0.01,
    "finetune.projection": 128,
    "finetune.mode_dropout": 0.2,
    "finetune.noise": 0.1,
    "discover.k_min": 2,
    "discover.restarts": 10,
    "discover.stability_seeds": 10,
    "discover.stability_subsamples": 10,
    "assign.nowhere": 0.99,
    "assign.loose": 0.75,
}
"""Former settings that are constants now; keys of artifacts still contain them."""
_GONE: Mapping[str, Any] = {**FIXED, "model.pooling": "mean", "train.mixup": 0, "finetune.soft_temperature": 0.1}
_ONCE_AUTO: Mapping[str, float] = {
    **dict.fromkeys(("extract.workers", "model.width", "model.members", "train.batch", "train.learning_rate"), 0),
    **dict.fromkeys(("model.dropout", "model.linear_share", "train.weight_decay", "train.ridge"), -1),
    **dict.fromkeys(("finetune.prototypes", "discover.k", "discover.k_max"), 0),
}
"""Values that meant `auto` in earlier versions."""

_Number = TypeVar("_Number", int, float)
_ABOVE_0, _BELOW_1 = math.ulp(0.0), math.nextafter(1.0, 0.0)


def chosen(value: _Number | Auto, usual: _Number) -> _Number:
    """The value, or the default for `auto`."""
    return usual if isinstance(value, str) else value


def current(values: Mapping[str, Any], where: str = "", *, of_run: bool = False) -> dict[str, Any]:
    """Converts settings of this or an earlier version to the names of this version.

    Args:
        values: Settings by dotted key.
        where: For messages, for example " in FILE".
        of_run: Whether they belong to a finished run: then removed settings of training are ignored with a warning, but
            not those of `media`, since new films would be read differently.

    Raises:
        ConfigError: If a removed setting has another value than the present constant.
    """
    found = {}
    for key, given in values.items():
        value = AUTO if given == _ONCE_AUTO.get(key) else given
        if key not in _GONE:
            found[RENAMED.get(key, key)] = value
        elif str(value) != str(_GONE[key]) and value != _GONE[key]:
            gone = f"{key} = {given}{where} is no longer a setting; it is always {_GONE[key]}."
            if not of_run or key.startswith("media."):
                raise ConfigError(f"{gone} Remove it.")
            log.warning("%s Training and discovery will use that.", gone)
    return found


def current_section(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`current` for the settings of one section, by name."""
    found = current({f"{section}.{name}": value for name, value in values.items()})
    return {key.partition(".")[2]: value for key, value in found.items()}


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


def _check(section: str, settings: object, **limits: tuple[float, float]) -> None:
    """Checks types and limits, which are inclusive.

    Raises:
        ConfigError: For the first invalid setting.
    """
    types = {item.name: item.type for item in fields(settings)}  # type: ignore[arg-type]
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        whole = types[name] in (int, int | Auto)
        if value == AUTO and types[name] in (int | Auto, float | Auto):
            continue
        right_type = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not right_type or math.isnan(value) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            limit = "above 0" if low == _ABOVE_0 else f"of at least {low:g}"
            limit += "" if high == math.inf else " and below 1" if high == _BELOW_1 else f" and at most {high:g}"
            auto = " or auto" if types[name] in (int | Auto, float | Auto) else ""
            raise ConfigError(f"{section}.{name} must be {kind} {limit}{auto}; found {value!r}.")


def _check_choice(section: str, settings: object, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(settings, name)
    if value not in choices:
        raise ConfigError(f"{section}.{name} must be one of {', '.join(choices)}; found {value!r}.")


@dataclass(frozen=True)
class ExtractSettings:
    """Experts, and how they run."""

    experts: str = _setting("light", "Preset (light, paper, strong) or expert names, comma-separated.")
    workers: int | Auto = _setting(AUTO, "Number of processes; on Ray, tasks in flight. auto: one per CPU core.")
    ray: str = _setting(
        "", "Run on a Ray cluster: `auto` (the one this machine belongs to), HOST:PORT, or `local` to start one."
    )
    dataset: str = _setting(
        "", "Where to store the dataset if not in the run folder: s3://bucket/dataset, gs://... or az://..."
    )
    download_limit_gb: float = _setting(20.0, "Largest remote video to download, in GB.")
    engine: Engine = _setting("onnxruntime", "Inference engine: onnxruntime or openvino (an extra).")
    precision: Precision = _setting("fp32", "fp32, or int8 after `cinegrain experts quantise`.")

    def __post_init__(self) -> None:
        _check("extract", self, workers=(1, math.inf), download_limit_gb=(_ABOVE_0, 1e9))

    @property
    def download_limit_bytes(self) -> int:
        """Maximum size of a downloaded video."""
        return int(self.download_limit_gb * 1e9)

    @property
    def n_workers(self) -> int:
        """Number of processes, with `auto` resolved."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return chosen(self.workers, cores)


@dataclass(frozen=True)
class MediaSettings:
    """How a video is split into scenes and sampled."""

    frame_fps: float = _setting(1.0, "Colour frames sampled per second.")
    frame_size_px: int = _setting(256, "Short side of sampled frames, in pixels.")
    flow_fps: float = _setting(8.0, "Greyscale frames sampled per second, for motion.")
    min_scene_s: float = _setting(0.6, "Minimum length of a scene, in seconds.")
    max_scene_s: float = _setting(30.0, "Maximum length of a scene, in seconds; longer shots are split.")
    cut_detector: str = _setting(
        CUTS_BY_CHANGE,
        f"{CUTS_BY_CHANGE} (fast; hard cuts and fades through black) or {CUTS_BY_NETWORK} (a network, also finds "
        "dissolves; half a CPU second per second of film).",
    )
    audio_track: str = _setting(AUTO, "Audio track to use, counted from 1. auto: the main track that is not silent.")
    audio_language: str = _setting(AUTO, "Preferred language of the audio track, such as `de` or `fra`.")
    time_limit_s: float = _setting(1800.0, "Maximum time to decode one film, in seconds.")

    def __post_init__(self) -> None:
        _check_choice("media", self, "cut_detector", (CUTS_BY_CHANGE, CUTS_BY_NETWORK))
        _check("media", self, frame_fps=(0.01, 60), frame_size_px=(16, 2048), flow_fps=(0.1, 60))
        _check("media", self, min_scene_s=(0, 60), max_scene_s=(1, 600), time_limit_s=(0.001, 1e7))
        if self.audio_track != AUTO and not re.fullmatch("[1-9][0-9]{0,3}", self.audio_track):
            raise ConfigError(f"media.audio_track must be a number from 1 or {AUTO}; found {self.audio_track!r}.")
        if self.audio_language != AUTO and not _is_language(self.audio_language):
            raise ConfigError(
                f"media.audio_language must be a language code, such as de or fra, or {AUTO}; "
                f"found {self.audio_language!r}."
            )
        if self.min_scene_s > self.max_scene_s / 2:
            raise ConfigError(
                f"media.min_scene_s must be at most half of media.max_scene_s ({self.max_scene_s:g}); "
                f"found {self.min_scene_s:g}."
            )


def _is_language(code: str) -> bool:
    import langcodes  # takes 40 ms

    return langcodes.tag_is_valid(code)


@dataclass(frozen=True)
class SplitSettings:
    """Fractions of the films held out."""

    val_fraction: float = _setting(0.2, "Fraction of films for early stopping and thresholds.")
    test_fraction: float = _setting(0.2, "Fraction of films for the final evaluation.")

    def __post_init__(self) -> None:
        _check("split", self, val_fraction=(_ABOVE_0, 0.9), test_fraction=(_ABOVE_0, 0.9))
        if self.val_fraction + self.test_fraction >= 0.9:
            raise ConfigError(
                "split.val_fraction and split.test_fraction must together be below 0.9; "
                f"found {self.val_fraction} and {self.test_fraction}."
            )


@dataclass(frozen=True)
class ModelSettings:
    """Architecture of the genre model; `models.shape.for_films` resolves `auto`."""

    fusion: str = _setting("gating", f"How modalities are fused: {', '.join(FUSIONS)}.")
    hidden_dim: int | Auto = _setting(AUTO, "Hidden dimension, shared by all modalities. auto: by number of films.")
    ensemble_size: int | Auto = _setting(AUTO, "Number of networks trained and averaged. auto: by number of films.")
    dropout: float | Auto = _setting(AUTO, "Dropout probability of the inputs. auto: by number of films.")
    linear_weight: float | Auto = _setting(
        AUTO, "Weight of a linear classifier in the prediction; 0 disables it. auto: chosen on validation films."
    )

    def __post_init__(self) -> None:
        _check_choice("model", self, "fusion", FUSIONS)
        _check("model", self, hidden_dim=(1, math.inf), ensemble_size=(1, math.inf))
        _check("model", self, dropout=(0, 0.9), linear_weight=(0, _BELOW_1))


@dataclass(frozen=True)
class TrainSettings:
    """Training of the genre model; `training.plan.for_films` resolves `auto`."""

    epochs: int = _setting(200, "Maximum number of epochs.")
    patience: int = _setting(
        30, "Epochs without a better validation mAP before stopping; 0 trains all epochs and keeps the last."
    )
    batch_size: int | Auto = _setting(AUTO, "Films per batch. auto: by number of films.")
    learning_rate: float | Auto = _setting(AUTO, "Learning rate of AdamW. auto: by number of films.")
    weight_decay: float | Auto = _setting(AUTO, "Weight decay of AdamW. auto: by number of films.")
    loss: str = _setting("bce", f"Genre loss: {', '.join(LOSSES)} (up-weights rare genres).")
    ema_decay: float = _setting(0.99, "EMA decay of the weights; 0 disables it.")
    modality_dropout: float = _setting(0.1, "Probability of dropping a modality of a film in a training step.")

    def __post_init__(self) -> None:
        _check_choice("train", self, "loss", LOSSES)
        _check("train", self, epochs=(1, math.inf), patience=(0, math.inf), batch_size=(1, math.inf))
        _check("train", self, learning_rate=(_ABOVE_0, math.inf), weight_decay=(0, math.inf))
        _check("train", self, ema_decay=(0, _BELOW_1), modality_dropout=(0, _BELOW_1))


@dataclass(frozen=True)
class FinetuneSettings:
    """The embedding that sub-genres are found in."""

    method: str = _setting("mixture", "mixture (of components under genres; no network) or contrast (as in the paper).")
    n_subgenres: int | Auto = _setting(AUTO, "mixture: number of components. auto: four per genre.")
    epochs: int = _setting(40, "contrast: number of epochs.")
    batch_size: int = _setting(128, "contrast: films per batch; each is a negative of all others.")
    learning_rate: float = _setting(3e-4, "contrast: learning rate of AdamW.")
    temperature: float = _setting(0.5, "contrast: temperature of the loss.")
    genre_weight: float = _setting(1.0, "contrast: weight of the genre loss; 0 disables it.")

    def __post_init__(self) -> None:
        _check_choice("finetune", self, "method", FINETUNING)
        _check("finetune", self, n_subgenres=(1, math.inf), epochs=(1, math.inf), batch_size=(2, math.inf))
        _check("finetune", self, learning_rate=(_ABOVE_0, math.inf), temperature=(_ABOVE_0, math.inf))
        _check("finetune", self, genre_weight=(0, math.inf))


@dataclass(frozen=True)
class DiscoverSettings:
    """How sub-genres are found."""

    clusterer: str = _setting("genres", f"Clustering method: {' (clusters within each genre) or '.join(CLUSTERERS)}.")
    n_clusters: int | Auto = _setting(AUTO, "Number of sub-genres. auto: chosen by silhouette.")
    max_clusters: int | Auto = _setting(
        AUTO, "Maximum number of sub-genres to try. auto: four per genre, at most a third of the films."
    )
    text_columns: str = _setting(
        "plot,synopsis,overview,description,summary,tagline,keywords,tags",
        "Catalogue columns whose words may name sub-genres, comma-separated.",
    )
    nuisance_columns: str = _setting(
        "studio,studios,distributor,production_company,production_companies,company,network,country,language",
        "Catalogue columns that should not explain a sub-genre, comma-separated; tested besides year, length, aspect "
        "ratio, brightness and loudness.",
    )

    def __post_init__(self) -> None:
        _check_choice("discover", self, "clusterer", CLUSTERERS)
        _check("discover", self, n_clusters=(1, math.inf), max_clusters=(1, math.inf))


@dataclass(frozen=True)
class AssignSettings:
    """How new films are assigned to an atlas."""

    min_films: int = _setting(8, "Minimum number of new films that form a new sub-genre.")

    def __post_init__(self) -> None:
        _check("assign", self, min_films=(2, math.inf))
