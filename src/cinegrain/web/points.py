"""Points of the map: films that match a filter, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64, Int64
from cinegrain.web.explorer import Explorer, State
from cinegrain.web.film_columns import MOST_VALUES, Columns, text_of
from cinegrain.web.replies import Points, Values

MOST_POINTS = 50_000
"""Maximum number of points per request; larger collections are sampled evenly, more densely when zoomed in."""


@dataclass(frozen=True)
class Filter:
    """A filter of films; empty parts match everything.

    Attributes:
        text: Part of the title, the id, or a text of the catalogue.
        genres: Has at least one of these.
        subgenres: Is in one of these, by id.
        years: First and last year.
        sure: Minimum membership in its sub-genre, 0..1.
        box: Part of the map: x from, y from, x to, y to.
    """

    text: str = ""
    genres: Sequence[str] = ()
    subgenres: Sequence[str] = ()
    years: tuple[int | None, int | None] = (None, None)
    sure: float = 0.0
    box: tuple[float, float, float, float] | None = None


def wanted(state: State, columns: Columns, ask: Filter) -> Int64:
    """Rows of films that match a filter."""
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
    """Films that match a filter, as columns.

    Args:
        explorer: The run.
        state: Its current state.
        ask: The filter.
        limit: Maximum number; more films are sampled evenly and reproducibly.
        column: Text column of the catalogue to colour by; "" for none.
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
