"""Typed answers: sums over the experts of a modality, JSON, and tables for notebooks."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cinegrain.results import (
    Failure,
    GenreAnswer,
    NearSubGenre,
    Neighbour,
    Origin,
    Prediction,
    StrangenessAnswer,
    SubGenreAnswer,
    by_modality,
    genre_answers,
    missing_modalities,
    scene_words,
)
from cinegrain.types import Concept

MODALITY_OF = {"ears": "audio", "eyes": "image", "more_ears": "audio"}
ODD = '<b onload="x">&\udce9'


def prediction() -> Prediction:
    genres = genre_answers(
        ("War", ODD), MODALITY_OF, np.array([0.75, 0.25]), [0.5, 0.5], np.array([[1.0, -1], [0.5, 0], [0.25, 2]])
    )
    return Prediction(
        path=ODD,
        title=ODD,
        duration_s=1.0,
        n_scenes=2,
        flags=("no_picture",),
        sure=False,
        unsure_because=(ODD,),
        strangeness=StrangenessAnswer(2.0, 1.0, {"ears": 0.5, "eyes": None, "more_ears": 2.0}, MODALITY_OF),
        genres=genres,
        missing=("image",),
    )


def test_experts_of_a_modality_add_up() -> None:
    war, other = prediction().genres
    assert war.influence == {"audio": 1.25, "image": 0.5}
    assert other.influence == {"audio": 1.0, "image": 0.0}
    assert (war.decided, other.decided) == (True, False)
    assert prediction().decided == (war,)
    assert by_modality([], []) == {}
    with pytest.raises(ValueError, match="zip"):
        by_modality(["audio"], [1.0, 2.0])
    assert missing_modalities(["audio", "image", "audio"], [False, False, True]) == ("image",)
    assert missing_modalities(["audio", "image", "audio"], [False, True, False]) == ("audio",)


def test_json_of_a_run_and_of_an_exported_model() -> None:
    exported = prediction().to_dict()
    assert exported["strangeness"] == {"score": 2.0, "threshold": 1.0, "modes": {"audio": 2.0, "image": None}}
    assert exported["genres"][0]["influence_by_expert"] == {"ears": 1.0, "eyes": 0.5, "more_ears": 0.25}
    assert {"subgenre", "concepts", "neighbours", "model"}.isdisjoint(exported)
    near = SubGenreAnswer("S01", "War: tanks", 0.25, NearSubGenre("S02", "War: jets", 0.5), {"audio": 0.75})
    of_run = replace(
        prediction(),
        sub_genre=near,
        concepts={"audio": (Concept("gunfire", 0.5),)},
        neighbours=(Neighbour("a", "A", ("War",), 0.5, {"audio": 0.5}),),
        origin=Origin(1, 2, "m"),
    ).to_dict()
    assert {key: of_run[key] for key in exported} == exported
    assert of_run["subgenre"]["runner_up"] == {"id": "S02", "name": "War: jets", "distance": 0.5}
    assert "runner_up" not in replace(near, runner_up=None).to_dict()
    assert of_run["neighbours"][0]["modes"] == {"audio": 0.5}
    assert of_run["concepts"] == {"audio": [{"name": "gunfire", "score": 0.5}]}
    assert (of_run["size_bytes"], of_run["modified_ns"], of_run["model"]) == (1, 2, "m")
    assert json.dumps(of_run, allow_nan=False)


@pytest.mark.parametrize("result", [prediction(), *prediction().genres, Failure(ODD, ODD), NearSubGenre(ODD, ODD, 0.5)])
def test_notebooks_get_escaped_tables(result: Prediction | GenreAnswer | Failure | NearSubGenre) -> None:
    page = result._repr_html_()
    assert page.encode("utf-8").decode() == page
    assert "<b " not in page
    assert page.endswith("</table>")


def test_words_of_a_scene_stand_once_with_the_best_score() -> None:
    seen = [
        ("audio", [Concept("Music", 0.25), Concept("Rain", 0.2)]),
        ("audio", [Concept("Music", 0.5)]),
        ("image", []),
    ]
    assert scene_words(seen, top_k=1) == {"audio": [{"name": "Music", "score": 0.5}]}


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, cinegrain.results; print(sorted({'torch', 'pandas', 'lance', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
