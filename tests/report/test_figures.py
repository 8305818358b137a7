import json
from collections.abc import Callable
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from cinegrain.report import figures
from cinegrain.report.data import Artifacts, build_view
from cinegrain.report.palette import NO_CLASS
from cinegrain.types import JsonObject

Make = Callable[..., Artifacts]


def _points(figure: JsonObject) -> list[tuple[int, float, float]]:
    return sorted(
        point for trace in figure["data"] for point in zip(trace["customdata"], trace["x"], trace["y"], strict=True)
    )


def _all_figures(artifacts: Artifacts) -> list[JsonObject]:
    view = build_view(artifacts)
    history, choice = artifacts.metrics["history"], artifacts.metrics["choice_of_k"]
    charts = [
        *figures.coarse_charts(history["coarse"], artifacts.metrics["best_epoch"]),
        *figures.finetune_charts(history["finetuned"]),
        *figures.choice_charts(choice["curve"], choice["k"]),
    ]
    maps = [
        figures.map_figure(view.films, view.by_subgenre, view.subgenres),
        figures.map_figure(view.films, view.by_genre),
    ]
    return [*maps, *(chart.figure for chart in charts)]


def test_plotly_knows_every_property(make_artifacts: Make) -> None:
    for figure in _all_figures(make_artifacts()):
        go.Figure(figure)  # raises on an unknown property or value


def test_figures_are_plain_json(make_artifacts: Make) -> None:
    for figure in _all_figures(make_artifacts()):
        assert json.loads(json.dumps(figure, allow_nan=False)) == figure


def test_every_film_stands_on_both_maps_once(make_artifacts: Make) -> None:
    view = build_view(make_artifacts())
    wanted = [(film.index, film.x, film.y) for film in view.films]
    assert _points(figures.map_figure(view.films, view.by_subgenre)) == wanted
    assert _points(figures.map_figure(view.films, view.by_genre)) == wanted


def test_films_without_a_learned_genre_have_their_own_mark(make_artifacts: Make) -> None:
    given = make_artifacts()
    rows = [row | {"catalog_genres": ["Unheard-of"]} if i == 2 else row for i, row in enumerate(given.trailers)]
    view = build_view(replace(given, trailers=rows))
    assert view.by_genre[-1].mark == NO_CLASS
    assert view.by_genre[-1].films == (2,)
    assert len(_points(figures.map_figure(view.films, view.by_genre))) == 4


def test_a_genre_lights_up_films_that_have_it_second(make_artifacts: Make) -> None:
    comedy, horror = build_view(make_artifacts()).by_genre
    assert (comedy.films, comedy.members) == ((0, 2), (0, 2))
    assert (horror.films, horror.members) == ((1, 3), (0, 1, 2, 3))


@pytest.mark.parametrize(("n", "kind"), [(2000, "scatter"), (2001, "scattergl")])
def test_many_films_are_drawn_by_the_graphics_card(make_artifacts: Make, n: int, kind: str) -> None:
    view = build_view(make_artifacts())
    films = [view.films[0]] * n
    assert {trace["type"] for trace in figures.map_figure(films, view.by_genre)["data"]} == {kind}


def test_chosen_epoch_and_number_are_marked(make_artifacts: Make) -> None:
    metrics = make_artifacts().metrics
    for chart in figures.coarse_charts(metrics["history"]["coarse"], 1):
        assert chart.figure["layout"]["shapes"][0]["x0"] == 2  # epochs are shown from 1
    for chart in figures.choice_charts(metrics["choice_of_k"]["curve"], 3):
        assert chart.figure["layout"]["shapes"][0]["x0"] == 3
        assert "3 chosen" in chart.said


def test_a_missing_validation_score_leaves_a_gap(make_artifacts: Make) -> None:
    chart = figures.coarse_charts(make_artifacts().metrics["history"]["coarse"], 0)[1]
    assert chart.figure["data"][0]["y"] == [0.5, None]
    assert "epoch 1 with 0.50" in chart.said


def test_films_on_one_spot_still_have_an_extent(make_artifacts: Make) -> None:
    given = make_artifacts()
    view = build_view(replace(given, trailers=[row | {"map": [5.0, 5.0]} for row in given.trailers]))
    low, high = figures.map_figure(view.films, view.by_genre)["layout"]["xaxis"]["range"]
    assert low < 5 < high
