"""Matches rows of a catalogue with files, each file with at most one row."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cinegrain.media.files import text_path
from cinegrain.media.remote import source
from cinegrain.pipeline.find_files import BY_ITS_END, HOW, SURE, FileIndex, shown
from cinegrain.pipeline.match_titles import DOUBTFUL_BELOW, film_of, match_titles, parts_in_order
from cinegrain.readers.catalog.read import CatalogRow
from cinegrain.types import Source
from cinegrain.urls import is_address

_MOST_HINTS, _MOST_NAMED = 20, 3
PART_MARK: Final = "|"


@dataclass(frozen=True)
class MatchedRow:
    """A row and its files.

    Attributes:
        row: Row of the catalogue.
        paths: Files of the film in order.
        how: Rule that matched them.
        confidence: 0..1; 1 if the catalogue names the file.
    """

    row: CatalogRow
    paths: tuple[Source, ...]
    how: str
    confidence: float = 1.0


@dataclass(frozen=True)
class Matching:
    """Rows with files, in the order of the catalogue, and a note for each row without."""

    rows: tuple[MatchedRow, ...]
    notes: tuple[str, ...]

    @property
    def told(self) -> tuple[MatchedRow, ...]:
        """Rows whose files differ from those that the catalogue names."""
        return tuple(match for match in self.rows if match.how != HOW[0])


def match_rows(rows: Sequence[CatalogRow], files: Sequence[Source], videos: Source, beside: Path) -> Matching:
    """Finds the files of each row.

    Rows that name a file are matched first, most certain first; others are matched by title with the remaining files.

    Args:
        rows: Rows of the catalogue.
        files: Videos.
        videos: Folder or URL that they were found in.
        beside: Folder of the catalogue.

    Raises:
        ConfigError: If films are not read from URLs of some kind in the catalogue.
    """
    named = _Named(FileIndex(files, videos, beside), videos)
    matches, notes = named.match({i: row for i, row in enumerate(rows) if row.file})
    nameless = {i: row for i, row in enumerate(rows) if not row.file}
    if nameless:
        used = {path for match in matches.values() for path in match.paths}
        by_title, more = _by_title(nameless, [file for file in files if file not in used], videos, named.index)
        matches, notes = matches | by_title, notes | more
    found = tuple(matches[i] for i in sorted(matches))
    return Matching(found, (*_summary(found, videos), *(notes[i] for i in sorted(notes))))


@dataclass(frozen=True)
class _Named:
    """Matches rows that name files."""

    index: FileIndex
    videos: Source

    def match(self, rows: dict[int, CatalogRow]) -> tuple[dict[int, MatchedRow], dict[int, str]]:
        """Matches and notes by index of the row."""
        claims: dict[int, _Claim] = {}
        notes: dict[int, str] = {}
        n_hints = 0
        for i, row in rows.items():
            try:
                claims[i] = self._claim(row.file)
            except _NoFileError as error:
                n_hints += error.is_unknown
                why = self._no_file(row.file, n_hints) if error.is_unknown else str(error)
                notes[i] = f"catalogue row {row.file!r} {why} and is left out"
        by_end = Counter(claim.paths[0] for claim in claims.values() if claim.how == BY_ITS_END)
        matches: dict[int, MatchedRow] = {}
        used: set[Source] = set()
        for i, claim in sorted(claims.items(), key=lambda item: item[1].rank):
            what = f"catalogue row {rows[i].file!r}"
            if not used.isdisjoint(claim.paths):
                notes[i] = f"{what} names a file that belongs to another row and is left out"
            elif claim.how == BY_ITS_END and by_end[claim.paths[0]] > 1:
                name = shown(claim.paths[0], self.videos)
                notes[i] = f"{what} may mean {name!r}, and so may another row: both are left out"
            else:
                used.update(claim.paths)
                matches[i] = MatchedRow(rows[i], claim.paths, claim.how)
        return matches, notes

    def _claim(self, text: str) -> "_Claim":
        """Files that a cell names; the whole cell is tried first, since a file's name may contain the separator.

        Raises:
            _NoFileError: If there are none, or it is ambiguous.
        """
        texts = [part.strip() for part in text.split(PART_MARK) if part.strip()]
        if is_address(text):
            several = len(texts) > 1 and all(map(is_address, texts))
            return self._parts(texts) if several else _Claim((source(text),), SURE, HOW[0])
        found = self.index.find(text)
        if found is None:
            if len(texts) > 1:
                return self._parts(texts)
            raise _NoFileError(is_unknown=True)
        if len(found.files) == 1:
            return _Claim(found.files, found.rank, found.how)
        order = parts_in_order([shown(file, self.videos) for file in found.files]) if found.how == HOW[-1] else ()
        if order:
            return _Claim(tuple(found.files[i] for i in order), found.rank, found.how)
        raise _NoFileError(f"may mean {_named(found.files, self.videos)}")

    def _parts(self, texts: Sequence[str]) -> "_Claim":
        """Files of a cell that lists several; further ones, possibly sound alone, are often beside the first.

        Raises:
            _NoFileError: If one is missing.
        """
        paths: list[Source] = []
        first: _Claim | None = None
        for text in texts:
            near = self._beside_first(paths[0], text) if paths else None
            try:
                claim = self._claim(text) if near is None else _Claim((near,), (0, 0), HOW[0])
            except _NoFileError as error:
                raise _NoFileError(f"names {text!r}, which {error},") from None
            first = first or claim
            paths += claim.paths
        assert first is not None
        return _Claim(tuple(dict.fromkeys(paths)), first.rank, first.how)

    def _beside_first(self, first: Source, text: str) -> Source | None:
        if not isinstance(first, Path):
            return None
        path = first.parent / text_path(text)
        return path if os.path.isfile(path) else None  # noqa: PTH113 (it takes any text)

    def _no_file(self, text: str, n_hints: int) -> str:
        near = self.index.nearest(text) if n_hints <= _MOST_HINTS else None
        return "has no file in the folder" + (
            f" (the nearest is {shown(near, self.videos)!r})" if near is not None else ""
        )


class _NoFileError(Exception):
    """Why a cell has no file; unknown if no file has a similar name."""

    def __init__(self, why: str = "has no file", *, is_unknown: bool = False) -> None:
        super().__init__(why)
        self.is_unknown = is_unknown


@dataclass(frozen=True)
class _Claim:
    paths: tuple[Source, ...]
    rank: tuple[int, int]
    how: str


def _by_title(
    rows: dict[int, CatalogRow], files: Sequence[Source], videos: Source, index: FileIndex
) -> tuple[dict[int, MatchedRow], dict[int, str]]:
    numbers = list(rows)
    films = [film_of(row.trailer_id, row.title, row.year, row.text) for row in rows.values()]
    matches, unclear = match_titles(films, [shown(file, videos) for file in files])
    found = {
        numbers[m.film]: MatchedRow(rows[numbers[m.film]], tuple(files[i] for i in m.files), m.how, m.confidence)
        for m in matches
    }
    notes = {}
    for case in unclear:
        for film in case.films:
            if numbers[film] not in found:
                others = ", as may another film," if len(case.films) > 1 else ""
                names = _named([files[i] for i in case.files], videos)
                notes[numbers[film]] = f"{_film(rows[numbers[film]])} may be {names}{others} and is left out"
    without = [i for i in numbers if i not in found and i not in notes]
    for n, i in enumerate(without):
        near = index.nearest(rows[i].title) if n < _MOST_HINTS else None
        hint = f" (the nearest is {shown(near, videos)!r})" if near is not None else ""
        notes[i] = f"{_film(rows[i])} has no file by its title{hint} and is left out"
    return found, notes


def _summary(matches: Sequence[MatchedRow], videos: Source) -> Iterator[str]:
    """Notes on files not matched by exact path, with each doubtful film."""
    told = [match for match in matches if match.how != HOW[0]]
    by_title = [match for match in told if not match.row.file]
    by_path = [match for match in told if match.row.file]
    if by_path:
        first = by_path[0]
        yield (
            f"{_films(len(by_path))} matched by another spelling of the path, for example {first.row.file!r} as "
            f"{shown(first.paths[0], videos)!r}: matches.csv lists them"
        )
    if by_title:
        yield f"{_films(len(by_title))} matched by title and year in the names of files: matches.csv lists them"
    for match in by_title:
        if match.confidence < DOUBTFUL_BELOW:
            yield (
                f"{_film(match.row)} is doubtful: matched with {shown(match.paths[0], videos)!r} "
                f"(by {match.how}, confidence {match.confidence:.2f})"
            )


def _films(n: int) -> str:
    return f"{n} film{'s were' if n > 1 else ' was'}"


def _film(row: CatalogRow) -> str:
    return f"film {row.title!r}" + (f" ({row.year})" if row.year else "")


def _named(files: Sequence[Source], videos: Source) -> str:
    names = [repr(shown(file, videos)) for file in files]
    return " or ".join([*names[:_MOST_NAMED], *(["others"] if len(names) > _MOST_NAMED else [])])
