"""What the explorer's pages show of films, sub-genres and genres, as plain JSON."""

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np

from cinegrain.atlas.edit import history_rows
from cinegrain.discovery.clustering import unit_rows
from cinegrain.errors import NotFoundError
from cinegrain.media.facts import FLAGS, read_as
from cinegrain.media.files import is_video_name, text_path
from cinegrain.pipeline.answers.similar import similar_films, why_alike
from cinegrain.results import by_modality, scene_words
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.layout import Run
from cinegrain.store.schema import SceneRow, most_telling
from cinegrain.types import Concept, JsonObject
from cinegrain.web.explorer import Explorer, State
from cinegrain.web.film_columns import sureness

_WORDS_A_SCENE = 3
_N_NEAR = 8
_PAGES = {
    "report": "report.html",
    "evaluation": "evaluation/evaluation.html",
    "ablation": "ablation/ablation.html",
}


def run_view(explorer: Explorer, state: State) -> JsonObject:
    """The run in short: what the first screen needs beside the points."""
    atlas = state.atlas
    years = [row["year"] for row in atlas.rows if row["year"] is not None]
    of_genre = Counter(genre for row in atlas.rows for genre in row["genres"])
    return {
        "name": explorer.run.folder.resolve().name,
        "version": atlas.version,
        "n_films": len(atlas.rows),
        "n_scenes": sum(row["n_scenes"] for row in atlas.rows),
        "hours": sum(row["duration_s"] for row in atlas.rows) / 3600,
        "modes": list(dict.fromkeys(atlas.found["modes"])),
        "genres": [{"name": genre, "n_films": of_genre[genre]} for genre in atlas.found["genres"]],
        "years": [min(years), max(years)] if years else None,
        "columns": explorer.text_columns(),
        "subgenres": [_short_card(state, card) for card in atlas.cards],
        "unplaced": len(atlas.edited.unplaced),
        "structure": atlas.found["structure"]["said"],
        "oddities": atlas.oddities,
        "pages": pages(explorer.run),
    }


def proposals_view(state: State) -> list[JsonObject]:
    """New sub-genres that films which came later would make."""
    keys = ("id", "name", "keywords", "size")
    return [
        {**{key: one[key] for key in keys}, "films": [_short_film(state.film(id_)) for id_ in one["trailers"]]}
        for one in state.atlas.proposals
    ]


def pages(run: Run) -> list[str]:
    """The finished pages that the run holds, by name."""
    return [name for name, place in _PAGES.items() if (run.folder / place).is_file()]


def page_file(run: Run, name: str) -> bytes:
    """One of them.

    Raises:
        NotFoundError: If it has not been made.
    """
    if name not in pages(run):
        raise NotFoundError(f"This run has no {name} page. Make it with `cinegrain {_command(name)} RUN`.")
    return (run.folder / _PAGES[name]).read_bytes()


def film_view(explorer: Explorer, state: State, trailer_id: str) -> JsonObject:
    """Everything about a film but its timeline.

    Raises:
        NotFoundError: If there is none of this id.
    """
    row, number = state.film(trailer_id), state.row_of(trailer_id)
    atlas, trailer = state.atlas, explorer.catalog.get(trailer_id)
    distances = 1 - (unit_rows(atlas.encoded[number : number + 1]) @ atlas.centroids.T)[0]
    order = [int(i) for i in np.argsort(distances, kind="stable")]
    own = row["subgenre"]
    others = [i for i in order if own is None or atlas.cards[i]["id"] != own["id"]]
    return {
        **{key: row[key] for key in ("trailer_id", "title", "year", "genres", "duration_s", "n_scenes", "missing")},
        "split": row["split"],
        "file": [
            *({"name": name, "means": means} for name, means in read_as(_facts(explorer, trailer_id)).items()),
            *({"name": flag.replace("_", " "), "means": FLAGS.get(flag, "")} for flag in row["flags"]),
        ],
        "predicted": sorted(row["predicted"], key=lambda genre: -float(genre["probability"])),
        "subgenre": own and {**own, "sure": sureness(row)},
        "runner_up": _named(state, others[0], distances) if others else None,
        "concepts": row["concepts"],
        "text": dict(trailer.text) if trailer else {},
        "similar": [near.to_dict() for near in similar_films(atlas, atlas.encoded[number], top_k=_N_NEAR, row=number)],
        "video": video_type(explorer, trailer_id),
        "version": atlas.version,
    }


def _facts(explorer: Explorer, trailer_id: str) -> JsonObject:
    try:
        facts: JsonObject = json.loads(explorer.record(trailer_id).facts)
    except NotFoundError:
        return {}
    return facts


