"""Opens any catalogue file as a table of columns and records."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.delimited import DELIMITERS, RawRow, delimited_rows
from cinegrain.readers.catalog.json_records import read_json_lines, read_json_list
from cinegrain.readers.catalog.notes import Notes
from cinegrain.readers.catalog.spreadsheet import read_sheets
from cinegrain.readers.catalog.unpack import Kind, is_gzip, kind_of, text_lines

MAX_ROWS = 20_000_000
_HEAD_LINES, _HEAD_CHARACTERS = 60, 1 << 20
_RAGGED = "lines with too many cells"


@dataclass(frozen=True)
class Record:
    """A row by column name, and its place, such as `line 5`."""

    where: str
    cells: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Columns in order, and records, which can be iterated once."""

    columns: tuple[str, ...]
    records: Iterator[Record]


Score = Callable[[Sequence[str]], int]
"""Rates how likely a row is the header; 0 if not at all."""


def open_table(path: Path, notes: Notes, *, score: Score) -> Table:
    """Opens a table.

    Args:
        path: CSV, TSV, JSON, JSON Lines (each also gzipped), .xlsx, .xls, .xlsb, .ods or Parquet.
        notes: Receives notes about oddities, also while records are iterated.
        score: Rates how likely a row is the header.

    Raises:
        ConfigError: If the format is unknown, or the file is damaged or empty.
    """
    try:
        kind = kind_of(path)
        if kind in ("text", "spreadsheet"):
            table = _by_header(path, kind, notes, score)
        elif kind == "jsonl":
            columns = tuple(dict.fromkeys(str(name) for _, record in read_json_lines(path) for name in record))
            table = Table(columns, (Record(f"line {n}", record) for n, record in read_json_lines(path)))
        else:
            found = _parquet(path) if kind == "parquet" else read_json_list(path)
            columns = tuple(dict.fromkeys(str(name) for record in found for name in record))
            table = Table(columns, (Record(f"row {n}", record) for n, record in enumerate(found, start=1)))
        first = next(table.records, None)
    except OSError as error:
        raise ConfigError(f"Cannot read the catalogue {path}: {error.strerror or error}.") from error
    if first is None:
        raise ConfigError(f"The catalogue {path} has no rows. It needs one row per film.")
    return Table(table.columns, _limited(chain([first], table.records), path))


def raw_rows(path: Path, score: Score) -> list[RawRow]:
    """All rows of a text table or a spreadsheet, including the header.

    Raises:
        ConfigError: As in `open_table`.
    """
    if kind_of(path) == "spreadsheet":
        return next(iter(read_sheets(path).values()), [])
    header, delimiter = _text_header(path, score, Notes())
    return list(_text_rows(path, 1 if header is None else header.line, delimiter, 0, Notes()))


def _limited(records: Iterator[Record], path: Path) -> Iterator[Record]:
    yield from islice(records, MAX_ROWS)
    if next(records, None) is not None:
        raise ConfigError(f"{path} has more than {MAX_ROWS:,} rows and so is not a catalogue. Check the path.")


def _by_header(path: Path, kind: Kind, notes: Notes, score: Score) -> Table:
    if kind == "spreadsheet":
        header, rows = _sheet(read_sheets(path), notes, score)
        unit: Literal["row", "line"] = "row"
    else:
        header, delimiter = _text_header(path, score, notes)
        n_columns = len(header.cells) if header else 0
        rows = _text_rows(path, header.line, delimiter, n_columns, notes) if header else iter(())
        unit = "line"
    if header is None:
        raise ConfigError(f"The catalogue {path} has no rows. It needs one row per film.")
    next(rows, None)
    columns = _named(header, notes)
    return Table(columns, _records(rows, columns, unit, notes))


def _named(header: RawRow, notes: Notes) -> tuple[str, ...]:
    """Unique names of columns."""
    names: list[str] = []
    for number, cell in enumerate(header.cells, start=1):
        name = " ".join(str(cell).split()) or f"column {number}"
        n_before = sum(other == name or other.startswith(f"{name} (") for other in names)
        if n_before:
            notes.add(
                f"the column {name!r} occurs twice: column {number} is renamed to '{name} ({n_before + 1})'",
                "columns with the same name",
            )
            name = f"{name} ({n_before + 1})"
        names.append(name)
    return tuple(names)


