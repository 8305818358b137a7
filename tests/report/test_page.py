import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cinegrain.report.data import MANY_FILMS, Artifacts, Failure, wanted_pictures
from cinegrain.report.page import render
from cinegrain.types import JsonObject

from .conftest import Page, atlas_of, expert, film, metrics, score, scores, squeezed, subgenre

Make = Callable[..., Artifacts]

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<!--<script>",
    "{{ 7 * 7 }} {% raw %}",
    "Söhne & Töchter “zitiert” 🎬",
    "סרט אימה",
    "\u2028line\u2029end",
]


def _page_data(page: Page) -> JsonObject:
    (found,) = [text for _, attributes, text in page.raw if attributes.get("id") == "page-data"]
    loaded: JsonObject = json.loads(found)
    return loaded


def test_reliability_is_drawn_where_it_was_measured(make_artifacts: Make) -> None:
    given = make_artifacts()
    page = Page(render(given))
    (figure,) = _page_data(page)["charts"]["reliability"]
    drawn = {trace["name"]: (trace["x"], trace["y"]) for trace in figure["data"]}
    assert drawn["calibrated"] == ([0.2, 0.7], [0.2, 0.7])
    assert "calibration error on the test films 0.040, the network’s own 0.090" in page.text
    before = {name: value for name, value in given.metrics["coarse"].items() if name != "reliability"}
    older = Page(render(replace(given, metrics={**given.metrics, "coarse": before})))
    assert _page_data(older)["charts"]["reliability"] == []
    assert "calibration error" not in older.text


def test_everything_of_the_run_is_on_the_page(make_artifacts: Make) -> None:
    given = make_artifacts()
    page = Page(render(given))
    wanted = [row["title"] for row in given.trailers]
    wanted += [card[key] for card in given.atlas["subgenres"] for key in ("id", "name")]
    wanted += ["word of S01", "word of S02", *given.metrics["films_by_genre"], *given.notes]
    wanted += ["broken-1", "broken.mp4", "no pictures in it", "seed = 7", "numpy", "2.0.0"]
    wanted += [card[key] for card in given.experts for key in ("name", "description", "licence", "citation")]
    for text in wanted:
        assert text in page.text, text


def test_markup_is_balanced(make_artifacts: Make) -> None:
    assert Page(render(make_artifacts())).unbalanced == []


def test_ids_are_unique_and_links_lead_somewhere(make_artifacts: Make) -> None:
    page = Page(render(make_artifacts(recovery=[_recovered()])))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in page.all("a")]
    targets += [target for _, a in page.elements for target in a.get("aria-labelledby", "").split()]
    assert targets
    assert set(targets) <= set(ids)


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_string_can_break_out(make_artifacts: Make, evil: str) -> None:
    row = film(0, title=evil, genres=[evil], missing=[evil], flags=[evil], concepts={"audio": [_word(evil)]})
    row["predicted"][0]["name"] = evil
    card = subgenre("S01", ["film-0.mp4"], name=evil, parents=[{"genre": evil, "share": 1.0}])
    card["terms"] = [{"word": evil, "mode": "image", "score": 1.0, "coverage": 1.0}]
    names = ("name", "description", "concepts", "licence", "citation", "substitute_for")
    given = make_artifacts(
        trailers=[row],
        atlas=atlas_of(card),
        metrics=metrics([score(evil, ap=None)], genres_left_out={evil: 1}),
        notes=[evil],
        failures=[Failure(evil, evil, evil)],
        experts=[expert("audio", substitute=True, **dict.fromkeys(names, evil))],
        settings=evil,
        recovery=[_recovered(method=evil)],
    )
    page, calm = Page(render(given)), Page(render(_without(given, evil)))
    assert [tag for tag, _ in page.elements if tag != "wbr"] == [tag for tag, _ in calm.elements if tag != "wbr"]
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert page.unbalanced == []
    assert page.text.count(squeezed(evil)) >= 15
    assert _page_data(page)["films"][0]["title"] == evil


def _without(given: Artifacts, evil: str) -> Artifacts:
    """The same run with a harmless word in every place."""
    harmless = json.loads(json.dumps(given.__dict__, default=_plain).replace(json.dumps(evil)[1:-1], "calm"))
    failures = [Failure(*row) for row in harmless.pop("failures")]
    harmless.pop("thumbnails")
    return Artifacts(**harmless, failures=failures, thumbnails=given.thumbnails)


def _plain(value: Any) -> Any:
    return [value.trailer_id, value.file_name, value.reason] if isinstance(value, Failure) else str(value)


def _word(name: str) -> JsonObject:
    return {"name": name, "score": 1.0}


