"""Brings a folder of videos and a catalogue together."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Final

from cinegrain.artifacts import read_json, write_csv, write_json
from cinegrain.errors import ConfigError, DataError
from cinegrain.media.files import find_videos
from cinegrain.media.remote import find_remote_videos, source, source_text
from cinegrain.pipeline.find_files import shown
from cinegrain.pipeline.matching import MatchedRow, match_rows
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.readers.catalog.read import read_catalog
from cinegrain.types import JsonObject, Source, Trailer

MATCHES_FILE: Final = "matches.csv"
_MATCH_COLUMNS = ("trailer_id", "title", "year", "in_catalogue", "file", "found_by", "confidence")
_FILM = {field.name for field in fields(Trailer)}
_source = lru_cache(maxsize=1024)(source)


@dataclass(frozen=True)
class Matched:
    """Films that have both a row and a file, and a sentence for everything that did not fit.

    Attributes:
        trailers: Sorted by id.
        notes: The sentences.
        told: Rows whose file is not just the one that the catalogue names; they are in no run's catalog.json.
    """

    trailers: tuple[Trailer, ...]
    notes: tuple[str, ...]
    told: tuple[MatchedRow, ...] = ()


def match_catalog(videos: Source, catalog: Path, reading: Reading = AS_FOUND) -> Matched:
    """Finds the file of each row, by its path in any spelling, or by title and year where the catalogue has no file.

    An address is taken as it is: whether something is there shows when it is read.

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
    matching = match_rows(read.rows, files, videos, catalog.parent)
    notes = [*read.notes, *matching.notes]
    trailers: list[Trailer] = []
    for match in matching.rows:
        row, (first, *parts) = match.row, [p.resolve() if isinstance(p, Path) else p for p in match.paths]
        if not row.genres:
            notes.append(f"catalogue row {row.file or row.title!r} has no genre: it takes no part in genre training")
        trailers.append(Trailer(row.trailer_id, first, row.title, row.genres, row.year, row.text, tuple(parts)))
    used = {path for match in matching.rows for path in match.paths}
    notes += [
        f"file {shown(path, videos)!r} has no catalogue row and is left out" for path in files if path not in used
    ]
    if not trailers and not files:
        raise DataError(f"{videos} holds no videos (looked for .mp4, .mkv, .webm, .mov, .mpg and others).")
    if not trailers:
        raise DataError(
            f"No row of {catalog} names a file below {videos}. {' '.join(_example(matching.notes))}".rstrip()
        )
    return Matched(tuple(sorted(trailers, key=lambda t: t.trailer_id)), tuple(notes), matching.told)


def _example(notes: Sequence[str]) -> list[str]:
    """The first sentence that names a file like one wanted, else the first of all."""
    return [f"For example {note}." for note in sorted(notes, key=lambda note: "nearest" not in note)[:1]]


def save_matched(path: Path, matched: Matched) -> None:
    """Keeps the films of a run; matches.csv beside it lists those whose file the catalogue does not just name."""
    write_json(path, {"trailers": [_plain(t) for t in matched.trailers], "notes": list(matched.notes)})
    table = path.with_name(MATCHES_FILE)
    if matched.told:
        write_csv(table, _MATCH_COLUMNS, map(_match_row, matched.told))
    else:
        table.unlink(missing_ok=True)


def _match_row(match: MatchedRow) -> JsonObject:
    row = match.row
    files = "|".join(source_text(path) for path in match.paths)
    values = (row.trailer_id, row.title, row.year, row.file, files, match.how, f"{match.confidence:.2f}")
    return dict(zip(_MATCH_COLUMNS, values, strict=True))


def load_matched(path: Path) -> Matched:
    """The films of a run.

    Raises:
        StoreError: If the run has none yet.
    """
    found = read_json(path, _trailer)
    return Matched(tuple(found["trailers"]), tuple(found["notes"]))


def _plain(trailer: Trailer) -> JsonObject:
    plain = {**asdict(trailer), "path": source_text(trailer.path), "parts": list(map(source_text, trailer.parts))}
    return plain if trailer.parts else {name: value for name, value in plain.items() if name != "parts"}


def _trailer(item: JsonObject) -> Trailer | JsonObject:
    """A film as soon as it is read, so that a million of them are never plain data all at once; anything else as is."""
    if item.keys() | {"parts"} != _FILM:
        return item
    genres = tuple(map(sys.intern, item["genres"]))  # a few words for all films
    parts = tuple(map(_source, item.get("parts", ())))
    return Trailer(**{**item, "path": _source(item["path"]), "genres": genres, "parts": parts})


def catalog_text(trailer: Trailer, columns: Sequence[str]) -> str:
    """A trailer's text in the given columns, joined; column names are compared without case."""
    wanted = {name.strip().casefold() for name in columns}
    return " ".join(value for name, value in trailer.text.items() if name.casefold() in wanted and value)
