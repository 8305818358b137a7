"""Matches films without file names by title, year and identifier in the names of files."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final, TypeAlias

Words: TypeAlias = tuple[str, ...]

DOUBTFUL_BELOW: Final = 0.75
_BY_ID, _BY_NUMBER, _TITLE_AND_YEAR, _TITLE, _SHORT_TITLE = 1.0, 0.9, 0.95, 0.8, 0.7
_NO_ARTICLE, _BY_FOLDER = 0.05, 0.25  # removed
_MOST_WORDS, _LONGEST_LEAD, _FOLDERS, _LONGEST_ENDING = 24, 4, 2, 6
_LONGEST_ID = 80  # of a cell with an identifier, possibly in a URL
_GROUP = re.compile(r"^\[[^\]\d]*\] *(?=.)")  # release group
_FIRST_YEAR, _LAST_YEAR = 1888, 2035
_TITLE_COLUMNS = ("original_title", "originaltitle", "primarytitle", "alternative_title", "title_original")
_IMDB = re.compile(r"tt\d{7,9}")
_ARTICLES = frozenset(
    (
        *("the", "a", "an", "der", "die", "das", "ein", "eine", "le", "la", "les", "un", "une", "el", "los", "las"),
        *("il", "lo", "gli", "de", "het", "den", "det", "en"),
    )
)
_ROMAN = {
    roman: str(i) for i, roman in enumerate(["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"], start=1)
}
_TRAILING_ARTICLE = re.compile(r"^(?P<rest>[^,]+), (?P<article>\w+|l')(?=$| *[(\[:])", re.IGNORECASE)
_YEAR_AT_END = re.compile(r"\s*[(\[](\d{4})[)\]]\s*$")
# Words of release names that end a title; words that titles may end in are not included.
_JUNK = re.compile(
    r"trailers?|teasers?|official|promo|featurette|\d{3,4}[pi]|[248]k|uhd|hdr(10)?|hd|sd|fhd|bluray|blu|bdrip|brrip|"
    r"bdremux|dvd(rip|r|5|9|scr)?|web(rip|dl)|hdtv|hdrip|pdtv|vhs(rip)?|telesync|remux|x26[45]|h26[45]|hevc|avc|av1|"
    r"xvid|divx|mpeg[24]?|prores|\d+bit|aac\d*|ac3|dts|ddp?\d*|atmos|flac|mp3|proper|repack|unrated|uncut|extended|"
    r"remastered|imax|dubbed|subbed|omu|ov|vost|vostfr|cd\d*|disc\d*|disk\d*|part\d+|pt\d+|tt\d{7,9}|imdb(id)?|"
    r"tmdb(id)?|\d+x\d+"
)
_GENERIC = re.compile(r"movie|film|video|clip|main|feature|index|play|sample|preview|vts|ts|\d+")
_PART = re.compile(r"\b(?:cd|dis[ck]|part|pt|teil|reel)[ ._-]*(\d{1,2})\b|^vts_\d+_(\d)$", re.IGNORECASE)


@dataclass(frozen=True)
class Film:
    """Titles and identifiers of a film in the catalogue."""

    titles: tuple[str, ...]
    year: int | None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class TitleMatch:
    """Files of a film in order, and the confidence, 0..1."""

    film: int
    files: tuple[int, ...]
    confidence: float
    how: str


@dataclass(frozen=True)
class Unclear:
    """An ambiguous match, which is not used: a film with several files, or a file with several films."""

    films: tuple[int, ...]
    files: tuple[int, ...]


def film_of(trailer_id: str, title: str, year: int | None, text: Mapping[str, str]) -> Film:
    """Title, original title and identifiers of a row of the catalogue."""
    named = re.compile(r"(?:.*_)?id|tconst|imdb|.*_id|const", re.IGNORECASE)
    others = [value for name, value in text.items() if name.strip().lower().replace(" ", "_") in _TITLE_COLUMNS]
    ids = [value for name, value in text.items() if named.fullmatch(name.strip().replace(" ", "_"))]
    ids += [found for value in text.values() if len(value) <= _LONGEST_ID for found in _IMDB.findall(value)]
    titles = [title, *others]
    if year is None and (found := _YEAR_AT_END.search(title)):
        year = int(found[1])
    titles = [_YEAR_AT_END.sub("", name) if str(year) in name else name for name in titles]
    ids = [trailer_id, *ids] if trailer_id != title else ids
    return Film(tuple(dict.fromkeys(filter(None, titles))), year, tuple(dict.fromkeys(filter(None, ids))))


def match_titles(films: Sequence[Film], files: Sequence[str]) -> tuple[list[TitleMatch], list[Unclear]]:
    """Matches films and files.

    An identifier in a file's name decides. Otherwise the name of the file, or of a folder it is in, must start with the
    title, word for word, followed only by a year and words of release names. A contradicting year rules a film out. The
    longer of two matching titles wins. Ambiguous matches are not used.

    Args:
        films: The films.
        files: Paths with `/`, below the folder of videos.

    Returns:
        Matches by film, and ambiguous ones. A file is in at most one match.
    """
    known = _Names.of(films)
    offers = {i: found for i, file in enumerate(files) if (found := _best(known.candidates(file)))}
    by_film: dict[int, list[tuple[int, _Candidate]]] = defaultdict(list)
    unclear: list[Unclear] = []
    for i, found in offers.items():
        if len(found) > 1:
            unclear.append(Unclear(tuple(sorted(c.film for c in found)), (i,)))
        else:
            by_film[found[0].film].append((i, found[0]))
    matches = []
    for film, found_in in sorted(by_film.items()):
        top = max(candidate.confidence for _, candidate in found_in)
        best = [(i, candidate) for i, candidate in found_in if candidate.confidence == top]
        order = [0] if len(best) == 1 else parts_in_order([files[i] for i, _ in best])
        if order:
            matches.append(TitleMatch(film, tuple(best[i][0] for i in order), round(top, 2), best[0][1].how))
        else:
            unclear.append(Unclear((film,), tuple(i for i, _ in best)))
    return matches, unclear


def words_of(text: str) -> Words:
    """Words of a title or a file's name, without case, accents and apostrophes; Roman numerals become Arabic."""
    plain = unicodedata.normalize("NFKD", text.replace("&", " and ").replace("ß", "ss")).casefold()
    plain = re.sub(r"[\u0300-\u036f'’`´]", "", plain)
    return tuple(_ROMAN.get(word, word) for word in re.findall(r"[^\W_]+", plain))


