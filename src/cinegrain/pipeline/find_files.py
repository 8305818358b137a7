"""Finds the files that a catalogue names, tolerating differences in spelling."""

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
    "the name without its extension",
    "the name with an extension that the file lacks",
    "the folder that contains it",
)
"""How a path was matched, most certain first."""
BY_ITS_END: Final = "the end of the path"

_END = "\0"  # sorts before every character of a name
_splitext = os.path.splitext  # much quicker than pathlib
_LAST = chr(0x10FFFF)
SURE: Final = (-(1 << 30), 0)  # rank of an exact path
_FEW = 12  # maximum number of candidates in a message, or of parts of a film
_DRIVE = re.compile(r"[A-Za-z]:")
_FILE_URL = re.compile(r"file:/*(localhost(?=/))?", re.IGNORECASE)
_MOST_LIKE, _LEAST_ALIKE = 50, 0.5
_LONGEST_ENDING = 5  # of an unknown extension, with its dot


@dataclass(frozen=True)
class Found:
    """Files that a path in the catalogue may refer to.

    Attributes:
        files: One file, or the first few that match equally well.
        rank: Certainty; smaller is more certain. Compares two paths that match the same file.
        how: One of `HOW`, or `BY_ITS_END`.
        is_whole: Whether the whole path matches, not only its end.
    """

    files: tuple[Source, ...]
    rank: tuple[int, int]
    how: str
    is_whole: bool = True


class FileIndex:
    """Index of videos by the ends of their paths."""

    def __init__(self, files: Sequence[Source], videos: Source, beside: Path) -> None:
        """Indexes files.

        Args:
            files: The videos.
            videos: Folder or URL that they were found in.
            beside: Folder of the catalogue, to which paths may be relative.
        """
        self._files, self._videos, self._beside = files, videos, beside
        self._folders_here = [_absolute(folder) for folder in (videos, beside) if isinstance(folder, Path)]
        self._by_place = {_absolute(file): (file,) for file in files}

    def find(self, text: str) -> Found | None:
        """Files that a path in a catalogue refers to.

        The exact path comes first: relative to the videos, relative to the catalogue, or absolute. Otherwise the file
        with the longest matching end of the path, folder by folder, and among several the most similar spelling: exact;
        in another Unicode form, case or percent-encoding; without its extension; the folder that contains it and no
        other video.
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
                if n == len(parts):  # looser spellings match no more
                    break
        if best is None or not best.is_whole:
            for place in self._places(text):  # a file that is not among the videos; reading it reports why
                if os.path.isfile(place):  # noqa: PTH113 (it takes any text)
                    return Found((Path(place),), SURE, HOW[0])
        return best

    def nearest(self, text: str) -> Source | None:
        """The file with the name most similar to that of a path, or None."""
        wanted = _stem(_fold((re.split(r"[/\\]", unquote(text).rstrip("/\\"))[-1],))[0])
        shared = Counter(i for piece in _pieces(wanted) for i in self._by_piece.get(piece, ()))
        likely = {
            i: difflib.SequenceMatcher(None, wanted, self._stems[i]).ratio() for i, _ in shared.most_common(_MOST_LIKE)
        }
        best = max(likely, key=lambda i: (likely[i], -i), default=None)
        return None if best is None or likely[best] < _LEAST_ALIKE else self._files[best]

    def _same(self, text: str) -> Found | None:
        """Files at the exact path: a file, one with a further extension, or the videos of a folder."""
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
        """Absolute paths that a path may stand for, from the videos and from the catalogue."""
        path = str(text_path(text)) if text.startswith("file:") else text
        return [os.path.normpath(os.path.join(folder, path)) for folder in self._folders_here]  # noqa: PTH118

    def _levels(self, parts: Parts) -> list[tuple["_Tails", Callable[[Parts], Parts]]]:
        """Indexes from strict to loose; the position is the rank."""
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
        """Each folder under the videos, once per video in it or below."""
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
    """Paths indexed by their last parts."""

    def __init__(self, paths: Iterable[tuple[int, Parts]]) -> None:
        pairs = sorted((_backwards(parts), i) for i, parts in paths)
        self._keys = [key for key, _ in pairs]
        self._owners = [i for _, i in pairs]

    def longest(self, parts: Parts) -> tuple[int, list[int]]:
        """Maximum number of matching last parts, and the first few paths that have it."""
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
    """Number of equal first parts of two reversed paths."""
    pairs = zip(one.split(_END), other.split(_END), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] != "", pairs))


def _readings(text: str) -> list[Parts]:
    """A path as written, with backslashes as separators, and percent-decoded."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    slashed = text.replace("\\", "/")
    decoded = unquote(_FILE_URL.sub("/", slashed), errors="surrogateescape")
    readings = (tuple(_walked(form.split("/"))) for form in dict.fromkeys((text, slashed, decoded)))
    return [parts for parts in dict.fromkeys(readings) if parts]


def _walked(parts: Iterable[str]) -> list[str]:
    """Parts of a path without drive, empty parts, `.` and `..`."""
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
    """A file for a message: its path below the videos, if it is there."""
    if isinstance(file, Path) and isinstance(videos, Path):
        return str(file.relative_to(videos)) if file.is_relative_to(videos) else str(file)
    return str(file).removeprefix(f"{videos}".rstrip("/") + "/") or source_name(file)
