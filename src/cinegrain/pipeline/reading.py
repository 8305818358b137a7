"""How to read the catalogue; stored in the run, so that the same command without these options does the same."""

from collections.abc import Mapping
from pathlib import Path

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.columns import Reading, check_roles
from cinegrain.readers.catalog.genre_names import read_genre_map
from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.runs.layout import Run

_COLUMNS, _GENRE_MAP = "catalog-columns.json", "genre-map.json"


def make_reading(columns: Mapping[str, str], genre_map: Path | None) -> Reading:
    """Checks the options.

    Raises:
        ConfigError: If a role is unknown, or there is no file at `genre_map`.
    """
    check_roles(columns)
    if genre_map is not None and not genre_map.is_file():
        raise ConfigError(f"There is no file at {genre_map} (--genre-map). Give a table with the columns from and to.")
    return Reading(columns, genre_map)


def or_kept(reading: Reading, out: Path) -> Reading:
    """The given options, or else those stored in the run at `out`, if there is one.

    Raises:
        StoreError: If the stored options cannot be read.
    """
    columns, genre_map = out / _COLUMNS, out / _GENRE_MAP
    return Reading(
        reading.columns or (read_json(columns) if columns.is_file() else {}),
        reading.genre_map or (genre_map if genre_map.is_file() else None),
    )


def keep_reading(reading: Reading, run: Run) -> None:
    """Stores the options, with the content of the genre map.

    Raises:
        ConfigError: If the map cannot be read.
        StoreError: If the run cannot be written.
    """
    if reading.columns:
        write_json(run.folder / _COLUMNS, dict(reading.columns))
    if reading.genre_map is not None:
        found = read_genre_map(reading.genre_map)
        entries = [{"from": found.spelled[key], "to": "|".join(names)} for key, names in found.entries.items()]
        write_json(run.folder / _GENRE_MAP, entries)