def test_nothing_is_loaded_from_anywhere(make_artifacts: Make) -> None:
    page = Page(render(make_artifacts()))
    places = [
        attributes[key]
        for _, attributes in page.elements
        for key in ("src", "href", "srcset", "action", "data", "poster")
        if key in attributes
    ]
    assert places
    assert all(place.startswith(("#", "data:")) for place in places)
    assert not page.all("iframe") + page.all("object") + page.all("embed") + page.all("base")
    styles = [text for tag, _, text in page.raw if tag == "style"]
    styles += [attributes.get("style", "") for _, attributes in page.elements]
    assert not any("url(" in style or "@import" in style for style in styles)


@pytest.mark.usefixtures("real_plotly")
def test_policy_lets_only_its_own_scripts_run(make_artifacts: Make) -> None:
    page = Page(render(make_artifacts()))
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*|unsafe-eval", policy)
    scripts = [text for tag, attributes, text in page.raw if tag == "script" and "type" not in attributes]
    assert len(scripts) == 2
    assert len(scripts[0]) > 1_000_000
    for text in scripts:
        assert "\r" not in text  # the browser would hash other line ends
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_same_run_same_page(make_artifacts: Make) -> None:
    assert render(make_artifacts()) == render(make_artifacts())


def test_each_picture_is_embedded_once(make_artifacts: Make) -> None:
    given = make_artifacts()
    html = render(given)
    for jpeg in given.thumbnails.values():
        assert html.count(base64.b64encode(jpeg).decode()) == 1
    pictures = Page(html).all("img")
    assert [picture["alt"] for picture in pictures] == [f"A scene of Film number {i}" for i in range(4)]


def test_pictures_that_are_in_no_card_go_with_the_map(make_artifacts: Make) -> None:
    given = make_artifacts(atlas=atlas_of(subgenre("S01", [f"film-{i}.mp4" for i in range(4)])))
    given.atlas["subgenres"][0]["exemplars"] = ["film-0.mp4"]
    given = replace(given, trailers=[row | {"subgenre": {"id": "S01"}} for row in given.trailers])
    films = _page_data(Page(render(given)))["films"]
    assert films[0]["thumb"] is None
    assert all(base64.b64decode(f["thumb"].split(",")[1]).startswith(b"jpeg of") for f in films[1:])


def test_films_without_picture_or_words(make_artifacts: Make) -> None:
    given = make_artifacts(thumbnails={})
    given = replace(given, trailers=[row | {"concepts": {}, "neighbours": []} for row in given.trailers])
    page = Page(render(given))
    assert not page.all("img")
    assert len(page.all("span", "no-picture")) == 4
    assert _page_data(page)["films"][0]["words"] == []


def test_genre_without_score_is_named_and_dashed(make_artifacts: Make) -> None:
    found = [score("Comedy"), score("Horror", ap=None, n_positive=0, precision=0.0, recall=0.0, f1=0.0)]
    page = Page(render(make_artifacts(metrics=metrics(found))))
    assert "No test film has Horror" in page.text
    (row,) = [row for row in page.rows if row.startswith("Horror 2 0")]
    assert row.startswith("Horror 2 0 – – – – 0.40")
    (before_after,) = [row for row in page.rows if row.startswith("Horror –")]
    assert before_after == "Horror – – –"


def test_no_genre_could_be_scored(make_artifacts: Make) -> None:
    nothing = dict.fromkeys(("map_macro", "map_low", "map_high", "map_chance", "ap_micro", "ap_weighted", "ap_samples"))
    found = [score("Comedy", ap=None, n_positive=0), score("Horror", ap=None, n_positive=0)]
    empty = scores(found, **nothing)
    page = Page(render(make_artifacts(metrics=metrics(found, coarse=empty, finetuned=empty))))
    assert "could not be scored" in page.text
    assert "None" not in page.text


def test_influence_is_signed(make_artifacts: Make) -> None:
    page = Page(render(make_artifacts()))
    (row,) = [row for row in page.rows if row.startswith("Comedy 2 2")]
    assert row.endswith("+0.50 −0.25 0.00 +0.10")
    bars = [a for a in page.all("i") if {"up", "down"} & set(a.get("class", "").split())][:4]
    assert [(bar["class"], bar["style"]) for bar in bars] == [
        ("mode-audio up", "width: 50.00%"),
        ("mode-location down", "width: 25.00%"),
        ("mode-motion up", "width: 0.00%"),
        ("mode-image up", "width: 10.00%"),
    ]


@pytest.mark.parametrize(("n", "warned"), [(49, True), (50, False)])
def test_small_test_sets_are_warned_about(make_artifacts: Make, n: int, warned: bool) -> None:
    found = [score("Comedy"), score("Horror")]
    page = Page(render(make_artifacts(metrics=metrics(found, coarse=scores(found, n_films=n)))))
    assert ("as a rough sign" in page.text) is warned


