"""Films of a run: the catalogue matched with video files."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Final

from cinegrain.media.remote import source, source_text
from cinegrain.runs.artifacts import read_json, write_csv, write_json
from cinegrain.types import JsonObject, Trailer

MATCHES_FILE: Final = "matches.csv"
_FILM = {field.name for field in fields(Trailer)}
_source = lru_cache(maxsize=1024)(source)


@dataclass(frozen=True)
class FoundFile:
    """A row of matches.csv: a film whose files differ from those that the catalogue names.

    Attributes:
        trailer_id: Of the film.
        title: As the catalogue has it.
        year: Of release.
        in_catalogue: File that the catalogue names, or "".
        file: Files of the film, joined by `|`.
        found_by: Rule that matched them.
        confidence: 0..1, as text.
    """

    trailer_id: str
    title: str
    year: int | None
    in_catalogue: str
    file: str
    found_by: str
    confidence: str


@dataclass(frozen=True)
class Matched:
    """Films with both a row and a file, and a note for everything that did not match.

    Attributes:
        trailers: Sorted by id.
        notes: One sentence each.
        told: Films whose files differ from those that the catalogue names; not stored in catalog.json.
    """

    trailers: tuple[Trailer, ...]
    notes: tuple[str, ...]
    told: tuple[FoundFile, ...] = ()


def save_matched(path: Path, matched: Matched) -> None:
    """Writes the films of a run, and matches.csv with those whose files differ from the catalogue's."""
    write_json(path, {"trailers": [_plain(t) for t in matched.trailers], "notes": list(matched.notes)})
    table = path.with_name(MATCHES_FILE)
    if matched.told:
        write_csv(table, [field.name for field in fields(FoundFile)], map(asdict, matched.told))
    else:
        table.unlink(missing_ok=True)


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
    """Makes a film while JSON is parsed, so that a million films never exist as dicts all at once."""
    if item.keys() | {"parts"} != _FILM:
        return item
    genres = tuple(map(sys.intern, item["genres"]))  # a few words for all films
    parts = tuple(map(_source, item.get("parts", ())))
    return Trailer(**{**item, "path": _source(item["path"]), "genres": genres, "parts": parts})


def catalog_text(trailer: Trailer, columns: Sequence[str]) -> str:
    """A trailer's text in the given columns, joined; column names are case-insensitive."""
    wanted = {name.strip().casefold() for name in columns}
    return " ".join(value for name, value in trailer.text.items() if name.casefold() in wanted and value)