def video_type(explorer: Explorer, trailer_id: str) -> str | None:
    """The film's file ending if it lies on this machine; None if there is nothing to play.

    A link is followed only to something that is named like a video too: what was a film once may point anywhere now.
    """
    try:
        path = text_path(explorer.record(trailer_id).path)
    except NotFoundError:
        return None
    there = is_video_name(path) and path.is_file() and is_video_name(path.resolve())
    return path.suffix.lower() if there else None


def timeline(explorer: Explorer, trailer_id: str) -> list[JsonObject]:
    """A film's scenes with the best words of every expert.

    Raises:
        NotFoundError: If the dataset holds none of this id.
    """
    explorer.record(trailer_id)
    dataset = explorer.dataset
    mode_of = {card["name"]: card["modality"] for card in dataset.cards}
    seen: dict[int, list[tuple[str, Sequence[Concept]]]] = {}
    for found in dataset.concepts(trailer_id):
        seen.setdefault(found.scene, []).append((mode_of[found.expert], found.concepts))
    return [
        {
            "scene": scene.scene,
            "start_s": scene.start_s,
            "end_s": scene.end_s,
            "picture": scene.thumbnail is not None,
            "words": scene_words(seen.get(scene.scene, ()), top_k=_WORDS_A_SCENE),
        }
        for scene in explorer.scenes(trailer_id)
    ]


def picture(scenes: Sequence[SceneRow], number: int | None) -> bytes:
    """A scene's picture, or the film's most telling one.

    Raises:
        NotFoundError: If there is none.
    """
    found = most_telling(scene for scene in scenes if number in (None, scene.scene))
    if found is None:
        raise NotFoundError("There is no picture of this scene.")
    return found


def subgenre_view(explorer: Explorer, state: State, id_: str) -> JsonObject:
    """A sub-genre's card with its films, outliers last, and its history.

    Raises:
        NotFoundError: If there is none of this id.
    """
    card = state.subgenre(id_)
    rows = [state.atlas.rows[state.row[trailer]] for trailer in card["members"]]
    rows.sort(key=lambda row: float(row["subgenre"]["distance"]))
    return {
        **card,
        "members": [_short_film(row) for row in rows],
        "exemplars": [_short_film(state.film(trailer)) for trailer in card["exemplars"]],
        "genres": _shares(rows),
        "history": [entry for entry in history_rows(state.atlas) if id_ in _subgenres_of(entry)],
        "similar": _near_subgenres(state, id_),
        "version": state.atlas.version,
        "has_video": {row["trailer_id"]: video_type(explorer, row["trailer_id"]) for row in rows[:_N_NEAR]},
    }


def halves_view(state: State, id_: str) -> list[list[JsonObject]]:
    """The two parts that a sub-genre falls into by itself.

    Raises:
        EditError: If it has only one film.
        NotFoundError: If there is none of this id.
    """
    state.subgenre(id_)
    return [[_short_film(state.film(trailer)) for trailer in half] for half in state.atlas.halves(id_)]


def genre_view(state: State, genre: str) -> JsonObject:
    """A genre: its films, what modes count for in it, and the sub-genres it falls into.

    Raises:
        NotFoundError: If there is none of this name.
    """
    if genre not in state.atlas.found["genres"]:
        raise NotFoundError(f"There is no genre {genre!r} in this run.")
    rows = [row for row in state.atlas.rows if genre in row["genres"]]
    answers = [answer for row in rows for answer in row["predicted"] if answer["name"] == genre]
    names = {card["id"]: card["name"] for card in state.atlas.cards}
    in_subgenre = Counter(row["subgenre"]["id"] for row in rows if row["subgenre"])
    return {
        "name": genre,
        "size": len(rows),
        "modes": _mean([answer["influence"] for answer in answers]),
        "subgenres": [{"id": id_, "name": names[id_], "n_films": n} for id_, n in in_subgenre.most_common()],
        "genres": _shares(rows, but=genre),
        "years": _decades(rows),
        "words": _common_words(rows),
        "members": [_short_film(row) for row in rows],
    }


def compare_view(explorer: Explorer, state: State, kind: str, first: str, second: str) -> JsonObject:
    """Two films, sub-genres or genres side by side.

    Raises:
        NotFoundError: If one is not there.
    """
    if kind == "film":
        why = why_alike(state.atlas, state.row_of(first), state.row_of(second))
        return {"kind": kind, "sides": [film_view(explorer, state, name) for name in (first, second)], "why": why}
    if kind == "genre":
        sides = [genre_view(state, name) for name in (first, second)]
        both = {film["trailer_id"] for film in sides[0]["members"]} & {f["trailer_id"] for f in sides[1]["members"]}
        return {"kind": kind, "sides": sides, "why": {"n_both": len(both)}}
    sides = []
    for id_ in (first, second):
        card = subgenre_view(explorer, state, id_)
        rows = [state.film(film["trailer_id"]) for film in card["members"]]
        sides.append({**card, "years": _decades(rows), "words": _common_words(rows)})
    place = {card["id"]: i for i, card in enumerate(state.atlas.cards)}
    a, b = (state.atlas.centroids[place[id_]] for id_ in (first, second))
    return {"kind": kind, "sides": sides, "why": {"score": float(a @ b), "modes": _parts(state, a, b)}}


