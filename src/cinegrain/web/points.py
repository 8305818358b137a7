"""The map's points: films that pass a filter, as columns, so that a browser draws many at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64, Int64
from cinegrain.web.explorer import Explorer, State
from cinegrain.web.film_columns import MOST_VALUES, Columns, text_of
from cinegrain.web.replies import Points, Values

MOST_POINTS = 50_000
"""A browser gets no more at once; of a larger collection an even sample, more of a part when it is zoomed into."""


@dataclass(frozen=True)
class Filter:
    """Which films are wanted; empty parts ask for nothing.

    Attributes:
        text: In the title, the id, or a text of the catalogue.
        genres: At least one of these.
        subgenres: In one of these, by id.
        years: From and to, both included.
        sure: Least membership in its sub-genre, 0..1.
        box: Part of the map: x from, y from, x to, y to.
    """

    text: str = ""
    genres: Sequence[str] = ()
    subgenres: Sequence[str] = ()
    years: tuple[int | None, int | None] = (None, None)
    sure: float = 0.0
    box: tuple[float, float, float, float] | None = None


def wanted(state: State, columns: Columns, ask: Filter) -> Int64:
    """Rows of the films that pass a filter."""
    keep = np.ones(len(columns.ids), dtype=bool)
    if ask.genres:
        some = [i for i, genre in enumerate(state.atlas.found.genres) if genre in ask.genres]
        keep &= columns.genres[:, some].any(axis=1)
    if ask.subgenres:
        ids = set(ask.subgenres)
        keep &= np.isin(columns.subgenre, [i for i, card in enumerate(state.atlas.cards) if card.id in ids])
    first, last = ask.years
    if first is not None:
        keep &= columns.year >= first
    if last is not None:
        keep &= columns.year <= last
    if ask.sure > 0:
        keep &= columns.sure >= ask.sure
    if ask.box is not None:
        keep &= (columns.map >= ask.box[:2]).all(axis=1) & (columns.map <= ask.box[2:]).all(axis=1)
    found = np.flatnonzero(keep)
    if ask.text:
        needle, words = ask.text.casefold(), columns.words
        found = found[np.fromiter((needle in words[i] for i in found), dtype=bool, count=len(found))]
    return found


def points(explorer: Explorer, state: State, ask: Filter, *, limit: int, column: str = "") -> Points:
    """The films that pass a filter, as columns.

    Args:
        explorer: The run.
        state: As it is now.
        ask: Which films.
        limit: How many at most; of more, an even sample that is the same at every call.
        column: A text of the catalogue to colour by; "" for none.
    """
    all_ = explorer.columns(state)
    rows = wanted(state, all_, ask)
    n_wanted = len(rows)
    if n_wanted > limit:
        rows = np.sort(rows[np.argpartition(all_.rank[rows], limit)[:limit]])
    catalog = explorer.catalog
    return Points(
        version=state.atlas.version,
        n_films=len(all_.ids),
        n_wanted=n_wanted,
        id=[all_.ids[i] for i in rows],
        title=[all_.titles[i] for i in rows],
        map=_pairs(all_.map[rows]),
        map_before=None if all_.map_before is None else _pairs(all_.map_before[rows]),
        subgenre=all_.subgenre[rows].tolist(),
        genres=[all_.genre_lists[i] for i in rows],
        year=[None if year != year else int(year) for year in all_.year[rows].tolist()],
        modality=all_.mode[rows].tolist(),
        sure=[None if sure != sure else sure for sure in all_.sure[rows].tolist()],
        values=_coloured([text_of(catalog.get(all_.ids[i]), column) for i in rows]) if column else None,
    )


def _pairs(places: Float64) -> list[tuple[float, float]]:
    return [(x, y) for x, y in places.round(4).tolist()]


def _coloured(values: Sequence[str]) -> Values:
    names = sorted(set(values) - {""})[:MOST_VALUES]
    place = {name: i for i, name in enumerate(names)}
    return Values(names, [place.get(value, -1) for value in values])
