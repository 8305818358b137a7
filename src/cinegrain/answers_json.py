"""Typed results from the JSON that answers and searches are made of."""

from collections.abc import Sequence

from cinegrain.results import (
    GenreAnswer,
    Match,
    Matches,
    NearSubGenre,
    Neighbour,
    Origin,
    Prediction,
    StrangenessAnswer,
    SubGenreAnswer,
)
from cinegrain.types import Concept, JsonObject


def prediction(answer: JsonObject) -> Prediction:
    """From an answer as `cinegrain predict --json` prints it, where modalities stand for experts."""
    strange, own, words = answer["strangeness"], answer.get("subgenre"), answer.get("concepts")
    modes = {mode: mode for genre in answer["genres"] for mode in genre["influence"]}
    return Prediction(
        answer["path"],
        answer["title"],
        answer["duration_s"],
        answer["n_scenes"],
        tuple(answer["flags"]),
        answer["sure"],
        tuple(answer["unsure_because"]),
        strange and StrangenessAnswer(strange["score"], strange["threshold"], strange["modes"], modes),
        tuple(GenreAnswer(g["name"], g["probability"], g["decided"], g["influence"], modes) for g in answer["genres"]),
        tuple(answer["missing"]),
        own and _sub_genre(own),
        None if words is None else {mode: tuple(Concept(**one) for one in found) for mode, found in words.items()},
        tuple(
            Neighbour(n["trailer_id"], n["title"], tuple(n["genres"]), n["score"], n["modes"])
            for n in answer.get("neighbours", [])
        ),
        Origin(answer["size_bytes"], answer["modified_ns"], answer["model"]) if "model" in answer else None,
    )


def _sub_genre(own: JsonObject) -> SubGenreAnswer:
    second = own.get("runner_up")
    runner_up = second and NearSubGenre(second["id"], second["name"], second["distance"])
    return SubGenreAnswer(own["id"], own["name"], own["distance"], runner_up, own["modes"])


def matches(rows: Sequence[JsonObject], notes: Sequence[str] = ()) -> Matches:
    """From rows as `cinegrain search --json` and `similar --json` print them."""
    found = Matches(
        Match(
            row["trailer_id"],
            row["title"],
            tuple(row["genres"]),
            row["score"],
            row["modes"],
            tuple(word["word"] for word in row.get("words", [])),
            row.get("start_s"),
            row.get("end_s"),
        )
        for row in rows
    )
    found.notes = tuple(notes)
    return found
