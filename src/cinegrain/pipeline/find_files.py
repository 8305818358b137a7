"""The files that a catalogue names, found by any honest spelling of their paths."""

import difflib
import os
import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote

from cinegrain.media.files import VIDEO_SUFFIXES, text_path
from cinegrain.media.remote import source_name
from cinegrain.types import Source

Parts: TypeAlias = tuple[str, ...]

HOW: Final = (
    "as written",
    "another spelling",
    "the name without its ending",
    "the name with an ending that the file lacks",
    "the folder that holds it",
)
"""How a path was found, the surest first."""
BY_ITS_END: Final = "the end of the path"

_END = "\0"  # sorts before every character of a name
_splitext = os.path.splitext  # much quicker than pathlib
_LAST = chr(0x10FFFF)
SURE: Final = (-(1 << 30), 0)  # the rank of the very path
_FEW = 12  # candidates that a message may name, or parts of one film
_DRIVE = re.compile(r"[A-Za-z]:")
_FILE_URL = re.compile(r"file:/*(localhost(?=/))?", re.IGNORECASE)
_MOST_LIKE, _LEAST_ALIKE = 50, 0.5
_LONGEST_ENDING = 5  # of one that is unknown, with its dot


@dataclass(frozen=True)
class Found:
    """What a path in the catalogue may mean.

    Attributes:
        files: One if it is clear, else the first few that fit equally well.
        rank: The smaller, the surer: compares two paths that mean the same file.
        how: One of `HOW`, or `BY_ITS_END`.
        is_whole: Whether all of the path agrees, not only its end.
    """

    files: tuple[Source, ...]
    rank: tuple[int, int]
    how: str
    is_whole: bool = True


class FileIndex:
    """The videos of a folder, or at an address, indexed once by the ends of their paths."""

    def __init__(self, files: Sequence[Source], videos: Source, beside: Path) -> None:
        """Takes the files.

        Args:
            files: The videos.
            videos: The folder, or the address of one, that they were found in.
            beside: The catalogue's folder: paths may be relative to it.
        """
        self._files, self._videos, self._beside = files, videos, beside
        self._folders_here = [_absolute(folder) for folder in (videos, beside) if isinstance(folder, Path)]
        self._by_place = {_absolute(file): (file,) for file in files}

    def find(self, text: str) -> Found | None:
        """The files that a path in a catalogue means.

        The path itself comes first: relative to the videos, relative to the catalogue, or absolute. Else the file
        counts that shares the longest end of the path, folder by folder, and among several the one spelled most alike:
        letter by letter; in another Unicode form, case or percent-encoding; without its ending; by the folder that
        holds it and no other video.
        """
        if (same := self._same(text)) is not None:
            return same
        best: Found | None = None
        for parts in _readings(text):
            as_written = parts == tuple(text.split("/"))
            for level, (tails, fold) in enumerate(self._levels(parts)):
                n, owners = tails.longest(fold(parts))
                if n and (best is None or (-n, level) < best.rank) and not any("|" in part for part in parts[:-n]):
                    is_whole = n == len(parts)
                    how = HOW[max(level, 1 - as_written)] if is_whole else BY_ITS_END
                    best = Found(tuple(self._files[i] for i in owners), (-n, level), how, is_whole)
                if n == len(parts):  # looser spellings agree no further
                    break
        if best is None or not best.is_whole:
            for place in self._places(text):  # what is no video among the others; reading it tells why
                if os.path.isfile(place):  # noqa: PTH113 (it takes any text)
                    return Found((Path(place),), SURE, HOW[0])
        return best

    def nearest(self, text: str) -> Source | None:
        """The file whose name is most like that of a path; None if none is like it."""
        wanted = _stem(_fold((re.split(r"[/\\]", unquote(text).rstrip("/\\"))[-1],))[0])
        shared = Counter(i for piece in _pieces(wanted) for i in self._by_piece.get(piece, ()))
        likely = {
            i: difflib.SequenceMatcher(None, wanted, self._stems[i]).ratio() for i, _ in shared.most_common(_MOST_LIKE)
        }
        best = max(likely, key=lambda i: (likely[i], -i), default=None)
        return None if best is None or likely[best] < _LEAST_ALIKE else self._files[best]

    def _same(self, text: str) -> Found | None:
        """What lies at the very path: a file, one with an ending behind it, or a folder with videos."""
        places = self._places(text)
        if not isinstance(self._videos, Path):
            places.insert(0, f"{self._videos.rstrip('/')}/{text.rstrip('/')}")
        levels: tuple[Mapping[str, Sequence[Source]], ...] = (self._by_place, self._by_stem, self._by_folder)
        for level, (known, how) in enumerate(zip(levels, (HOW[0], HOW[2], HOW[-1]), strict=True)):
            for place in places:
                if place in known:
                    return Found(tuple(known[place]), (SURE[0], level), how)
        return None

    def _places(self, text: str) -> list[str]:
        """Where a path leads to on this machine: from the videos, from the catalogue."""
        path = str(text_path(text)) if text.startswith("file:") else text
        return [os.path.normpath(os.path.join(folder, path)) for folder in self._folders_here]  # noqa: PTH118

    def _levels(self, parts: Parts) -> list[tuple["_Tails", Callable[[Parts], Parts]]]:
        """From strict to loose; a level's place is its rank."""
        ending = _splitext(parts[-1])[1].lower() in VIDEO_SUFFIXES
        levels: list[tuple[_Tails, Callable[[Parts], Parts]]] = [(self._as_is, tuple), (self._folded, _fold)]
        return [
            *levels,
            (_NOTHING if ending else self._without_ending, _fold),
            (self._bare if ending else _NOTHING, lambda parts: _shortened(_fold(parts))),
            (self._folders, _fold),
        ]

    @cached_property
    def _by_stem(self) -> dict[str, list[Source]]:
        found: dict[str, list[Source]] = {}
        for place, (file,) in self._by_place.items():
            if (stem := _stem(place)) != place:
                found.setdefault(stem, []).append(file)
        return found

    @cached_property
    def _by_folder(self) -> dict[str, list[Source]]:
        found: dict[str, list[Source]] = {}
        above = _absolute(self._videos).rstrip("/")
        for place, (file,) in self._by_place.items():
            while len(place := place.rpartition("/")[0]) > len(above):
                known = found.setdefault(place, [])
                if len(known) < _FEW:
                    known.append(file)
        return found

    @cached_property
    def _parts(self) -> list[Parts]:
        return [tuple(p for p in _absolute(file).split("/") if p) for file in self._files]

    @cached_property
    def _folded_parts(self) -> list[Parts]:
        return [
            _fold(tuple(map(unquote, parts)) if isinstance(file, str) else parts)
            for file, parts in zip(self._files, self._parts, strict=True)
        ]

    @cached_property
    def _as_is(self) -> "_Tails":
        return _Tails(enumerate(self._parts))

    @cached_property
    def _folded(self) -> "_Tails":
        return _Tails(enumerate(self._folded_parts))

    @cached_property
    def _without_ending(self) -> "_Tails":
        return _Tails((i, _shortened(parts)) for i, parts in enumerate(self._folded_parts))

    @cached_property
    def _bare(self) -> "_Tails":
        return _Tails((i, parts) for i, parts in enumerate(self._folded_parts) if not _has_ending(parts))

    @cached_property
    def _folders(self) -> "_Tails":
        """Each folder under the videos, once for every video in it or below."""
        n_above = len([p for p in _absolute(self._videos).split("/") if p])
        return _Tails(
            (i, parts[:n]) for i, parts in enumerate(self._folded_parts) for n in range(n_above + 1, len(parts))
        )

    @cached_property
    def _stems(self) -> list[str]:
        return [_stem(parts[-1]) for parts in self._folded_parts]

    @cached_property
    def _by_piece(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for i, stem in enumerate(self._stems):
            for piece in _pieces(stem):
                found.setdefault(piece, []).append(i)
        return found


class _Tails:
    """Paths, found by the number of their last parts that agree with those of another."""

    def __init__(self, paths: Iterable[tuple[int, Parts]]) -> None:
        pairs = sorted((_backwards(parts), i) for i, parts in paths)
        self._keys = [key for key, _ in pairs]
        self._owners = [i for _, i in pairs]

    def longest(self, parts: Parts) -> tuple[int, list[int]]:
        """How many last parts agree at most, and the first few paths for which they do."""
        key = _backwards(parts)
        at = bisect_left(self._keys, key)
        n = max((_agreeing(key, near) for near in self._keys[max(0, at - 1) : at + 1]), default=0)
        if not n:
            return 0, []
        common = _backwards(parts[-n:])
        first, end = bisect_left(self._keys, common), bisect_left(self._keys, common + _LAST)
        return n, self._owners[first : min(end, first + _FEW)]


_NOTHING = _Tails(())


def _backwards(parts: Parts) -> str:
    return "".join(f"{part}{_END}" for part in reversed(parts))


def _agreeing(one: str, other: str) -> int:
    """The number of first parts that two backward paths share."""
    pairs = zip(one.split(_END), other.split(_END), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] != "", pairs))


