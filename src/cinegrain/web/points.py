"""The map's points: a column for each thing that is known of the films, so that a browser draws many at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Bool, Float64, Int64, JsonObject, Trailer
from cinegrain.web.explorer import Explorer, State

MOST_POINTS = 50_000
"""A browser gets no more at once; of a larger collection an even sample, more of a part when it is zoomed into."""
_MOST_VALUES = 60


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
        column: Of the catalogue, and the value it must have.
    """

    text: str = ""
    genres: Sequence[str] = ()
    subgenres: Sequence[str] = ()
    years: tuple[int | None, int | None] = (None, None)
    sure: float = 0.0
    box: tuple[float, float, float, float] | None = None
    column: tuple[str, str] | None = None


def wanted(explorer: Explorer, state: State, ask: Filter) -> Int64:
    """Rows of the films that pass a filter."""
    rows, keep = state.atlas.rows, np.ones(len(state.atlas.rows), dtype=bool)
    if ask.text:
        needle, catalog = ask.text.casefold(), explorer.catalog
        keep &= _each(rows, lambda row: needle in _text(row, catalog.get(row["trailer_id"])))
    if ask.genres:
        some = set(ask.genres)
        keep &= _each(rows, lambda row: bool(some & set(row["genres"])))
    if ask.subgenres:
        ids = set(ask.subgenres)
        keep &= _each(rows, lambda row: (row["subgenre"] or {"id": ""})["id"] in ids)
    first, last = ask.years
    if first is not None or last is not None:
        low, high = -np.inf if first is None else first, np.inf if last is None else last
        keep &= _each(rows, lambda row: row["year"] is not None and low <= row["year"] <= high)
    if ask.sure > 0:
        keep &= _each(rows, lambda row: (sureness(row) or 0.0) >= ask.sure)
    if ask.column is not None:
        (name, value), catalog = ask.column, explorer.catalog
        keep &= _each(rows, lambda row: _value(catalog.get(row["trailer_id"]), name) == value)
    if ask.box is not None:
        xy = _places(rows, "map")
        keep &= (xy >= ask.box[:2]).all(axis=1) & (xy <= ask.box[2:]).all(axis=1)
    return np.flatnonzero(keep)


def points(explorer: Explorer, state: State, ask: Filter, *, limit: int, column: str = "") -> JsonObject:
    """The films that pass a filter, as columns.

    Args:
        explorer: The run.
        state: As it is now.
        ask: Which films.
        limit: How many at most; of more, an even sample that is the same at every call.
        column: A text of the catalogue to colour by; "" for none.
    """
    atlas = state.atlas
    rows_wanted = wanted(explorer, state, ask)
    n_wanted = len(rows_wanted)
    if n_wanted > limit:
        rows_wanted = np.sort(np.random.default_rng(0).permutation(rows_wanted)[:limit])
    rows = [atlas.rows[i] for i in rows_wanted]
    subgenres = {card["id"]: i for i, card in enumerate(atlas.cards)}
    genres = {genre: i for i, genre in enumerate(atlas.found["genres"])}
    modes = {mode: i for i, mode in enumerate(atlas.found["modes"])}
    found: JsonObject = {
        "version": atlas.version,
        "n_films": len(atlas.rows),
        "n_wanted": n_wanted,
        "id": [row["trailer_id"] for row in rows],
        "title": [row["title"] for row in rows],
        "map": _places(rows, "map").round(4).tolist(),
        "map_before": _places(rows, "map_before").round(4).tolist() if _has_before(atlas.rows) else None,
        "subgenre": [subgenres[row["subgenre"]["id"]] if row["subgenre"] else -1 for row in rows],
        "genres": [[genres[genre] for genre in row["genres"] if genre in genres] for row in rows],
        "year": [row["year"] for row in rows],
        "mode": [_strongest(row, modes) for row in rows],
        "sure": [sureness(row) for row in rows],
        "values": None,
    }
    if column:
        found["values"] = _coloured(rows, explorer.catalog, column)
    return found


def columns(catalog: Mapping[str, Trailer]) -> list[str]:
    """Texts of the catalogue with few enough values to colour by."""
    names = sorted({name for trailer in catalog.values() for name in trailer.text})
    return [name for name in names if 1 < len({_value(trailer, name) for trailer in catalog.values()}) <= _MOST_VALUES]


def sureness(row: JsonObject) -> float | None:
    """How surely a film belongs to its sub-genre, 0..1; None where a person put it there, or nobody can tell."""
    if not row["subgenre"]:
        return None
    of = {each["id"]: each["membership"] for each in row.get("memberships", ())}
    found = of.get(row["subgenre"]["id"])
    return None if found is None else float(found)


def _coloured(rows: Sequence[JsonObject], catalog: Mapping[str, Trailer], column: str) -> JsonObject:
    values = [_value(catalog.get(row["trailer_id"]), column) for row in rows]
    names = sorted(set(values) - {""})[:_MOST_VALUES]
    place = {name: i for i, name in enumerate(names)}
    return {"names": names, "of": [place.get(value, -1) for value in values]}


def _strongest(row: JsonObject, modes: Mapping[str, int]) -> int:
    """The mode that speaks most for the film's likeliest genre; -1 if none does."""
    if not row["predicted"]:
        return -1
    likeliest = max(row["predicted"], key=lambda genre: float(genre["probability"]))
    mode, influence = max(likeliest["influence"].items(), key=lambda item: float(item[1]))
    return modes.get(mode, -1) if influence > 0 else -1


def _each(rows: Sequence[JsonObject], test: Callable[[JsonObject], bool]) -> Bool:
    return np.fromiter(map(test, rows), dtype=bool, count=len(rows))


def _text(row: JsonObject, trailer: Trailer | None) -> str:
    texts = trailer.text.values() if trailer else ()
    return "\n".join([row["title"], row["trailer_id"], *texts]).casefold()


def _value(trailer: Trailer | None, column: str) -> str:
    return (trailer.text.get(column, "") if trailer else "").strip()


def _places(rows: Sequence[JsonObject], key: str) -> Float64:
    return np.array([row.get(key) or row["map"] for row in rows], dtype=np.float64).reshape(-1, 2)


def _has_before(rows: Sequence[JsonObject]) -> bool:
    return any("map_before" in row for row in rows)