def test_genres_left_out_are_named(make_artifacts: Make) -> None:
    left_out = metrics([score("Comedy"), score("Horror")], genres_left_out={"Western": 1, "Noir": 0})
    page = Page(render(make_artifacts(metrics=left_out)))
    assert "Western (1 film); Noir (0 films)." in page.text
    assert "left out of all figures" not in Page(render(make_artifacts())).text


def test_substitutes_are_called_that(make_artifacts: Make) -> None:
    cards = [expert("audio"), expert("location", substitute=True, substitute_for="a network trained on places")]
    page = Page(render(make_artifacts(experts=cards)))
    assert len(page.all("span", "badge")) == 1
    assert "Stands in for a network trained on places." in page.text
    assert "1 of 2 experts is a substitute: location." in page.text
    assert not Page(render(make_artifacts())).all("span", "badge")


def test_no_failures_and_no_notes(make_artifacts: Make) -> None:
    page = Page(render(make_artifacts(failures=[], notes=[])))
    assert "Every film could be read." in page.text
    assert "Films that could not be read None." in page.text
    assert "1 film could not be read." in Page(render(make_artifacts())).text


def test_one_sub_genre_of_one_film(make_artifacts: Make) -> None:
    given = make_artifacts(trailers=[film(0)], atlas=atlas_of(subgenre("S01", ["film-0.mp4"], terms=[], parents=[])))
    page = Page(render(given))
    assert "1 sub-genre in 1 trailer" in page.text
    assert "No word sets this group apart." in page.text
    assert "The one film" in page.text
    assert page.unbalanced == []


def test_recovery_only_where_something_was_planted(make_artifacts: Make) -> None:
    title = "How well the planted sub-genres were recovered"
    assert title not in Page(render(make_artifacts())).text
    page = Page(render(make_artifacts(recovery=[_recovered(), _recovered(method="spread", ari_sd=0.031)])))
    assert title in page.text
    assert "k-means 12 true number 0.42 0.43 0.44" in page.rows
    assert "spread 12 true number 0.42 ± 0.03 0.43 0.44" in page.rows


def _recovered(**changes: Any) -> JsonObject:
    found = {"method": "k-means", "n_clusters": 12, "k": "true number", "ari": 0.42, "nmi": 0.43, "accuracy": 0.44}
    return found | changes


def test_films_table_tells_what_is_odd(make_artifacts: Make) -> None:
    odd = film(3, "S02", missing=["audio"], flags=["no_audio"], split="unlabelled", genres=[])
    odd["predicted"] = [guess | {"decided": False} for guess in odd["predicted"]]
    given = make_artifacts()
    page = Page(render(replace(given, trailers=[*given.trailers[:3], odd])))
    (row,) = [row for row in page.rows if row.startswith("Film number 3")]
    for text in ("none; closest Comedy 0.70", "S02 Name of S02", "no learned genre", "audio", "no audio"):
        assert text in row


@pytest.mark.parametrize(("number", "times"), [(0, 0), (1, 1)])
def test_guesses_that_the_catalogue_does_not_give_are_in_italics(make_artifacts: Make, number: int, times: int) -> None:
    only = film(number, neighbours=[])  # film 0 is given Comedy, film 1 is not; both are thought to be one
    atlas = atlas_of(subgenre("S01", [only["trailer_id"]]))
    html = render(make_artifacts(trailers=[only], atlas=atlas))
    assert html.count("<em><bdi>Comedy</bdi></em>") == times


def test_many_films_carry_pictures_for_exemplars_only() -> None:
    few, many = ([str(i) for i in range(n)] for n in (MANY_FILMS, MANY_FILMS + 1))
    assert wanted_pictures(few, ["7", "9"]) == few
    assert wanted_pictures(many, ["7", "9"]) == ["7", "9"]


def test_page_says_when_pictures_are_few(make_artifacts: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "only the most typical films of each sub-genre carry a picture"
    assert said not in Page(render(make_artifacts())).text
    monkeypatch.setattr("cinegrain.report.data.MANY_FILMS", 3)
    assert said in Page(render(make_artifacts())).text


def test_a_card_says_what_to_think_of_its_sub_genre(make_artifacts: Callable[..., Artifacts]) -> None:
    html = squeezed(render(make_artifacts()))
    assert "An artefact?</strong> May be an artefact of loudness: a film of it is louder." in html
    assert "No finer structure was found inside any of 1 genres." in html
    assert "S01.1: rain, night" in html
    assert "too few films to tell" in html


def test_a_group_that_people_put_together_has_no_verdict(make_artifacts: Callable[..., Artifacts]) -> None:
    card = subgenre("S01", ["film-0.mp4"], verdict=None, stability=None, stability_subsamples=None, finer=[])
    html = render(make_artifacts(trailers=[film(0)], atlas=atlas_of(card)))
    assert 'class="verdict' not in html