def _readings(text: str) -> list[Parts]:
    """A path as written, with backslashes as separators, and with percent-encoding resolved."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    slashed = text.replace("\\", "/")
    decoded = unquote(_FILE_URL.sub("/", slashed), errors="surrogateescape")
    readings = (tuple(_walked(form.split("/"))) for form in dict.fromkeys((text, slashed, decoded)))
    return [parts for parts in dict.fromkeys(readings) if parts]


def _walked(parts: Iterable[str]) -> list[str]:
    """Without drive, empty parts, `.` and `..`."""
    walked: list[str] = []
    for part in parts:
        if part == "..":
            walked = walked[:-1]
        elif part not in ("", ".") and (walked or not _DRIVE.fullmatch(part)):
            walked.append(part)
    return walked


def _fold(parts: Parts) -> Parts:
    return tuple(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", part).casefold()) for part in parts)


def _has_ending(parts: Parts) -> bool:
    return _splitext(parts[-1])[1] in VIDEO_SUFFIXES


def _shortened(parts: Parts) -> Parts:
    return (*parts[:-1], _stem(parts[-1]))


def _stem(name: str) -> str:
    stem, ending = _splitext(name)
    return stem if ending.lower() in VIDEO_SUFFIXES or len(ending) <= _LONGEST_ENDING else name


def _pieces(name: str) -> set[str]:
    padded = f"  {name} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def _absolute(place: Source) -> str:
    return place if isinstance(place, str) else os.path.abspath(place).replace(os.sep, "/")  # noqa: PTH100 (links stay)


def shown(file: Source, videos: Source) -> str:
    """A file in a message: its path below the videos, if it is there."""
    if isinstance(file, Path) and isinstance(videos, Path):
        return str(file.relative_to(videos)) if file.is_relative_to(videos) else str(file)
    return str(file).removeprefix(f"{videos}".rstrip("/") + "/") or source_name(file)