def _records(rows: Iterable[RawRow], columns: tuple[str, ...], unit: str, notes: Notes) -> Iterator[Record]:
    unnamed = {name for i, name in enumerate(columns, start=1) if name == f"column {i}"}
    for row in rows:
        n_cells = len(row.cells)
        if n_cells > len(columns) and any(str(cell).strip() for cell in row.cells[len(columns) :]):
            notes.add(
                f"catalogue {unit} {row.line} has {n_cells} cells, the header {len(columns)}, and is left out: "
                "a cell that contains the separator must be quoted",
                _RAGGED,
            )
            continue
        if n_cells < len(columns) and unit == "line":
            notes.add(
                f"catalogue {unit} {row.line} has {n_cells} cells, the header {len(columns)}: the last ones are empty",
                "lines with too few cells",
            )
        cells = {
            name: cell
            for name, cell in zip(columns, row.cells, strict=False)
            if name not in unnamed or str(cell).strip()
        }
        yield Record(f"{unit} {row.line}", cells)


def _sheet(sheets: dict[str, list[RawRow]], notes: Notes, score: Score) -> tuple[RawRow | None, Iterator[RawRow]]:
    """The sheet with the most likely header, from the header on."""
    full = {name: rows for name, rows in sheets.items() if rows}
    headers = {name: _best(rows[:_HEAD_LINES], score) for name, rows in full.items()}
    if not full:
        return None, iter(())
    name = max(full, key=lambda name: _points(headers[name], score))
    if len(full) > 1:
        notes.add(f"the sheet {name!r} is read; others are not: {', '.join(other for other in full if other != name)}")
    header = headers[name]
    if header is not None:
        _note_skipped([row for row in full[name] if row.line < header.line], "row", notes)
    return header, (row for row in full[name] if header is None or row.line >= header.line)


def _text_header(path: Path, score: Score, notes: Notes) -> tuple[RawRow | None, str]:
    """Header and separator of a text table."""
    with text_lines(path) as lines:
        head: list[tuple[int, str]] = []
        n_characters = 0
        for item in enumerate(lines, start=1):
            head.append(item)
            n_characters += len(item[1])
            if len(head) >= _HEAD_LINES or n_characters > _HEAD_CHARACTERS:
                break
    delimiters: tuple[str, ...] = DELIMITERS
    told = head[0][1].strip().strip('"') if head else ""
    if told[:4].lower() == "sep=" and len(told) <= 5:
        delimiters = (head[0][1].strip("\r\n").strip('"')[4:] or ",",)
        head = head[1:]
    candidates = [(_best(list(delimited_rows(head, d)), score), d) for d in delimiters]
    tab = _ending(path) in (".tsv", ".tab")
    header, delimiter = max(
        candidates,
        key=lambda found: (_points(found[0], score), _n_cells(found[0]), found[1] == "\t" and tab),
    )
    if header is not None:
        _note_skipped(list(delimited_rows([item for item in head if item[0] < header.line], delimiter)), "line", notes)
    return header, delimiter


def _ending(path: Path) -> str:
    return (Path(path.stem) if is_gzip(path) else path).suffix.lower()


def _text_rows(path: Path, first: int, delimiter: str, width: int, notes: Notes) -> Iterator[RawRow]:
    with text_lines(path) as lines:
        numbered = islice(enumerate(lines, start=1), first - 1, None)
        yield from delimited_rows(numbered, delimiter, width=width, notes=notes)


def _best(rows: Sequence[RawRow], score: Score) -> RawRow | None:
    """The first of the most likely headers; a comment only if there is nothing else."""
    filled = [row for row in rows if any(str(cell).strip() for cell in row.cells)]
    filled = [row for row in filled if not _is_comment(row)] or filled
    return max(filled, key=lambda row: _points(row, score), default=None)


def _is_comment(row: RawRow) -> bool:
    return str(row.cells[0]).lstrip().startswith("#")


def _points(row: RawRow | None, score: Score) -> int:
    return 0 if row is None else score([str(cell) for cell in row.cells])


def _n_cells(row: RawRow | None) -> int:
    return 0 if row is None else len(row.cells)


def _note_skipped(rows: Sequence[RawRow], unit: str, notes: Notes) -> None:
    filled = [row for row in rows if any(str(cell).strip() for cell in row.cells)]
    if filled:
        said = " ".join(str(cell) for cell in filled[0].cells if str(cell).strip())
        notes.add(f"catalogue {unit} {filled[0].line} and what follows before the header is left out: {said[:60]!r}")


def _parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        n_values = sum(group.column(i).num_values for group in groups for i in range(group.num_columns))
        if max(sum(group.total_byte_size for group in groups), 4 * n_values) > 2 << 30:
            raise ConfigError(f"{path} unpacks to more than 2 GiB and so is not a catalogue. Check the path.")
        return list(file.read().to_pylist())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(f"{path} is not a readable Parquet file: {error}.") from error
