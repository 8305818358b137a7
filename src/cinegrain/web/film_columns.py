"""Films as columns, computed once per state, so that filters take milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cinegrain.atlas.run_atlas import RunAtlas
from cinegrain.results import Film
from cinegrain.types import Bool, Float64, Int64, Trailer

MOST_VALUES = 60
"""Maximum number of values of a text to colour by."""


@dataclass(frozen=True, eq=False)
class Columns:
    """n films; -1 and NaN for unknown values.

    Attributes:
        ids: Ids.
        titles: Titles.
        map: Positions on the map, shape (n, 2).
        map_before: Positions before fine-tuning, shape (n, 2), if the run has them.
        subgenre: Index of each film's card, shape (n,).
        genres: Whether it has each genre, shape (n, g).
        genre_lists: Indices of its genres.
        year: Shape (n,).
        mode: Index of the modality with the most influence on its likeliest genre, shape (n,).
        sure: Membership in its sub-genre, 0..1, shape (n,).
        rank: Position in a fixed shuffle, shape (n,): the first ones of any selection are an even sample.
        words: Title, id and texts of the catalogue, case-folded, for text search.
    """

    ids: list[str]
    titles: list[str]
    map: Float64
    map_before: Float64 | None
    subgenre: Int64
    genres: Bool
    genre_lists: list[list[int]]
    year: Float64
    mode: Int64
    sure: Float64
    rank: Int64
    words: list[str]


def make_columns(atlas: RunAtlas, catalog: Mapping[str, Trailer]) -> Columns:
    """Columns of a run's films."""
    rows, n = atlas.rows, len(atlas.rows)
    genre_of = {genre: i for i, genre in enumerate(atlas.found.genres)}
    mode_of = {mode: i for i, mode in enumerate(dict.fromkeys(atlas.found.modes))}
    genres = np.zeros((n, len(genre_of)), dtype=bool)
    lists = [[genre_of[genre] for genre in row.catalog_genres if genre in genre_of] for row in rows]
    for i, some in enumerate(lists):
        genres[i, some] = True
    columns = Columns(
        ids=list(atlas.trailer_ids),
        titles=[row.title for row in rows],
        map=_places([row.map for row in rows]),
        map_before=_places([r.map_before or r.map for r in rows]) if any(r.map_before for r in rows) else None,
        subgenre=np.full(n, -1),
        genres=genres,
        genre_lists=lists,
        year=np.array([np.nan if row.year is None else row.year for row in rows], dtype=np.float64),
        mode=np.array([_strongest(row, mode_of) for row in rows], dtype=np.int64),
        sure=np.full(n, np.nan),
        rank=np.random.default_rng(0).permutation(n),
        words=[_words(row, catalog.get(row.trailer_id)) for row in rows],
    )
    return with_edits(columns, atlas)


def with_edits(columns: Columns, atlas: RunAtlas) -> Columns:
    """Columns of the same films after other edits."""
    cards = {card.id: i for i, card in enumerate(atlas.cards)}
    return replace(
        columns,
        subgenre=np.array([cards[row.sub_genre.id] if row.sub_genre else -1 for row in atlas.rows], dtype=np.int64),
        sure=np.array([np.nan if (sure := sureness(row)) is None else sure for row in atlas.rows], dtype=np.float64),
    )


def sureness(film: Film) -> float | None:
    """Membership of a film in its sub-genre, 0..1; None if a person put it there, or it is unknown."""
    if not film.sub_genre:
        return None
    return {each.id: each.membership for each in film.memberships}.get(film.sub_genre.id)


def text_columns(catalog: Mapping[str, Trailer]) -> list[str]:
    """Text columns of the catalogue with few enough values to colour by."""
    names = sorted({name for trailer in catalog.values() for name in trailer.text})
    return [name for name in names if 1 < len({text_of(trailer, name) for trailer in catalog.values()}) <= MOST_VALUES]


def text_of(trailer: Trailer | None, column: str) -> str:
    """A film's text in a column of the catalogue, or ""."""
    return (trailer.text.get(column, "") if trailer else "").strip()


def _strongest(film: Film, modes: Mapping[str, int]) -> int:
    if not film.predicted:
        return -1
    likeliest = max(film.predicted, key=lambda genre: genre.probability)
    mode, influence = max(likeliest.influence.items(), key=lambda item: item[1])
    return modes.get(mode, -1) if influence > 0 else -1


def _words(film: Film, trailer: Trailer | None) -> str:
    texts = trailer.text.values() if trailer else ()
    return "\n".join([film.title, film.trailer_id, *texts]).casefold()


def _places(places: list[tuple[float, float]]) -> Float64:
    return np.array(places, dtype=np.float64).reshape(-1, 2)
