"""Settings of all stages: defaults, a run's TOML file, a user's TOML file and flags, in this order."""

import dataclasses
import difflib
import logging
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cinegrain.errors import ConfigError
from cinegrain.runs.artifacts import RUN_FILE, write_text
from cinegrain.runs.layout import SETTINGS_FILE
from cinegrain.settings import (
    FIXED,
    RENAMED,
    AssignSettings,
    DiscoverSettings,
    ExtractSettings,
    FinetuneSettings,
    MediaSettings,
    ModelSettings,
    SplitSettings,
    TrainSettings,
    current,
)
from cinegrain.types import JsonObject

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """All settings of a run."""

    seed: int = field(default=0, metadata={"help": "Random seed."})
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
    """One setting: name such as `train.epochs`, type (a union if it may be `auto`), default and help."""

    key: str
    kind: Any
    default: Any
    help: str


def all_settings() -> Iterator[SettingInfo]:
    """Every setting in order of definition."""
    for outer in fields(Settings):
        if not dataclasses.is_dataclass(outer.type):
            yield SettingInfo(outer.name, outer.type, outer.default, outer.metadata["help"])
            continue
        for inner in fields(outer.type):
            yield SettingInfo(f"{outer.name}.{inner.name}", inner.type, inner.default, inner.metadata["help"])


def load_settings(*files: Path, flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from TOML files and flags; later ones override earlier ones, missing ones keep their defaults.

    Args:
        files: TOML files, also of earlier versions; they must exist.
        flags: Values by dotted key, for example {"train.epochs": 50}.

    Raises:
        ConfigError: If a file is unreadable, a key unknown or removed, or a value invalid.
    """
    from pydantic import TypeAdapter, ValidationError  # slow to import, and not needed for --help

    merged: dict[str, Any] = {}
    for file in files:
        by_run = file.with_name(RUN_FILE).is_file()  # may be written by an earlier version
        merged |= _current(dict(_flatten(_read_toml(file))), f" in {file}", of_run=by_run)
    merged |= _current(flags or {})
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


def keyed(settings: Settings, section: str) -> JsonObject:
    """A section for keys of artifacts: with original names and removed settings, so that old keys stay valid."""
    first = {new: old for old, new in RENAMED.items()}
    values = {f"{section}.{name}": value for name, value in to_plain(getattr(settings, section)).items()}
    found = {**FIXED, **{first.get(key, key): value for key, value in values.items()}}
    return {key.partition(".")[2]: value for key, value in found.items() if key.startswith(f"{section}.")}


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


def _current(values: Mapping[str, Any], where: str = "", *, of_run: bool = False) -> dict[str, Any]:
    """Values by current keys; old names are accepted, with a hint except in a run's own file."""
    known = [info.key for info in all_settings()]
    found = current(values, where, of_run=of_run)
    for key in (key for key in found if key not in known):
        near = difflib.get_close_matches(key, known, 1) or [k for k in known if k.endswith(key.rpartition(".")[2])]
        meant = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"Unknown setting {key!r}{where}.{meant} `cinegrain settings` lists them all.")
    for key in RENAMED.keys() & values.keys() if not of_run else ():
        log.warning("%s is now %s.", key, RENAMED[key])
    return found
