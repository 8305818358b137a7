"""Normalises names of genres: synonyms, other languages and TMDB's numbers."""

import csv
import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from pathlib import Path

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.cells import cell_text, cell_year
from cinegrain.readers.catalog.columns import Reading
from cinegrain.readers.catalog.folding import fold
from cinegrain.readers.catalog.json_records import read_json_list
from cinegrain.readers.catalog.notes import HANDFUL, Notes, some
from cinegrain.readers.catalog.table import raw_rows
from cinegrain.readers.catalog.unpack import kind_of

_ALIKE = 0.86  # difflib's ratio: Thriler and Thriller have .93, Western and Eastern .86; only makes a note
_MAX_COMPARED = 300
_MAX_MAP_ROWS = 100_000
_TOO_CLOSE_TO_CALL = "?"  # marks a word with another meaning in English


@dataclass(frozen=True)
class KnownGenres:
    """The package's list of genres.

    Attributes:
        by_id: English name by TMDB's number.
        english: English name by folded English spelling.
        foreign: English name by folded spelling in another language.
        languages: Languages in which a folded spelling is unique.
        doubtful: English name and language by folded spelling, for words that count only beside others of it.
    """

    by_id: Mapping[str, str]
    english: Mapping[str, str]
    foreign: Mapping[str, str]
    languages: Mapping[str, str]
    doubtful: Mapping[str, tuple[str, frozenset[str]]]


@lru_cache(maxsize=1)
def known_genres() -> KnownGenres:
    """TMDB's genres of films and series and a few more, with their names in eight languages (genres.tsv)."""
    text = files("cinegrain.readers.catalog").joinpath("genres.tsv").read_text(encoding="utf-8")
    by_id: dict[str, str] = {}
    english: dict[str, str] = {}
    foreign: dict[str, str] = {}
    spoken: dict[str, set[str]] = {}
    doubtful: dict[str, tuple[str, frozenset[str]]] = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        name, number = row.pop("name"), row.pop("id")
        if number:
            by_id[number] = name
        english.update((fold(word), name) for word in (name, *filter(None, row.pop("en").split("|"))))
        for language, words in row.items():
            for word in filter(None, words.split("|")):
                key = fold(word)
                if word.startswith(_TOO_CLOSE_TO_CALL):
                    doubtful[key] = (name, doubtful.get(key, (name, frozenset()))[1] | {language})
                else:
                    foreign[key] = name
                    spoken.setdefault(key, set()).add(language)
    only = {key: next(iter(who)) for key, who in spoken.items() if len(who) == 1 and key not in english}
    return KnownGenres(by_id, english, {k: v for k, v in foreign.items() if k not in english}, only, doubtful)


@dataclass(frozen=True)
class GenreMap:
    """Names that genres become, by folded name; an empty tuple drops the genre."""

    entries: Mapping[str, tuple[str, ...]]
    spelled: Mapping[str, str]


def read_genre_map(path: Path | None) -> GenreMap:
    """Reads a table with the columns from and to; an empty `to` drops the genre, several are separated by `|`.

    Raises:
        ConfigError: If it is missing, does not have two columns, or has contradictions.
    """
    if path is None:
        return GenreMap({}, {})
    if not path.is_file():
        raise ConfigError(f"There is no file at {path} (--genre-map). Give a table with the columns from and to.")
    entries: dict[str, tuple[str, ...]] = {}
    spelled: dict[str, str] = {}
    for where, cells in _pairs(path):
        if not cells or not cells[0] or len(cells) > 2:
            raise ConfigError(
                f"{where} of {path} must have two cells, from and to, but has {len(cells)}: {some(cells)}."
            )
        key, to = (
            fold(cells[0]),
            tuple(name for part in cells[1:] for piece in part.split("|") if (name := piece.strip())),
        )
        if entries.setdefault(key, to) != to:
            raise ConfigError(f"{where} of {path} maps {cells[0]!r} again, to something else.")
        spelled.setdefault(key, cells[0])
    return GenreMap(entries, spelled)


def _pairs(path: Path) -> list[tuple[str, list[str]]]:
    if kind_of(path) in ("json", "jsonl"):
        records = enumerate(read_json_list(path), start=1)
        return [(f"Row {n}", [cell_text(r.get("from")), cell_text(r.get("to"))]) for n, r in records]
    rows = []
    for row in raw_rows(path, lambda cells: 2 * (len(cells) == 2) + ([fold(c) for c in cells[:2]] == ["from", "to"])):
        cells = [cell_text(cell) for cell in row.cells]
        while len(cells) > 2 and not cells[-1]:
            cells.pop()
        if [cell.lower() for cell in cells] != ["from", "to"] and any(cells):
            rows.append((f"Line {row.line}", cells))
    if len(rows) > _MAX_MAP_ROWS:
        raise ConfigError(
            f"{path} has more than {_MAX_MAP_ROWS:,} lines and so is not a map of genres. Check the path."
        )
    return rows


