"""Brings a folder of videos and a catalogue together."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

from cinegrain.artifacts import read_json, write_json
from cinegrain.errors import ConfigError, DataError
from cinegrain.media.files import find_videos, text_path
from cinegrain.media.remote import find_remote_videos, source, source_name, source_text
from cinegrain.places import is_address
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.readers.catalog.read import CatalogRow, read_catalog
from cinegrain.types import JsonObject, Source, Trailer, Url

_FILM = {field.name for field in fields(Trailer)}
_source = lru_cache(maxsize=1024)(source)


@dataclass(frozen=True)
class Matched:
    """Films that have both a row and a file, and a sentence for everything that did not fit."""

    trailers: tuple[Trailer, ...]
    notes: tuple[str, ...]


def match_catalog(videos: Source, catalog: Path, reading: Reading = AS_FOUND) -> Matched:
    """Finds the file of each row.

    A row's `file` is looked up relative to the folder, then by its bare name anywhere below it. An address is taken
    as it is: whether something is there shows when it is read.

    Args:
        videos: The folder, or the address of one.
        catalog: The catalogue.
        reading: What the user says about its columns and genres.

    Raises:
        ConfigError: If the folder or the catalogue cannot be read.
        DataError: If the folder holds no videos, or no row has a file.
    """
    if isinstance(videos, Path) and not videos.is_dir():
        raise ConfigError(f"There is no folder at {videos}. Give the folder that holds the videos.")
    read = read_catalog(catalog, columns=reading.columns, genre_map=reading.genre_map)
    files: Sequence[Source] = find_videos(videos) if isinstance(videos, Path) else find_remote_videos(videos)
    if not files and not any(is_address(row.file) for row in read.rows):
        raise DataError(f"{videos} holds no videos (looked for .mp4, .mkv, .webm, .mov, .mpg and others).")
    by_name: dict[str, list[Source]] = {}
    for path in files:
        by_name.setdefault(source_name(path), []).append(path)
    notes = list(read.notes)
    trailers: list[Trailer] = []
    used: set[Source] = set()
    for row in read.rows:
        found = _find(row, videos, by_name)
        if found is None or found in used:
            why = "has no file in the folder" if found is None else "names a file that another row has taken"
            notes.append(f"catalogue row {row.file!r} {why} and is left out")
            continue
        used.add(found)
        if not row.genres:
            notes.append(f"catalogue row {row.file!r} has no genre: it takes no part in genre training")
        found = found.resolve() if isinstance(found, Path) else found
        trailers.append(Trailer(row.trailer_id, found, row.title, row.genres, row.year, row.text))
    notes += [
        f"file {_below(path, videos)!r} has no catalogue row and is left out" for path in files if path not in used
    ]
    if not trailers:
        raise DataError(
            f"No row of {catalog} names a file below {videos}. For example row {read.rows[0].file!r} "
            f"against file {source_name(files[0])!r}."
            if read.rows
            else f"No row of {catalog} names a file."
        )
    return Matched(tuple(sorted(trailers, key=lambda t: t.trailer_id)), tuple(notes))


def _find(row: CatalogRow, videos: Source, by_name: Mapping[str, Sequence[Source]]) -> Source | None:
    if is_address(row.file):
        return source(row.file)
    if isinstance(videos, Path):
        direct: Source = Path(os.path.normpath(videos / text_path(row.file)))
    else:
        direct = Url(f"{videos.rstrip('/')}/{row.file}")
    candidates = by_name.get(source_name(direct), [])
    if direct in candidates:
        return direct
    if len(candidates) == 1:
        return candidates[0]
    elsewhere = Path(row.file).is_absolute() and isinstance(direct, Path) and direct.is_file()
    return direct if elsewhere else None


def _below(path: Source, videos: Source) -> str:
    if isinstance(path, Path) and isinstance(videos, Path):
        return str(path.relative_to(videos))
    return str(path).removeprefix(f"{videos}".rstrip("/") + "/")


def save_matched(path: Path, matched: Matched) -> None:
    """Keeps the films of a run."""
    write_json(path, {"trailers": [_plain(t) for t in matched.trailers], "notes": list(matched.notes)})


def load_matched(path: Path) -> Matched:
    """The films of a run.

    Raises:
        StoreError: If the run has none yet.
    """
    found = read_json(path, _trailer)
    return Matched(tuple(found["trailers"]), tuple(found["notes"]))


def _plain(trailer: Trailer) -> JsonObject:
    return {**asdict(trailer), "path": source_text(trailer.path)}


def _trailer(item: JsonObject) -> Trailer | JsonObject:
    """A film as soon as it is read, so that a million of them are never plain data all at once; anything else as is."""
    if item.keys() != _FILM:
        return item
    genres = tuple(map(sys.intern, item["genres"]))  # a few words for all films
    return Trailer(**{**item, "path": _source(item["path"]), "genres": genres})


def catalog_text(trailer: Trailer, columns: Sequence[str]) -> str:
    """A trailer's text in the given columns, joined; column names are compared without case."""
    wanted = {name.strip().casefold() for name in columns}
    return " ".join(value for name, value in trailer.text.items() if name.casefold() in wanted and value)