def history_view(state: State) -> list[JsonObject]:
    """Every edit, the last one first."""
    return history_rows(state.atlas)[::-1]


def figures_view(run: Run) -> JsonObject:
    """What training, evaluation and ablation measured, for the figures."""
    metrics, atlas = read_json(run.metrics), read_json(run.atlas)
    return {
        "history": metrics["history"],
        "genres": {
            part: {score["genre"]: score for score in metrics[part]["genres"]} for part in ("coarse", "finetuned")
        },
        "influence": metrics["influence"],
        "curve": atlas["curve"],
        "k": atlas["k"],
        "structure": atlas["structure"],
        "ablation": _ablation(run),
        "pages": pages(run),
    }


def _ablation(run: Run) -> JsonObject | None:
    place = run.folder / "ablation" / "ablation.json"
    if not place.is_file():
        return None
    found = read_json(place)
    best_first = sorted(found["subsets"], key=lambda subset: -float(subset["map"]))
    keys = ("modes", "map", "map_deviation", "ap")
    return {
        "genres": [genre for genre in found["genres"] if genre not in found["left_out"]],
        "chance": found["chance"],
        "n_films": found["n_films"],
        "n_seeds": found["n_seeds"],
        "subsets": [{key: subset[key] for key in keys} for subset in best_first],
    }


def _short_card(state: State, card: JsonObject) -> JsonObject:
    places = np.array([state.atlas.rows[state.row[trailer]]["map"] for trailer in card["members"]])
    label = [float(np.median(places[:, 0])), float(np.quantile(places[:, 1], 0.9))] if len(places) else [0.0, 0.0]
    keys = ("id", "name", "size", "modes", "stability", "verdict", "edited", "locked", "arrived")
    return {**{key: card[key] for key in keys}, "label": label, "parents": [p["genre"] for p in card["parents"]]}


def _short_film(row: JsonObject) -> JsonObject:
    keys = ("trailer_id", "title", "year", "genres", "split")
    return {**{key: row[key] for key in keys}, "distance": row["subgenre"] and row["subgenre"]["distance"]}


def _named(state: State, number: int, distances: "np.ndarray") -> JsonObject:
    card = state.atlas.cards[number]
    return {"id": card["id"], "name": card["name"], "distance": float(distances[number])}


def _near_subgenres(state: State, id_: str) -> list[JsonObject]:
    cards, centres = state.atlas.cards, state.atlas.centroids
    own = next(i for i, card in enumerate(cards) if card["id"] == id_)
    distances = 1 - centres @ centres[own]
    order = [int(i) for i in np.argsort(distances, kind="stable") if i != own]
    return [_named(state, i, distances) for i in order[:5]]


def _parts(state: State, a: "np.ndarray", b: "np.ndarray") -> JsonObject:
    modes = state.atlas.found["modes"]
    by_expert = (a.reshape(len(modes), -1) * b.reshape(len(modes), -1)).sum(axis=1)
    return by_modality(modes, by_expert.tolist())


def _shares(rows: Sequence[JsonObject], but: str = "") -> list[JsonObject]:
    counts = Counter(genre for row in rows for genre in row["genres"] if genre != but)
    return [{"name": genre, "n_films": n} for genre, n in counts.most_common(8)]


def _decades(rows: Sequence[JsonObject]) -> list[JsonObject]:
    counts = Counter(row["year"] // 10 * 10 for row in rows if row["year"] is not None)
    return [{"from": decade, "n_films": counts[decade]} for decade in sorted(counts)]


def _common_words(rows: Sequence[JsonObject]) -> dict[str, list[JsonObject]]:
    """By mode: the words that most films have."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        for mode, words in row["concepts"].items():
            counts.setdefault(mode, Counter()).update(word["name"] for word in words)
    return {
        mode: [{"name": word, "share": n / len(rows)} for word, n in found.most_common(6)]
        for mode, found in counts.items()
    }


def _mean(influences: Sequence[JsonObject]) -> JsonObject:
    if not influences:
        return {}
    return {mode: float(np.mean([influence[mode] for influence in influences])) for mode in influences[0]}


def _subgenres_of(entry: JsonObject) -> set[str]:
    """Sub-genres that an entry of the log names."""
    operation = entry["operation"]
    named = [operation.get(key) for key in ("subgenre", "into", "to", "new")]
    return {name for name in [*named, *operation.get("others", ())] if name}


def _command(page: str) -> str:
    return {"report": "report", "evaluation": "evaluate", "ablation": "ablate"}[page]
