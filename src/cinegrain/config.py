"""All stage settings joined: from defaults, a run's TOML file, a user's TOML file and flags, in this order."""

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cinegrain.auto import AUTO
from cinegrain.discovery.settings import AssignSettings, DiscoverSettings
from cinegrain.errors import ConfigError
from cinegrain.experts.runtime import Engine, Precision, Runtime
from cinegrain.media.settings import MediaSettings
from cinegrain.models.settings import ModelSettings
from cinegrain.runs.artifacts import write_text
from cinegrain.runs.layout import SETTINGS_FILE
from cinegrain.training.settings import FinetuneSettings, SplitSettings, TrainSettings
from cinegrain.types import JsonObject

_ONCE_AUTO: Mapping[str, float] = {
    **dict.fromkeys(("model.width", "model.members", "train.batch", "train.learning_rate"), 0),
    **dict.fromkeys(("model.dropout", "model.linear_share", "train.weight_decay", "train.ridge"), -1),
    **dict.fromkeys(("finetune.prototypes", "discover.k", "discover.k_max"), 0),
}
"""What files of earlier versions say for `auto`."""
_GONE: Mapping[str, object] = {"model.pooling": "mean", "train.mixup": 0, "finetune.soft_temperature": 0.1}
"""Settings of earlier versions, with the one value that this version still has."""


@dataclass(frozen=True)
class ExtractSettings:
    """Which experts look at the films, and with how many processes."""

    experts: str = field(default="light", metadata={"help": "A preset, or expert names joined by commas."})
    workers: int = field(default=0, metadata={"help": "Processes; 0 is one for each processor core."})
    ray: str = field(
        default="",
        metadata={
            "help": "Work on a Ray cluster instead: `auto` for the one this machine is part of, its HOST:PORT, "
            "or `local` for one of its own; workers is then the most tasks in flight."
        },
    )
    dataset: str = field(
        default="",
        metadata={
            "help": "Where the dataset goes if not into the run folder: s3://bucket/dataset, gs://... or az://..."
        },
    )
    download_limit_gb: float = field(
        default=20.0, metadata={"help": "A film on an object store or the web that is larger is refused."}
    )
    inference: Engine = field(
        default="onnxruntime",
        metadata={"help": "What runs the networks: onnxruntime, or openvino (an extra), quicker on clips."},
    )
    precision: Precision = field(
        default="fp32", metadata={"help": "fp32, or int8 after `cinegrain experts quantise`: quicker, nearly the same."}
    )

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ConfigError(f"extract.workers must be at least 0; found {self.workers}.")
        if not 0 < self.download_limit_gb < float("inf"):
            raise ConfigError(f"extract.download_limit_gb must be above 0; found {self.download_limit_gb}.")

    @property
    def download_limit_bytes(self) -> int:
        """The largest film that is brought here."""
        return int(self.download_limit_gb * 1e9)

    def runtime(self, threads: int = 1) -> Runtime:
        """How to run the experts.

        Raises:
            ConfigError: If OpenVINO is asked for and not installed.
        """
        return Runtime(threads=threads, engine=self.inference, precision=self.precision)

    @property
    def n_workers(self) -> int:
        """The number of processes meant."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.workers or cores


@dataclass(frozen=True)
class Settings:
    """Everything a run can be told."""

    seed: int = field(default=0, metadata={"help": "Start of all chance: same seed, same numbers."})
    extract: ExtractSettings = field(default_factory=ExtractSettings)
    media: MediaSettings = field(default_factory=MediaSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    discover: DiscoverSettings = field(default_factory=DiscoverSettings)
    assign: AssignSettings = field(default_factory=AssignSettings)


@dataclass(frozen=True)
class SettingInfo:
    """One setting: `train.epochs`, its type (a union for one that may be `auto`), default and help."""

    key: str
    kind: Any
    default: Any
    help: str


def all_settings() -> Iterator[SettingInfo]:
    """Every setting in the order of its definition."""
    for outer in fields(Settings):
        if not dataclasses.is_dataclass(outer.type):
            yield SettingInfo(outer.name, outer.type, outer.default, outer.metadata["help"])
            continue
        for inner in fields(outer.type):
            yield SettingInfo(f"{outer.name}.{inner.name}", inner.type, inner.default, inner.metadata["help"])


def load_settings(*files: Path, flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from TOML files and flags; what comes later wins, what is missing keeps its default.

    Args:
        files: TOML files, also of earlier versions; ones that do not exist are an error.
        flags: Values by dotted key, for example {"train.epochs": 50}.

    Raises:
        ConfigError: For an unreadable file, an unknown key (naming the nearest known one) or a bad value.
    """
    from pydantic import TypeAdapter, ValidationError  # slow to import, and not needed for --help

    merged: dict[str, Any] = {}
    for file in files:
        for key, value in _flatten(_read_toml(file)):
            if key in _GONE and value == _GONE[key]:
                continue
            merged[_known(key, f" in {file}")] = AUTO if value == _ONCE_AUTO.get(key) else value
    for key, value in (flags or {}).items():
        merged[_known(key)] = value
    nested: dict[str, Any] = {}
    for key, value in merged.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    try:
        return TypeAdapter(Settings).validate_python(nested)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][:2])
        auto = " or 'auto'" if len(first["loc"]) > 2 else ""
        raise ConfigError(f"Setting {where}: {first['msg']}{auto}; found {first['input']!r}.") from error


def save_settings(settings: Settings, folder: Path) -> None:
    """Writes the resolved settings into a run folder."""
    write_text(folder / SETTINGS_FILE, to_toml(settings))


def to_toml(settings: Settings) -> str:
    """Every setting as TOML."""
    import tomli_w

    return tomli_w.dumps(to_plain(settings))


def to_plain(part: Any) -> JsonObject:
    """A settings dataclass as plain data."""
    return dataclasses.asdict(part)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"Cannot read the settings file {file}: {error}.") from error


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _known(key: str, where: str = "") -> str:
    known = [info.key for info in all_settings()]
    if key in known:
        return key
    near = difflib.get_close_matches(key, known, 1) or [k for k in known if k.endswith(f".{key.rpartition('.')[2]}")]
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ConfigError(f"Unknown setting {key!r}{where}.{hint} `cinegrain settings` lists them all.")