class GenreNames:
    """Decides the name of each spelling in a catalogue, after all have been added."""

    def __init__(self, reading: Reading) -> None:
        """Reads the genre map.

        Raises:
            ConfigError: If it cannot be read.
        """
        self._map = read_genre_map(reading.genre_map)
        self._seen: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def is_known(self, name: str) -> bool:
        """Whether a text is the name of one genre, in the genre map or the package's list."""
        key, known = fold(name), known_genres()
        return key in self._map.entries or key in known.english or key in known.foreign or name.strip() in known.by_id

    def add(self, names: Iterable[str], where: str) -> None:
        """Adds the genres of one film."""
        for name in names:
            self._seen[name] += 1
            self._first.setdefault(name, where)

    def settle(self, notes: Notes) -> dict[str, tuple[str, ...]]:
        """Names of each spelling; none if it is dropped.

        A genre gets its name in the genre map, else TMDB's English name, unless the catalogue has only other English
        spellings, of which the first is kept.
        """
        known = known_genres()
        numbers = self._numbers(notes)
        languages = {known.languages[key] for name in self._seen if (key := fold(name)) in known.languages}
        keys: dict[str, tuple[str, ...]] = {}  # genres by spelling
        called: dict[str, str] = {}
        for name in self._seen:
            key = fold(name)
            if key in self._map.entries:
                pairs = [(self._mapped_key(key, to, languages), to) for to in self._map.entries[key]]
                keys[name] = tuple(genre for genre, _ in pairs)
                called.update(pairs)
            elif name in numbers:
                keys[name] = tuple(fold(genre) for genre in numbers[name])
            else:
                keys[name] = (self._genre_key(key, languages),)
        first_english: dict[str, str] = {}
        english_names: dict[str, str] = {fold(name): name for name in known.english.values()}
        for name in self._seen:
            if name not in numbers and fold(name) not in self._map.entries:
                genre, key = keys[name][0], fold(name)
                if key == genre or genre not in english_names or key in known.english:
                    best = key == genre and fold(first_english.get(genre, "")) != genre
                    first_english[genre] = name if best else first_english.get(genre, name)
        result = {
            name: tuple(dict.fromkeys(called.get(g) or first_english.get(g) or english_names.get(g, g) for g in genres))
            for name, genres in keys.items()
        }
        self._note_joined(result, notes)
        self._note_unused(notes)
        _note_alike(result, notes)
        return result

    def _genre_key(self, key: str, languages: set[str]) -> str:
        known = known_genres()
        name = known.english.get(key) or known.foreign.get(key)
        if name is None and key in known.doubtful and known.doubtful[key][1] & languages:
            name = known.doubtful[key][0]
        return key if name is None else fold(name)

    def _mapped_key(self, key: str, to: str, languages: set[str]) -> str:
        """Key of a mapped name; a name mapped to itself is a separate genre."""
        return key if fold(to) == key else self._genre_key(fold(to), languages)

    def _numbers(self, notes: Notes) -> dict[str, tuple[str, ...]]:
        """Spellings that are numbers: TMDB's become names; others are kept only if most genres are numbers."""
        by_id = known_genres().by_id
        numbers = [name for name in self._seen if name.isdecimal() and fold(name) not in self._map.entries]
        strange = [name for name in numbers if name not in by_id]
        n_strange = sum(self._seen[name] for name in strange)
        if not strange:
            if numbers:
                notes.add(f"numbers of genres are interpreted as TMDB's: {some([f'{n} {by_id[n]}' for n in numbers])}")
            return {name: (by_id[name],) for name in numbers}
        if 2 * n_strange > self._seen.total() and not any(map(cell_year, strange)):
            notes.add(
                f"genres are numbers that TMDB does not have ({some(strange)}), and are kept; --genre-map can name them"
            )
            return {name: (name,) for name in numbers}
        for name in strange:
            notes.add(
                f"catalogue {self._first[name]}: genre {name!r} is only a number and is left out; is a cell misplaced?",
                "genres that are only a number",
            )
        return {name: (by_id[name],) if name in by_id else () for name in numbers}

    def _note_joined(self, result: Mapping[str, tuple[str, ...]], notes: Notes) -> None:
        joined: dict[str, list[str]] = {}
        dropped = []
        for name, genres in result.items():
            if not genres and fold(name) in self._map.entries:
                dropped.append(name)
            elif not name.isdecimal() and genres and [fold(g) for g in genres] != [fold(name)]:
                joined.setdefault(" and ".join(genres), []).append(name)
        if joined:
            told = [f"{some(names)} {'is' if len(names) == 1 else 'are'} read as {to}" for to, names in joined.items()]
            more = f"; and {len(told) - 2 * HANDFUL} more" if len(told) > 2 * HANDFUL else ""
            notes.add("genres: " + "; ".join(told[: 2 * HANDFUL]) + more)
        if dropped:
            notes.add(f"genres left out by --genre-map: {some(dropped)}")

    def _note_unused(self, notes: Notes) -> None:
        seen = set(map(fold, self._seen))
        unused = [spelled for key, spelled in self._map.spelled.items() if key not in seen]
        if unused:
            notes.add(f"--genre-map names genres that no film has: {some(unused)}")


def _note_alike(result: Mapping[str, Sequence[str]], notes: Notes) -> None:
    known = known_genres()
    names = list(dict.fromkeys(genre for genres in result.values() for genre in genres))[:_MAX_COMPARED]
    for one, other in combinations(names, 2):
        a, b = fold(one), fold(other)
        if (a in known.english and b in known.english) or one.isdecimal() or other.isdecimal():
            continue
        matcher = difflib.SequenceMatcher(None, a, b)
        if matcher.real_quick_ratio() > _ALIKE and matcher.quick_ratio() > _ALIKE and matcher.ratio() > _ALIKE:
            notes.add(
                f"genres {one!r} and {other!r} look alike but are kept apart; --genre-map can merge them",
                "pairs of genres that look alike",
            )
