"""A catalogue of films from CSV, TSV, JSON, JSON Lines or Parquet."""

import csv
import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cinegrain.errors import ConfigError

FILE_COLUMNS = ("file", "path")
GENRE_COLUMN = "genres"
MAX_CATALOG_BYTES = 2 << 30
_NO_GENRE = {"", "unknown", "n/a", "na", "none", "null", "nan", "(no genres listed)"}


@dataclass(frozen=True)
class CatalogRow:
    """One film as the catalogue has it; `text` holds all further columns."""

    file: str
    genres: tuple[str, ...]
    trailer_id: str
    title: str
    year: int | None
    text: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """The usable rows, and a plain sentence for each oddity."""

    rows: tuple[CatalogRow, ...]
    notes: tuple[str, ...]


def read_catalog(path: Path) -> Catalog:
    """Reads a catalogue; the kind is told by the file's ending.

    Columns: `file` or `path`, `genres` (several joined by | or ,), and optionally `trailer_id`, `title`, `year`
    and any text. Spellings of one genre (`Sci-Fi`, `sci fi`) are joined under the first one seen.

    Raises:
        ConfigError: If the file is missing, unreadable, not UTF-8, or lacks a needed column.
    """
    try:
        if not path.is_file():
            raise ConfigError(f"There is no catalogue at {path}. Give a CSV with the columns file and genres.")
        if path.stat().st_size > MAX_CATALOG_BYTES:
            raise ConfigError(f"{path} is larger than 2 GiB, which no catalogue is. Is it the right file?")
        records = read_parquet_records(path) if path.suffix.lower() == ".parquet" else read_text_records(path)
    except OSError as error:
        raise ConfigError(f"Cannot read the catalogue {path}: {error.strerror or error}.") from error
    if not records:
        raise ConfigError(f"The catalogue {path} has no rows. Give one row a film.")
    return _rows_of(records, path)


def read_text_records(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV, TSV, JSON or JSON Lines file.

    Raises:
        ConfigError: If it is none of these, or not UTF-8.
    """
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"The catalogue {path} is not UTF-8: line {line} holds byte 0x{raw[error.start]:02x}. "
            "Save it as UTF-8 (in Excel: 'CSV UTF-8') and try again."
        ) from error
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        return _read_json(text, path)
    if "\x00" in text:
        raise ConfigError(f"{path} is not a text table. Give CSV, TSV, JSON, JSON Lines or Parquet.")
    header = text.split("\n", 1)[0]
    delimiter = max((",", ";", "\t"), key=header.count)
    try:
        rows = list(csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter, restkey="_more"))
    except csv.Error as error:
        raise ConfigError(f"{path} is not a readable CSV: {error}.") from error
    return rows


def _read_json(text: str, path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.suffix.lower() != ".json"
        records = [json.loads(line) for line in text.splitlines() if line.strip()] if lines else json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ConfigError(f"{path} must be a list of objects, one a film.")
    return records


def read_parquet_records(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet file.

    Raises:
        ConfigError: If it is not readable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_table(path).to_pylist())
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{path} is not a readable Parquet file: {error}.") from error


def _rows_of(records: Sequence[dict[str, Any]], path: Path) -> Catalog:
    columns = [str(name) for name in records[0]]
    by_lower = {name.strip().lower(): name for name in reversed(columns)}
    file_column = next((by_lower[name] for name in FILE_COLUMNS if name in by_lower), None)
    genre_column = by_lower.get(GENRE_COLUMN)
    if file_column is None or genre_column is None:
        wanted = GENRE_COLUMN if file_column else "file"
        near = difflib.get_close_matches(wanted, [*by_lower, *(name.rstrip("s") for name in by_lower)], 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"The catalogue {path} has no column {wanted!r}; it has: {', '.join(columns)}.{hint} "
            "Needed are file (or path) and genres."
        )
    known = {file_column, genre_column, *(by_lower.get(name) for name in ("trailer_id", "title", "year"))}
    rows: list[CatalogRow] = []
    notes: list[str] = []
    spelling: dict[str, str] = {}
    seen: set[str] = set()
    for number, record in enumerate(records, start=2):
        file = cell_text(record.get(file_column))
        if not file:
            notes.append(f"catalogue line {number} names no file and is left out")
            continue
        trailer_id = cell_text(record.get(by_lower.get("trailer_id", ""))) or file
        if trailer_id in seen:
            notes.append(f"catalogue line {number} repeats {trailer_id!r} and is left out")
            continue
        seen.add(trailer_id)
        year = cell_text(record.get(by_lower.get("year", "")))
        digits = re.search(r"\d{4}", year)
        rows.append(
            CatalogRow(
                file=file,
                genres=split_genres(record.get(genre_column), spelling),
                trailer_id=trailer_id,
                title=cell_text(record.get(by_lower.get("title", ""))) or Path(file).stem,
                year=int(digits.group()) if digits else None,
                text={name: cell_text(record.get(name)) for name in columns if name not in known},
            )
        )
    return Catalog(tuple(rows), tuple(notes))


def cell_text(value: Any) -> str:
    """A cell as text without outer blanks; nothing for an empty one."""
    return "" if value is None else str(value).strip()


def split_genres(value: Any, spelling: dict[str, str]) -> tuple[str, ...]:
    """Genres of a cell, each once; `spelling` keeps the first spelling seen of each and is added to."""
    parts = [cell_text(v) for v in value] if isinstance(value, list | tuple) else re.split(r"[|,]", cell_text(value))
    genres: dict[str, None] = {}
    for part in parts:
        name = " ".join(part.split())
        if name.lower() not in _NO_GENRE:
            genres[spelling.setdefault(re.sub(r"[\W_]+", "", name.lower()), name)] = None
    return tuple(genres)