@dataclass(frozen=True)
class _Candidate:
    film: int
    confidence: float
    n_letters: int  # of the title
    how: str


@dataclass(frozen=True)
class _Names:
    """Index of films by titles and identifiers."""

    films: Sequence[Film]
    by_id: Mapping[str, list[int]]
    by_title: Mapping[str, Mapping[int, bool]]  # letters of a title -> films, and whether an article was dropped

    @classmethod
    def of(cls, films: Sequence[Film]) -> "_Names":
        by_id: dict[str, list[int]] = defaultdict(list)
        by_title: dict[str, dict[int, bool]] = defaultdict(dict)
        for i, film in enumerate(films):
            for name in film.ids:
                by_id[name.casefold()].append(i)
            for title in film.titles:
                for words, shortened in _variants(title):
                    known = by_title["".join(words)]
                    known[i] = known.get(i, True) and shortened
        return cls(films, by_id, by_title)

    def candidates(self, file: str) -> list[_Candidate]:
        """Every film that a file may match."""
        path = PurePosixPath(file)
        folders = [part for part in reversed(path.parts[:-1]) if part != "/"][:_FOLDERS]
        name = _GROUP.sub("", path.stem if len(path.suffix) <= _LONGEST_ENDING else path.name)
        ids = _IMDB.findall(file.casefold())
        numbered = [_Candidate(i, _BY_NUMBER, 0, "identifier") for i in self.by_id.get(name, []) if name.isdigit()]
        for key in (*ids, name.casefold(), *(f.casefold() for f in folders if not f.isdigit())):
            if key in self.by_id and not key.isdigit():
                return [_Candidate(film, _BY_ID, 0, "identifier") for film in self.by_id[key]]
        own, around = words_of(name), [words_of(folder) for folder in folders]
        found = self._titled(own, around)
        if not found:
            is_generic = all(_is_junk(word) or _GENERIC.fullmatch(word) for word in own)
            loss = 0.0 if is_generic else _BY_FOLDER
            found = [
                replace(c, confidence=c.confidence - loss, how=f"{c.how} of the folder")
                for words in around
                for c in self._titled(words, [own])
            ]
        return numbered + [c for c in found if not (ids and any(map(_IMDB.fullmatch, self.films[c.film].ids)))]

    def _titled(self, words: Words, around: Sequence[Words]) -> list[_Candidate]:
        found = []
        for start in range(min(_LONGEST_LEAD, len(words))):
            if not all(_is_lead(word) for word in words[:start]):
                break
            letters = ""
            for end in range(start + 1, min(len(words), start + _MOST_WORDS) + 1):
                letters += words[end - 1]
                for film, shortened in self.by_title.get(letters, {}).items():
                    if (years := _years(words[:start], words[end:])) is None:
                        continue
                    year, beside, doubt = self.films[film].year, _years_beside(letters, around), shortened * _NO_ARTICLE
                    stated = years or beside
                    if year is not None and (stated or year in _loose_years(around)):
                        if not stated or year in stated:
                            found.append(_Candidate(film, _TITLE_AND_YEAR - doubt, len(letters), "title and year"))
                    else:
                        sure = _TITLE if end - start > 1 else _SHORT_TITLE
                        found.append(_Candidate(film, sure - doubt, len(letters), "title"))
        return found


