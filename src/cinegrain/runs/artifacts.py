"""Files of a run: written atomically, with the key of their inputs."""

import csv
import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from cinegrain import __version__
from cinegrain.errors import StoreError
from cinegrain.results import from_json, to_json
from cinegrain.types import JsonObject

T = TypeVar("T")

RUN_FORMAT = 1
RUN_FILE = "run.json"
_MADE_BY = {
    "coarse/model.json": "cinegrain train RUN",
    "finetuned/model.json": "cinegrain finetune RUN",
    "atlas.json": "cinegrain discover RUN",
    "trailers.json": "cinegrain discover RUN",
}
_BOM = "\ufeff"
# What Excel and LibreOffice take for a formula, in full width as well; apostrophes before it are ours or look like it.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"-?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?%?", re.IGNORECASE | re.ASCII)
_DELIMITER = re.compile(r'"(?:[^"]|"")*"|[,;\t\r\n]')


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write in pieces; readers see the old content or the new, never a part of it.

    Raises:
        StoreError: If the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as part:
            try:
                yield cast(BinaryIO, part)
                part.flush()
                os.fsync(part.fileno())
                os.chmod(part.name, 0o644)  # noqa: PTH101 (the temporary file is private by default)
                os.replace(part.name, path)  # noqa: PTH105
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise StoreError(
            f"Cannot write {path}: {error.strerror or error}. Choose a folder that you may write to."
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically.

    Raises:
        StoreError: If the place cannot be written.
    """
    with written_whole(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for text, UTF-8."""
    write_bytes(path, content.encode("utf-8", errors="surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON of plain data or results. Refuses NaN, which is not valid JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=to_json) + "\n")


@contextmanager
def rows_written(path: Path) -> Iterator[Callable[[object], None]]:
    """Writes a JSON list atomically, one result or object per call and line."""
    with written_whole(path) as file:
        before = b"[\n"

        def add(row: object) -> None:
            nonlocal before
            text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=to_json)
            file.write(before + text.encode("utf-8", errors="surrogateescape"))
            before = b",\n"

        yield add
        file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def read_json(path: Path, each: Callable[[JsonObject], Any] | None = None) -> Any:
    """Reads a JSON artifact.

    Args:
        path: The file.
        each: Applied to every object as it is parsed, inner objects first.

    Raises:
        StoreError: If it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_hook=each)
    except FileNotFoundError as error:
        by = next((f"`{command}`" for end, command in _MADE_BY.items() if path.match(end)), "The stage before")
        raise StoreError(f"{path} is missing. {by} creates it; `cinegrain run` runs every stage.") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}. Delete it and run the same command again.") from error


def read_as(path: Path, kind: type[T]) -> T:
    """Reads a JSON artifact as a typed result, or several; unknown keys are ignored.

    Raises:
        StoreError: If it is missing, damaged, or of another type.
    """
    try:
        return from_json(kind, read_json(path))
    except ValueError as error:
        raise StoreError(f"{path} cannot be read: {error}. Delete it and run the same command again.") from error


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a CSV that spreadsheets open; it has a header even without rows.

    Raises:
        StoreError: If the place cannot be written.
    """
    write_text(path, csv_header(columns) + "".join(csv_line(row.get(column) for column in columns) for row in rows))


def csv_header(columns: Iterable[str]) -> str:
    """Byte order mark, by which spreadsheets recognise UTF-8, and header of a CSV."""
    return _BOM + csv_line(columns)


def csv_line(cells: Iterable[Any]) -> str:
    """One row of a CSV.

    Text that a spreadsheet would run as a formula is prefixed with an apostrophe, which `csv_rows` removes; numbers
    stay numbers.
    """
    line = ",".join(_quoted(_shielded("" if cell is None else str(cell))) for cell in cells)
    return (line or '""') + "\n"


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV that `write_csv` wrote, including one saved again by a spreadsheet.

    Raises:
        StoreError: If it cannot be read.
    """
    try:
        return csv_rows(path.read_bytes().decode("utf-8", errors="surrogateescape"))
    except (OSError, csv.Error) as error:
        raise StoreError(f"{path} cannot be read: {error}. Delete it and run the same command again.") from error


def csv_rows(text: str, *, strict: bool = False) -> list[dict[str, str]]:
    """Rows by column name; the delimiter is the first of comma, semicolon and tab outside quotes in the header.

    Args:
        text: A CSV.
        strict: Refuse rows whose length differs from the header's; otherwise missing cells are empty and extra ones are
            dropped.

    Raises:
        csv.Error: If the text is not CSV.
    """
    text = text.removeprefix(_BOM)
    delimiter = next((a for a in _DELIMITER.findall(text) if a and not a.startswith('"')), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter if delimiter in ",;\t" else ",")
    header, *rows = [[_unshielded(cell) for cell in cells] for cells in reader if cells] or [[]]
    if strict and (odd := next((cells for cells in rows if len(cells) != len(header)), None)):
        raise csv.Error(f"a row has {len(odd)} cells, the header {len(header)}")
    return [dict(zip_longest(header, cells[: len(header)], fillvalue="")) for cells in rows]


def _shielded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _unshielded(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _quoted(text: str) -> str:
    needs = text != text.strip() or any(c in text for c in ',;\t"\r\n')
    return '"' + text.replace('"', '""') + '"' if needs else text


def key_of(*parts: Any) -> str:
    """Short hash of plain data, the same in every process."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def open_run(folder: Path, *, create: bool = False) -> Path:
    """Opens a run folder, or creates one.

    Args:
        folder: The run folder.
        create: Create it if it does not exist; an existing folder must be empty or a run.

    Returns:
        The folder.

    Raises:
        StoreError: If it is not a run, is of another version, or cannot be written.
    """
    marker = folder / RUN_FILE
    if marker.is_file():
        _check_version(folder)
        return folder
    if not create:
        raise StoreError(f"{folder} is not a Cinegrain run (no {RUN_FILE}). Make one with `cinegrain run`.")
    check_run_folder(folder)
    write_json(marker, {"format": RUN_FORMAT, "cinegrain": __version__})
    return folder


def check_run_folder(folder: Path) -> None:
    """Raises if a run cannot be written to a folder; writes nothing.

    Raises:
        StoreError: If it is not a run, is of another version, or cannot be written.
    """
    above = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))  # noqa: PTH110
    if above != folder and not above.is_dir():
        raise StoreError(f"Cannot write {folder}: {above} is a file. Choose a folder that you may write to.")
    if above.is_dir() and not os.access(above, os.W_OK | os.X_OK):
        raise StoreError(f"Cannot write {folder}: {above} is read-only. Choose a folder that you may write to.")
    if (folder / RUN_FILE).is_file():
        _check_version(folder)
    elif above == folder and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} exists and is not a Cinegrain run. Choose an empty or new folder for --out.")


def _check_version(folder: Path) -> None:
    found = read_json(folder / RUN_FILE)
    version = found.get("format") if isinstance(found, dict) else None
    if version != RUN_FORMAT:
        raise StoreError(
            f"{folder} is a run of format {version}; this Cinegrain ({__version__}) reads format {RUN_FORMAT}. "
            f"Use the version that created it, or choose another --out."
        )


def is_current(path: Path, key: str) -> bool:
    """Whether a JSON artifact exists and has this `key`."""
    if not path.is_file():
        return False
    try:
        found: JsonObject = read_json(path)
    except StoreError:
        return False
    return isinstance(found, dict) and found.get("key") == key
