"""Reads and writes an atlas as CSV and JSON, for editing elsewhere."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cinegrain.atlas.cards import main_genre
from cinegrain.atlas.run_atlas import RunAtlas
from cinegrain.errors import ConfigError
from cinegrain.runs.artifacts import csv_rows, write_csv, write_json

FORMAT = 1
MAX_BYTES = 64 << 20
COLUMNS = ("trailer_id", "title", "genres", "subgenre_id", "subgenre", "version")


@dataclass(frozen=True)
class SheetGroup:
    """A sub-genre in a file; an empty id stands for a new one."""

    id: str
    name: str
    genres: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    exemplars: tuple[str, ...] = ()
    locked: bool = False


@dataclass(frozen=True)
class Sheet:
    """Content of a file.

    Attributes:
        version: Version of the exported atlas, if the file has it.
        groups: By key: the id, or the name of a new one.
        place: Key of each film's group, "" for films that fit nowhere.
        titles: Titles of films, if the file has them.
        genres: Genres of films, if the file has them.
    """

    version: int | None
    groups: Mapping[str, SheetGroup]
    place: Mapping[str, str]
    titles: Mapping[str, str] = field(default_factory=dict)
    genres: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def sheet_of(atlas: RunAtlas) -> Sheet:
    """The current atlas as a sheet."""
    groups, place = {}, dict.fromkeys(atlas.edited.unplaced, "")
    for card in atlas.cards:
        main = main_genre(card.parents).split(" & ")
        genres = tuple(parent.genre for parent in card.parents if parent.genre in main)
        groups[card.id] = SheetGroup(
            card.id, card.name, genres, card.keywords, card.former, card.exemplars, card.locked
        )
        place |= dict.fromkeys(card.members, card.id)
    titles = {row.trailer_id: row.title for row in atlas.rows}
    given = {row.trailer_id: row.catalog_genres for row in atlas.rows}
    return Sheet(atlas.version, groups, place, titles, given)


def write_table_file(path: Path, sheet: Sheet) -> None:
    """Writes CSV with one row per film.

    Raises:
        StoreError: If it cannot be written.
    """
    write_csv(
        path,
        COLUMNS,
        (
            {
                "trailer_id": trailer,
                "title": sheet.titles.get(trailer, ""),
                "genres": "|".join(sheet.genres.get(trailer, ())),
                "subgenre_id": key,
                "subgenre": sheet.groups[key].name if key else "",
                "version": sheet.version,
            }
            for trailer, key in sheet.place.items()
        ),
    )


def write_json_file(path: Path, sheet: Sheet) -> None:
    """Writes JSON with the sub-genres and their films.

    Raises:
        StoreError: If it cannot be written.
    """
    films: dict[str, list[str]] = {}
    for trailer, key in sheet.place.items():
        films.setdefault(key, []).append(trailer)
    groups = [{**vars(group), "members": films.get(key, [])} for key, group in sheet.groups.items()]
    write_json(
        path,
        {"cinegrain_atlas": FORMAT, "version": sheet.version, "subgenres": groups, "unplaced": films.get("", [])},
    )


def read_bounded(path: Path) -> str:
    """Reads a text file of limited size.

    Raises:
        ConfigError: If it is missing, too large, or not UTF-8.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"{path} is larger than {MAX_BYTES >> 20} MiB and so not an exported atlas. Check the path."
            )
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8, in Excel as 'CSV UTF-8'."
        ) from error
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror or error}.") from error


def read_table_file(path: Path) -> Sheet:
    """Reads an edited CSV.

    A film belongs to the sub-genre of the id or, if that is empty, of the name: one in the file, or a new one.

    Raises:
        ConfigError: If it is not such a table, or contradicts itself.
    """
    text = read_bounded(path)
    try:
        rows = [{name.strip(): cell.strip() for name, cell in row.items()} for row in csv_rows(text)]
    except csv.Error as error:
        raise ConfigError(f"{path} is not a readable CSV: {error}.") from error
    missing = {"trailer_id", "subgenre_id", "subgenre"} - set(rows[0] if rows else ())
    if missing:
        raise ConfigError(f"{path} has no column {sorted(missing)[0]}. Edit a file from `cinegrain atlas export`.")
    groups: dict[str, SheetGroup] = {}
    called: dict[str, tuple[str, int]] = {}
    place: dict[str, str] = {}
    versions = {row.get("version", "") for row in rows} - {""}
    for line, row in enumerate(rows, start=2):
        trailer, key, name = row["trailer_id"], row["subgenre_id"], row["subgenre"]
        if trailer in place or not trailer:
            raise ConfigError(f"{path}, line {line}: {f'{trailer!r} occurs twice' if trailer else 'no trailer_id'}.")
        if key and called.setdefault(key, (name, line))[0] != name:
            raise ConfigError(
                f"{path}: {key} is “{called[key][0]}” in line {called[key][1]} and “{name}” in line {line}. To rename "
                "it, change all its lines; to move a film, change the id, or empty it and give the name alone."
            )
        place[trailer] = key or (name and f"={name}")
    names = {name: key for key, (name, _) in called.items()}
    place = {trailer: names.get(key[1:], key) if key.startswith("=") else key for trailer, key in place.items()}
    for key in dict.fromkeys(place.values()):
        if key:
            new = key.startswith("=")
            groups[key] = SheetGroup("" if new else key, key[1:] if new else called[key][0])
    return Sheet(_version(versions.pop() if len(versions) == 1 else None, path), groups, place)


def read_json_file(path: Path) -> Sheet:
    """Reads an edited JSON export.

    Raises:
        ConfigError: If it is not one.
    """
    try:
        found = json.loads(read_bounded(path))
        if found["cinegrain_atlas"] != FORMAT:
            raise ConfigError(f"{path} is of format {found['cinegrain_atlas']!r}; this version reads {FORMAT}.")
        groups, place = {}, dict.fromkeys(map(_text, found["unplaced"]), "")
        for item in found["subgenres"]:
            key = _text(item.get("id", "")) or f"={_text(item['name'])}"
            groups[key] = SheetGroup(_text(item.get("id", "")), _text(item["name"]), locked=item.get("locked") is True)
            for trailer in map(_text, item["members"]):
                if trailer in place:
                    raise ConfigError(f"{path}: the film {trailer!r} occurs twice.")
                place[trailer] = key
        return Sheet(_version(found.get("version"), path), groups, place)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"{path} is not an exported atlas: {error!r}. Edit a file from `cinegrain atlas export`."
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r}")
    return value


def _version(value: Any, path: Path) -> int | None:
    if value is None:
        return None
    if not str(value).isascii() or not str(value).isdigit():
        raise ConfigError(f"{path}: the version must be a number, as exported; found {value!r}.")
    return int(value)
