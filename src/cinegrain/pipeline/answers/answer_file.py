"""Saves answers as they come, and failures beside them; running again continues the file.

An answer has size and time of its film and the key of its model, by which it is valid. Each is appended as one line (a
JSON list gets its bracket again), so that a kill loses at most the answer being written.
"""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from cinegrain.errors import ConfigError, StoreError
from cinegrain.media.remote import source, source_text
from cinegrain.pipeline.extraction.sources import NO_FILE, stamp_of
from cinegrain.results import Failure, Prediction
from cinegrain.runs.artifacts import csv_header, csv_line, csv_rows, write_csv, write_text
from cinegrain.types import JsonObject, Source

_TABLE, _LIST, _LINES = ".csv", ".json", ".jsonl"
_ENDINGS = (_TABLE, _LIST, _LINES)
_LIST_END = "\n]\n"
_COLUMNS = ("path", "size_bytes", "modified_ns", "model")
_FAILURE_COLUMNS = ("path", "reason")

Stamp: TypeAlias = tuple[int, int]


def check_out(path: Path | None) -> None:
    """Checks the name of an output file.

    Raises:
        ConfigError: If its extension is unknown.
    """
    if path is not None and path.suffix.lower() not in _ENDINGS:
        raise ConfigError(f"{path.name} has an unknown extension. --out must end in {', '.join(_ENDINGS)}.")


class AnswerFile:
    """Answers of one model to many films."""

    def __init__(self, path: Path, model: str) -> None:
        """Opens a file to continue it, dropping an incomplete last line; a new file is created with the first answer.

        Args:
            path: File with the extension .csv, .json or .jsonl.
            model: Key of the model.

        Raises:
            ConfigError: If it has answers of another model, or other content.
            StoreError: If it cannot be read or written.
        """
        check_out(path)
        self.path, self._model = path, model
        rows = self._read()
        self._check(rows)
        self._stamps: dict[str, Stamp] = {str(row["path"]): _stamp(row) for row in rows}
        if not path.is_file() or _content(path) != self._whole(rows):
            write_text(path, self._whole(rows))
        self._failures = {row.path: row for row in self._read_failures() if row.path not in self._stamps}
        self._write_failures()

    @property
    def failures(self) -> Path:
        """File of films without an answer, with reasons; it exists only if there are any."""
        return self.path.with_name(f"{self.path.stem}.failures.csv")

    def answered(self, place: Source) -> bool:
        """Whether it has the answer to a film that has not changed."""
        stamp = self._stamps.get(source_text(place))
        return stamp is not None and stamp == stamp_of(place)

    def put(self, found: Prediction | Failure) -> None:
        """`add` or `fail`."""
        if isinstance(found, Failure):
            self.fail(found)
        else:
            self.add(found)

    def add(self, answer: Prediction) -> None:
        """Adds an answer, replacing an earlier one to the same film. It is on disk when this returns.

        Raises:
            StoreError: If it cannot be written.
        """
        path, row = answer.path, self._row(answer)
        if path in self._stamps:
            write_text(self.path, self._whole([*self._without(path), row]))
        else:
            self._append(row)
        self._stamps[path] = _stamp(row)
        if self._failures.pop(path, None) is not None:
            self._write_failures()

    def fail(self, failure: Failure) -> None:
        """Adds a failure; an answer to an earlier version of the file is deleted.

        Raises:
            StoreError: If it cannot be written.
        """
        path, stamp = failure.path, stamp_of(source(failure.path))
        if self._stamps.get(path, stamp) != stamp and stamp != NO_FILE:  # a file that is missing now has not changed
            del self._stamps[path]
            write_text(self.path, self._whole(self._without(path)))
        self._failures[path] = failure
        self._write_failures()

    @property
    def _is_table(self) -> bool:
        return self.path.suffix.lower() == _TABLE

    @property
    def _is_list(self) -> bool:
        return self.path.suffix.lower() == _LIST

    def _row(self, answer: Prediction) -> JsonObject:
        return table_row(answer) if self._is_table else answer.to_dict()

    def _without(self, path: str) -> list[JsonObject]:
        return [row for row in self._read() if row["path"] != path]

    def _whole(self, rows: Sequence[JsonObject]) -> str:
        if self._is_table:
            header = csv_header(rows[0] if rows else _COLUMNS[:1])
            return header + "".join(csv_line(row.values()) for row in rows)
        lines = [_line(row) for row in rows]
        if self._is_list:
            return "[\n" + ",\n".join(lines) + _LIST_END if lines else "[]\n"
        return "".join(f"{line}\n" for line in lines)

    def _append(self, row: JsonObject) -> None:
        """Appends in one write, which also replaces the closing bracket of a JSON list."""
        text = csv_line(row.values()) if self._is_table else f"{_line(row)}\n"
        try:
            with self.path.open("r+b", buffering=0) as file:
                n_bytes = file.seek(0, os.SEEK_END)
                if n_bytes <= len(self._whole([]).encode()):
                    text = self._whole([row])
                    file.seek(0)
                elif self._is_list:
                    text = f",\n{_line(row)}{_LIST_END}"
                    file.seek(n_bytes - len(_LIST_END))
                rest = memoryview(text.encode("utf-8", errors="surrogateescape"))
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(f"Cannot write {self.path}: {error.strerror or error}. Choose another --out.") from error

    def _read(self) -> list[JsonObject]:
        if not self.path.is_file():
            return []
        text = _content(self.path)
        try:
            return _table_rows(text) if self._is_table else _json_rows(text)
        except ValueError as error:
            raise ConfigError(f"{self.path} has content other than answers ({error}). Choose another --out.") from error

    def _check(self, rows: Iterable[JsonObject]) -> None:
        for row in rows:
            if not set(_COLUMNS) <= set(row):
                raise ConfigError(
                    f"{self.path} has no answers of this version. Choose another --out, or delete the file."
                )
            if row["model"] != self._model:
                raise ConfigError(
                    f"{self.path} has answers of another model: this is another run, or it was trained, discovered or "
                    "edited since. Choose another --out, or delete the file to answer all films again."
                )

    def _read_failures(self) -> list[Failure]:
        if not self.failures.is_file():
            return []
        with suppress(ValueError, KeyError):
            return [Failure(row["path"], row["reason"]) for row in _table_rows(_content(self.failures))]
        return []

    def _write_failures(self) -> None:
        if self._failures:
            write_csv(self.failures, _FAILURE_COLUMNS, (failure.to_dict() for failure in self._failures.values()))
        else:
            self.failures.unlink(missing_ok=True)


