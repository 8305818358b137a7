"""Recognises exports of well-known sites by their headers."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ARTICLE = re.compile(r"(.+?), (The|An?|L[aeo]s?|L'|Les|Il|I|Gli|El|Los|Un[ae]?|D[ae][smrnt]|Det|Os?|As?)")
_TITLE_YEAR = re.compile(r"(.*?)\s*\((\d{4})(?:\s*[-–]\s*\d{0,4})?\)\s*")
_ALSO = re.compile(r"(.+?)\s+\((?:a\.k\.a\.\s*)?.+\)")
_ENTITY = re.compile(r"https?://www\.wikidata\.org/(?:entity|wiki)/(Q\d+)")


def _as_it_is(text: str) -> str:
    return text


def _no_year(title: str) -> tuple[str, str]:
    return title, ""


def _none(cells: Mapping[str, Any]) -> str:
    del cells
    return ""


@dataclass(frozen=True)
class Export:
    """A known export and how to read its columns.

    Attributes:
        name: Name for messages.
        columns: Column by role.
        title: Splits a title cell into title and year.
        ident: Converts the id cell.
        is_other: Kind of a row that is not a film; "" for a film.
        earliest: Whether the earliest of several years of a film counts.
    """

    name: str
    columns: Mapping[str, str]
    title: Callable[[str], tuple[str, str]] = _no_year
    ident: Callable[[str], str] = _as_it_is
    is_other: Callable[[Mapping[str, Any]], str] = _none
    earliest: bool = False


def title_and_year(text: str) -> tuple[str, str]:
    """Title and year from a MovieLens title.

    >>> title_and_year("Matrix, The (1999)"), title_and_year("Cité des enfants perdus, La (Lost City) (1995)")
    (('The Matrix', '1999'), ('La Cité des enfants perdus', '1995'))
    >>> title_and_year("Babylon 5")
    ('Babylon 5', '')
    """
    match = _TITLE_YEAR.fullmatch(text)
    title, year = (match[1], match[2]) if match else (text.strip(), "")
    if also := _ALSO.fullmatch(title):
        title = also[1]
    if article := _ARTICLE.fullmatch(title):
        title = f"{article[2]}{'' if article[2].endswith(chr(39)) else ' '}{article[1]}"
    return title, year


def entity_id(text: str) -> str:
    """`Q190050` from a Wikidata URL; other text unchanged."""
    match = _ENTITY.fullmatch(text.strip())
    return match[1] if match else text


def _imdb_kind(cells: Mapping[str, Any]) -> str:
    kind = str(cells.get("titleType", ""))
    return kind if kind in ("tvEpisode", "videoGame") else ""


def find_export(columns: Sequence[str]) -> Export | None:
    """The known export that has these columns, if any."""
    lower = {name.strip().lower(): name for name in reversed(columns)}

    def has(*names: str) -> bool:
        return all(name in lower for name in names)

    def named(**roles: str) -> dict[str, str]:
        return {role: lower[name] for role, name in roles.items() if name in lower}

    if has("tconst", "primarytitle", "genres"):
        roles = named(trailer_id="tconst", title="primarytitle", year="startyear", genres="genres")
        return Export("IMDb's title.basics", roles, is_other=_imdb_kind)
    if has("const", "title", "title type"):
        return Export("an IMDb list", named(trailer_id="const", title="title", year="year", genres="genres"))
    if has("movieid", "title", "genres") and not has("year"):
        return Export("MovieLens", named(trailer_id="movieid", title="title", genres="genres"), title=title_and_year)
    if has("id", "title") and (
        has("genre_ids") or (has("original_language") and (has("vote_average") or has("popularity")))
    ):
        genres = "genres" if has("genres") else "genre_ids"
        return Export("TMDB", named(trailer_id="id", title="title", year="release_date", genres=genres))
    if has("name", "year") and (has("letterboxd uri") or has("position", "url")):
        return Export("Letterboxd", named(title="name", year="year"))
    return _wikidata(lower)


def _wikidata(lower: Mapping[str, str]) -> Export | None:
    for item in ("film", "item", "movie", "work"):
        if item in lower and f"{item}label" in lower:
            roles = {"trailer_id": lower[item], "title": lower[f"{item}label"]}
            for role, names in (
                ("genres", ("genrelabel", "genrelabels", "genreslabel", "genres", "genre")),
                ("year", ("year", "publicationdate", "publication_date", "releasedate", "pubdate", "date")),
            ):
                column = next((lower[name] for name in names if name in lower), None)
                if column is not None:
                    roles[role] = column
            return Export("Wikidata", roles, ident=entity_id, earliest=True)
    return None
