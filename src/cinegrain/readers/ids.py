"""A catalogue whose rows are known by an id instead of a file: for vectors that somebody else computed."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinegrain.errors import ConfigError
from cinegrain.readers.table import GENRE_COLUMN, cell_text, read_parquet_records, read_text_records, split_genres
from cinegrain.types import Trailer

ID_COLUMNS = (
    *("trailer_id", "id", "item_id", "itemid", "movie_id", "movieid", "mid", "imdb_id", "imdbid", "tconst"),
    *("video_id", "videoid", "youtube_id", "youtubeid", "key", "file", "path"),
)


@dataclass(frozen=True)
class IdCatalog:
    """Films by id, and a plain sentence for each oddity."""

    films: dict[str, Trailer]
    notes: tuple[str, ...]


def plain_id(value: Any) -> str:
    """An id as text; whole numbers that were read as floats lose their `.0`."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def read_id_catalog(path: Path, vectors: Path) -> IdCatalog:
    """Reads a catalogue by id.

    Args:
        path: CSV, TSV, JSON, JSON Lines or Parquet with an id column, genres, and optionally title, year, any text.
        vectors: The file that the films' vectors come from.

    Raises:
        ConfigError: If it is missing, unreadable, or has no id or genre column.
    """
    if not path.is_file():
        raise ConfigError(f"There is no catalogue at {path}. Give a table with an id column and genres.")
    records = read_parquet_records(path) if path.suffix.lower() == ".parquet" else read_text_records(path)
    if not records:
        raise ConfigError(f"The catalogue {path} has no rows. Give one row a film.")
    columns = [str(name) for name in records[0]]
    by_lower = {name.strip().lower(): name for name in reversed(columns)}
    id_column = next((by_lower[name] for name in ID_COLUMNS if name in by_lower), None)
    genre_column = by_lower.get(GENRE_COLUMN)
    if id_column is None or genre_column is None:
        wanted = "genres" if id_column else "an id column such as trailer_id, id, itemId or imdb_id"
        raise ConfigError(f"The catalogue {path} lacks {wanted}; it has: {', '.join(columns)}.")
    known = {id_column, genre_column, by_lower.get("title"), by_lower.get("year")}
    films: dict[str, Trailer] = {}
    notes: list[str] = []
    spelling: dict[str, str] = {}
    for number, record in enumerate(records, start=2):
        trailer_id = "" if record.get(id_column) is None else plain_id(record[id_column])
        if not trailer_id or trailer_id in films:
            why = f"repeats {trailer_id!r}" if trailer_id else "has no id"
            notes.append(f"catalogue line {number} {why} and is left out")
            continue
        digits = re.search(r"\d{4}", cell_text(record.get(by_lower.get("year", ""))))
        films[trailer_id] = Trailer(
            trailer_id,
            vectors,
            cell_text(record.get(by_lower.get("title", ""))) or trailer_id,
            split_genres(record.get(genre_column), spelling),
            int(digits.group()) if digits else None,
            {name: cell_text(record.get(name)) for name in columns if name not in known},
        )
    return IdCatalog(films, tuple(notes))


def join(ids: list[str], catalog: IdCatalog) -> tuple[tuple[Trailer, ...], list[str]]:
    """Films that have both vectors and a row, in the order of the vectors, and sentences about all others."""
    notes = list(catalog.notes)
    have = set(ids)
    without_row = [i for i in ids if i not in catalog.films]
    without_vectors = [i for i in catalog.films if i not in have]
    if without_row:
        notes.append(
            f"{len(without_row)} ids with vectors have no catalogue row and are left out: {_some(without_row)}"
        )
    if without_vectors:
        notes.append(
            f"{len(without_vectors)} catalogue rows have no vectors and are left out: {_some(without_vectors)}"
        )
    found = tuple(catalog.films[i] for i in ids if i in catalog.films)
    bare = [t.trailer_id for t in found if not t.genres]
    if bare:
        notes.append(f"{len(bare)} films have no genre and take no part in genre training: {_some(bare)}")
    return found, notes


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
