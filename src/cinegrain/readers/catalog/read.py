"""Reads a catalogue into one row per film."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.cells import cell_file, cell_text, cell_year, genre_names
from cinegrain.readers.catalog.columns import AS_FOUND, Reading, Role, find_columns, header_score, nearest
from cinegrain.readers.catalog.exports import Export, find_export
from cinegrain.readers.catalog.genre_names import GenreNames
from cinegrain.readers.catalog.notes import Notes
from cinegrain.readers.catalog.table import Record, Table, open_table
from cinegrain.readers.catalog.unpack import MAX_BYTES

_NO_EXPORT = Export("", {})


@dataclass(frozen=True)
class CatalogRow:
    """A film of the catalogue.

    Attributes:
        file: Cell of the file, several joined by `|`; "" without a file column.
        genres: Names, each once.
        trailer_id: Its id, else its file, else its title and year.
        title: Its title, else the stem of its file.
        year: 1870 to 2100, or None.
        text: All further columns.
    """

    file: str
    genres: tuple[str, ...]
    trailer_id: str
    title: str
    year: int | None
    text: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """Usable rows, and a note for each oddity."""

    rows: tuple[CatalogRow, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Film:
    """A film, to which further rows may add genres and missing values."""

    where: str
    file: str
    title: str
    year: int | None
    genres: dict[str, None]
    text: dict[str, str]
    n_rows: int = 1


def read_catalog(path: Path, *, columns: Mapping[str, str] | None = None, genre_map: Path | None = None) -> Catalog:
    """Reads a catalogue in any format of `open_table`.

    Columns are recognised by name, or given: a file or a title is required; genres, id and year are optional; others
    are text. Rows of one film are merged. Exports of IMDb, MovieLens, TMDB, Letterboxd and Wikidata are recognised.

    Args:
        path: The table.
        columns: Column by role (file, genres, trailer_id, title, year), if its name is not recognised.
        genre_map: Table with the columns from and to, to rename genres.

    Raises:
        ConfigError: If the file is missing, unreadable or not UTF-8, or has neither files nor titles.
    """
    return _read(path, Reading(columns or {}, genre_map), by_id=False)


def read_catalog_by_id(path: Path, reading: Reading = AS_FOUND) -> Catalog:
    """Reads a catalogue by id; it must have a column of ids and one of genres.

    Raises:
        ConfigError: As in `read_catalog`, or if a column is missing.
    """
    return _read(path, reading, by_id=True)


def _read(path: Path, reading: Reading, *, by_id: bool) -> Catalog:
    if not path.is_file():
        raise ConfigError(f"There is no catalogue at {path}. Give a table with the columns file and genres.")
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(f"{path} is larger than 2 GiB and so not a catalogue. Check the path.")
    notes, names = Notes(), GenreNames(reading)
    table = open_table(path, notes, score=lambda cells: header_score(cells, reading))
    export = find_export(table.columns) or _NO_EXPORT
    if export.name:
        notes.add(f"the catalogue is read as an export of {export.name}")
    roles = find_columns(table.columns, path, reading, notes, export.columns, by_id=by_id)
    if "file" in roles and roles.get("trailer_id") == (export.columns.get("trailer_id"),):
        del roles["trailer_id"]  # the file, if there is one, identifies a film
    _check(roles, table, path, notes, by_id=by_id)
    films = _films(table, roles, export, names, notes)
    read_as = names.settle(notes)
    rows = tuple(_row(trailer_id, films.pop(trailer_id), read_as) for trailer_id in list(films))
    return Catalog(rows, notes.sentences)


def _check(roles: Mapping[Role, tuple[str, ...]], table: Table, path: Path, notes: Notes, *, by_id: bool) -> None:
    has = ", ".join(table.columns)
    if by_id and not {"trailer_id", "genres"} <= set(roles):
        lacks = "column genres" if "trailer_id" in roles else "id column such as trailer_id, id, itemId or imdb_id"
        role = "genres" if "trailer_id" in roles else "trailer_id"
        raise ConfigError(f"The catalogue {path} has no {lacks}; it has: {has}. Give it with --columns {role}=NAME.")
    if not by_id and not {"file", "title"} & set(roles):
        raise ConfigError(
            f"The catalogue {path} has no column of files or titles; its first line has: {has[:300]}."
            f"{nearest('file', table.columns)} Give them with --columns file=NAME,genres=NAME."
        )
    if "genres" not in roles:
        notes.add(
            f"the catalogue has no column of genres; it has: {has[:300]}.{nearest('genres', table.columns)} "
            "Give it with --columns genres=NAME"
        )


def _films(
    table: Table, roles: Mapping[Role, tuple[str, ...]], export: Export, names: GenreNames, notes: Notes
) -> dict[str, _Film]:
    """Films by id, with the rows of each merged."""
    used = {name for found in roles.values() for name in found}
    further = [name for name in table.columns if name not in used]
    films: dict[str, _Film] = {}
    n_others = 0
    for record in table.records:
        if export.is_other(record.cells):
            n_others += 1
            continue
        found = _film(record, roles, export, further, names, notes)
        if found is None:
            continue
        trailer_id, film = found
        earlier = films.setdefault(trailer_id, film)
        if earlier is not film:
            _join(trailer_id, earlier, film, export, notes)
        elif "year" in roles and film.year is None and cell_text(record.cells.get(roles["year"][0])):
            said = cell_text(record.cells[roles["year"][0]])
            notes.add(f"catalogue {record.where}: {said[:40]!r} is not a year", "years that are none")
    if n_others:
        notes.add(f"{n_others:,} rows are episodes or games and are left out")
    n_joined = sum(film.n_rows > 1 for film in films.values())
    if n_joined:
        notes.add(f"films with several rows, which are merged: {n_joined:,}")
    return films


def _film(
    record: Record,
    roles: Mapping[Role, tuple[str, ...]],
    export: Export,
    further: list[str],
    names: GenreNames,
    notes: Notes,
) -> tuple[str, _Film] | None:
    def cell(role: Role) -> Any:
        return record.cells.get(roles[role][0]) if role in roles else None

    file = cell_file(cell("file"))
    title, year_of_title = export.title(cell_text(cell("title")))
    year = cell_year(cell("year")) or cell_year(year_of_title)
    missing = ("file" in roles and not file and "a file") or (
        not (file or title or "trailer_id" in roles) and "a title"
    )
    if missing:
        notes.add(
            f"catalogue {record.where} names no {missing[2:]} and is left out", f"lines that name no {missing[2:]}"
        )
        return None
    trailer_id = export.ident(cell_text(cell("trailer_id"))) or file or (f"{title} ({year})" if year else title)
    if not trailer_id:
        notes.add(f"catalogue {record.where} has no id and is left out", "lines without an id")
        return None
    genres: dict[str, None] = {}
    for column in roles.get("genres", ()):
        value = record.cells.get(column)
        found = genre_names(value, names.is_known)
        _note_slash(value, found, record.where, notes)
        genres.update(dict.fromkeys(map(intern, found)))
    names.add(genres, record.where)
    text = {name: cell_text(record.cells[name]) for name in further if name in record.cells}
    return trailer_id, _Film(record.where, file, title, year, genres, text)


def _note_slash(value: Any, genres: tuple[str, ...], where: str, notes: Notes) -> None:
    if isinstance(value, str) and "/" in value and len(genres) > 1 and not any("/" in genre for genre in genres):
        notes.add(
            f"catalogue {where}: {value.strip()[:60]!r} is read as {' and '.join(genres)}", "cells split at a slash"
        )


def _join(trailer_id: str, earlier: _Film, film: _Film, export: Export, notes: Notes) -> None:
    """Merges a further row of a film, unless its title, year or file shows that it is another film."""
    unlike = [
        name
        for name, one, other in (
            ("file", earlier.file, film.file),
            ("title", earlier.title, film.title),
            ("year", earlier.year, None if export.earliest else film.year),
        )
        if one and other and one != other
    ]
    adds = not set(film.genres) <= set(earlier.genres)
    if unlike or not adds:
        why = f" with another {' and '.join(unlike)}" if unlike else ""
        notes.add(
            f"catalogue {film.where} repeats {trailer_id!r} of {earlier.where}{why} and is left out",
            "lines that repeat a film",
        )
    if unlike:
        return
    other = [name for name, value in film.text.items() if value and earlier.text.get(name) not in (None, "", value)]
    if other and adds and not export.earliest:
        notes.add(
            f"catalogue {film.where}: {', '.join(other[:3])} of {trailer_id!r} differs from {earlier.where}",
            "rows whose text differs from an earlier row of the film",
        )
    earlier.n_rows += adds
    earlier.genres.update(film.genres)
    earlier.file, earlier.title = earlier.file or film.file, earlier.title or film.title
    years = [year for year in (earlier.year, film.year) if year is not None]
    earlier.year = min(years) if years else None
    earlier.text.update((name, value) for name, value in film.text.items() if not earlier.text.get(name))


def _row(trailer_id: str, film: _Film, read_as: Mapping[str, tuple[str, ...]]) -> CatalogRow:
    genres = dict.fromkeys(genre for name in film.genres for genre in read_as[name])
    title = film.title or (Path(film.file.partition("|")[0]).stem if film.file else trailer_id)
    return CatalogRow(film.file, tuple(genres), trailer_id, title, film.year, film.text)