def _years(before: Words, after: Words) -> set[int] | None:
    """Years around a title; None if there are other words, so that the title is longer."""
    years, rest = [_year(word) for word in before], list(after)
    if rest and _year(rest[0]) is None and not _is_junk(rest[0]):
        return None
    return {year for year in (*years, *map(_year, rest)) if year}


def _years_beside(title: str, around: Sequence[Words]) -> set[int]:
    """Years in the names of folders named after the film, or after a year."""
    called = [words for words in around if "".join(words).startswith(title) or len(words) == 1]
    return {year for words in called for year in map(_year, words) if year}


def _loose_years(around: Sequence[Words]) -> set[int]:
    return {year for words in around for year in map(_year, words) if year}


def _best(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """The best candidates by length of the title and confidence; one per film."""
    by_film: dict[int, _Candidate] = {}
    for c in candidates:
        known = by_film.get(c.film)
        if known is None or (c.confidence, c.n_letters) > (known.confidence, known.n_letters):
            by_film[c.film] = c
    every = list(by_film.values())
    return [
        c
        for c in every
        if not any(
            other.n_letters >= c.n_letters
            and other.confidence >= c.confidence
            and (other.n_letters, other.confidence) != (c.n_letters, c.confidence)
            for other in every
        )
    ]


def _variants(title: str) -> Iterator[tuple[Words, bool]]:
    """Spellings of a title, and whether an article was dropped."""
    turned = _TRAILING_ARTICLE.sub(r"\g<article> \g<rest>", title)
    for form in dict.fromkeys((title, turned)):
        words = words_of(form)
        if words:
            yield words, False
            if len(words) > 1 and words[0] in _ARTICLES:
                yield words[1:], True
                yield (*words[1:], words[0]), False  # "Matrix, The"


def parts_in_order(files: Sequence[str]) -> list[int]:
    """Indices of files in their order as parts of one film (CD1, CD2; VTS_01_1, VTS_01_2), else none."""
    numbered: dict[int, int] = {}
    kinds = set()
    for i, file in enumerate(files):
        path = PurePosixPath(file)
        found = _PART.search(path.stem)
        if not found:
            return []
        numbered[int(found[1] or found[2])] = i
        kinds.add((path.parent, path.suffix.lower(), path.stem[: found.start(1 if found[1] else 2)].casefold()))
    whole = len(kinds) == 1 and sorted(numbered) == list(range(1, len(files) + 1))
    return [numbered[number] for number in sorted(numbered)] if whole else []


def _is_junk(word: str) -> bool:
    return _JUNK.fullmatch(word) is not None


def _is_lead(word: str) -> bool:
    """Whether words may precede a title: a number in a list, a year, or words such as "official trailer"."""
    return word.isdigit() or _is_junk(word)


def _year(word: str) -> int | None:
    return int(word) if len(word) == 4 and word.isdigit() and _FIRST_YEAR <= int(word) <= _LAST_YEAR else None
