"""Parses delimited text, tolerating stray quotes."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

from cinegrain.readers.catalog.notes import Notes

DELIMITERS = (",", ";", "\t", "|")
_MAX_LINES, _MAX_CHARACTERS = 1000, 1 << 18  # lines of one row


@dataclass(frozen=True)
class RawRow:
    """Cells of a row; `line` is the line in the file, or the row of the sheet, from 1."""

    line: int
    cells: list[Any]


@dataclass(frozen=True)
class Split:
    """Cells of a line, and doubts about its quotes."""

    cells: list[str]
    is_open: bool = False  # the last cell has an opening quote without a closing one
    is_loose: bool = False  # a cell has text after its closing quote
    is_spaced: bool = False  # there is a space before a quoted cell


@lru_cache(maxsize=8)
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    end = re.escape(delimiter)
    return (
        re.compile(rf'( *)"((?:[^"]+|"")*+)" *(?={end}|\Z)'),
        re.compile(r' *"(?:[^"]+|"")*+\Z'),
    )


def split_row(text: str, delimiter: str) -> Split:
    r"""Splits a line.

    A cell is quoted if it begins with `"` and ends with `"`, quotes inside it being doubled. Any other quote is text.

    >>> split_row('a,"b, ""c"" d",e "f"', ",").cells
    ['a', 'b, "c" d', 'e "f"']
    >>> split_row('a,"b', ",").is_open
    True
    """
    if '"' not in text:
        return Split(text.split(delimiter))
    quoted, opened = _patterns(delimiter)
    cells: list[str] = []
    at, is_open, is_loose, is_spaced = 0, False, False, False
    while True:
        if match := quoted.match(text, at):
            is_spaced |= bool(match[1])
            cells.append(match[2].replace('""', '"'))
            at = match.end()
        else:
            is_last = opened.match(text, at) is not None
            is_open |= is_last
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            cells.append(text[at:end])
            is_loose |= not is_last and cells[-1].lstrip(" ").startswith('"')
            at = end
        if at == len(text):
            return Split(cells, is_open, is_loose, is_spaced)
        at += 1


@dataclass
class _Lines:
    """Physical lines with look-ahead."""

    source: Iterator[tuple[int, str]]
    ahead: deque[tuple[int, str]] = field(default_factory=deque)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while (item := self._next()) is not None:
            yield item

    def _next(self) -> tuple[int, str] | None:
        return self.ahead.popleft() if self.ahead else next(self.source, None)

    def peek(self) -> Iterator[str]:
        """The next lines, without consuming them."""
        for _, line in chain(list(self.ahead), self._drawn()):
            yield line

    def _drawn(self) -> Iterator[tuple[int, str]]:
        for item in self.source:
            self.ahead.append(item)
            yield item

    def skip(self, n: int) -> None:
        """Skips the next lines, which must have been peeked."""
        for _ in range(n):
            self.ahead.popleft()


def delimited_rows(
    lines: Iterable[tuple[int, str]], delimiter: str, *, width: int = 0, notes: Notes | None = None
) -> Iterator[RawRow]:
    """Rows of a text table, without empty ones.

    A quoted cell may span several lines. A quote that is never closed is text, as are all quotes in tables such as
    IMDb's. In a table with tabs, complete lines are never joined by a quote.

    Args:
        lines: Numbered physical lines with their line breaks.
        delimiter: One of DELIMITERS.
        width: Number of columns; 0 if unknown.
        notes: Receives notes about doubtful quotes.
    """
    notes, following = notes or Notes(), _Lines(iter(lines))
    for number, line in following:
        text = _unbroken(line)
        if not text.strip():
            continue
        row = split_row(text, delimiter)
        if row.is_open:
            joined, n_more = _joined(line, following, delimiter, width)
            if joined is None:
                if delimiter != "\t":
                    notes.add(
                        f"catalogue line {number}: a quote that is never closed is read as text",
                        "lines with such a quote",
                    )
            else:
                if width and len(split_row(text, delimiter).cells) == width:
                    notes.add(
                        f"catalogue line {number}: a quoted cell continues to line {number + n_more}",
                        "cells that span lines which look like rows",
                    )
                row = joined
                following.skip(n_more)
        elif row.is_loose and delimiter != "\t":
            notes.add(
                f"catalogue line {number}: a quote that does not end its cell is read as text",
                "lines with such a quote",
            )
        if row.is_spaced:
            notes.add(f"catalogue line {number}: a space before a quoted cell is ignored", "lines with such a blank")
        yield RawRow(number, list(row.cells))


def _unbroken(line: str) -> str:
    """A line without its line break."""
    return line.removesuffix("\n").removesuffix("\r")


def _joined(line: str, following: _Lines, delimiter: str, width: int) -> tuple[Split | None, int]:
    """A row that spans the next lines, and their number; None if its open quote is text."""
    parts, n_characters = [line], len(line)
    for n_more, more in enumerate(following.peek(), start=1):
        parts.append(more)
        n_characters += len(more)
        if n_more > _MAX_LINES or n_characters > _MAX_CHARACTERS:
            break
        if '"' not in more:
            continue
        row = split_row(_unbroken("".join(parts)), delimiter)
        if row.is_loose:
            return None, 0
        if row.is_open:
            continue
        by_themselves = [len(split_row(_unbroken(part), delimiter).cells) for part in parts]
        whole_rows = bool(width) and all(n == width for n in by_themselves)
        literal = by_themselves[0] == width and len(row.cells) != width
        return (None, 0) if literal or (delimiter == "\t" and whole_rows) else (row, n_more)
    return None, 0