def table_row(answer: Prediction) -> JsonObject:
    """An answer as a row, with one column of probabilities per genre."""
    sub_genre = answer.sub_genre
    return {
        "path": answer.path,
        "genres": "|".join(genre.name for genre in answer.decided),
        "sure": answer.sure,
        "unsure_because": "; ".join(answer.unsure_because),
        "subgenre_id": sub_genre.id if sub_genre else "",
        "subgenre": sub_genre.name if sub_genre else "",
        "missing": "|".join(answer.missing),
        **{g.name: f"{g.probability:.4f}" for g in sorted(answer.genres, key=lambda g: g.name)},
        **{name: getattr(answer, name) for name in _COLUMNS[1:] if answer.model},
    }


def _stamp(row: JsonObject) -> Stamp:
    return int(row["size_bytes"]), int(row["modified_ns"])


def _line(row: JsonObject) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def _table_rows(text: str) -> list[JsonObject]:
    """Rows of a table; the last one only if it has its line break.

    Raises:
        ValueError: If it is not a table of answers.
    """
    whole = text[: text.rfind("\n") + 1]
    begun = csv_header(_COLUMNS[:1]).rstrip()
    if not (whole or text).startswith((begun[: len(text)], begun[1:][: len(text)])):
        raise ValueError(f"its first column is not {_COLUMNS[0]}")
    try:
        return list(csv_rows(whole, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _json_rows(text: str) -> list[JsonObject]:
    """Objects, one per line, in a list or not; the last one only if complete.

    Raises:
        ValueError: If there is other content.
    """
    lines = [line.rstrip("\r,]") for line in text.removeprefix("\ufeff").split("\n")]
    lines = [line for line in lines if line.strip() not in ("", "[")]
    rows: list[JsonObject] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines) and line.startswith("{") and not text.endswith("\n"):
                break
            row = None
        if not isinstance(row, dict):
            return _json_list(text)
        rows.append(row)
    return rows


def _json_list(text: str) -> list[JsonObject]:
    """Objects of a list as reformatted by another program.

    Raises:
        ValueError: If it is not a list of objects.
    """
    found = json.loads(text.removeprefix("\ufeff"))
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ValueError("not a list of objects")
    return found


def _content(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="surrogateescape")
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}. Choose another --out.") from error
