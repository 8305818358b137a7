"""Catalogues by id instead of file, for vectors computed elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinegrain.readers.catalog.columns import AS_FOUND, ID_COLUMNS, Reading
from cinegrain.readers.catalog.read import read_catalog_by_id
from cinegrain.types import Trailer

__all__ = ["ID_COLUMNS", "IdCatalog", "join", "plain_id", "read_id_catalog"]


@dataclass(frozen=True)
class IdCatalog:
    """Films by id, and a note for each oddity."""

    films: dict[str, Trailer]
    notes: tuple[str, ...]


def plain_id(value: Any) -> str:
    """An id as text; whole numbers that were read as floats lose their `.0`."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def read_id_catalog(path: Path, vectors: Path, reading: Reading = AS_FOUND) -> IdCatalog:
    """Reads a catalogue by id.

    Args:
        path: A table with ids, genres, and optionally title, year and text.
        vectors: File of the vectors.
        reading: How to read its columns and genres.

    Raises:
        ConfigError: If it is missing, unreadable, or has no id or genre column.
    """
    found = read_catalog_by_id(path, reading)
    films = {
        row.trailer_id: Trailer(row.trailer_id, vectors, row.title, row.genres, row.year, row.text)
        for row in found.rows
    }
    return IdCatalog(films, found.notes)


def join(ids: list[str], catalog: IdCatalog) -> tuple[tuple[Trailer, ...], list[str]]:
    """Films with both vectors and a row, in the order of the vectors, and notes about all others."""
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
        notes.append(f"{len(bare)} films have no genre and are not used to train the genre model: {_some(bare)}")
    return found, notes


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
