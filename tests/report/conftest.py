"""A small made-up run, and an HTML reader for what the page really holds."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from cinegrain.report.data import Artifacts, Failure
from cinegrain.types import JsonObject

Attributes = dict[str, str]
MODES = ("audio", "location", "motion", "image")


class Page(HTMLParser):
    """Elements with their attributes, the text of each script and style, and all visible text."""

    VOID = frozenset({"meta", "link", "img", "br", "input", "path", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, Attributes]] = []
        self.raw: list[tuple[str, Attributes, str]] = []
        self.unbalanced: list[str] = []
        self._texts: list[str] = []
        self._rows: list[list[str]] = []
        self._open: list[tuple[str, Attributes]] = []
        self.feed(html)
        self.close()
        self.unbalanced += [tag for tag, _ in self._open]

    @property
    def text(self) -> str:
        return squeezed("".join(self._texts))

    @property
    def rows(self) -> list[str]:
        """Text of each table row."""
        return [squeezed(" ".join(row)) for row in self._rows]

    def all(self, tag: str, css_class: str = "") -> list[Attributes]:
        return [a for t, a in self.elements if t == tag and (not css_class or css_class in a.get("class", "").split())]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "tr":
            self._rows.append([])
        if tag in ("th", "td", "p", "li", "dt", "dd", "h3"):
            self._texts.append(" ")
        if tag not in self.VOID:
            self._open.append((tag, attributes))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            self._open.pop()
        else:
            self.unbalanced.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag in ("script", "style"):
            self.raw.append((tag, attributes, data))
            return
        self._texts.append(data)
        if any(t == "tr" for t, _ in self._open):
            self._rows[-1].append(data)


def squeezed(text: str) -> str:
    return " ".join(text.split())


def film(number: int, subgenre: str = "S01", **changes: Any) -> JsonObject:
    return {
        "trailer_id": f"film-{number}.mp4",
        "title": f"Film number {number}",
        "year": 1980 + number,
        "catalog_genres": ["Horror"] if number % 2 else ["Comedy", "Horror"],
        "duration_s": 60.0,
        "n_scenes": 3,
        "flags": [],
        "missing": [],
        "predicted": [
            {"name": "Comedy", "probability": 0.7, "decided": True, "influence": dict.fromkeys(MODES, 0.1)},
            {"name": "Horror", "probability": 0.3, "decided": False, "influence": dict.fromkeys(MODES, -0.1)},
        ],
        "subgenre": {"id": subgenre, "name": f"Name of {subgenre}", "distance": 0.2},
        "concepts": {"audio": [{"name": f"sound {number}", "score": 0.5}]},
        "neighbours": [{"trailer_id": "film-0.mp4", "score": 0.4}] if number else [],
        "map": [float(number), float(-number)],
        "split": "train",
    } | changes


def subgenre(subgenre_id: str, members: list[str], **changes: Any) -> JsonObject:
    return {
        "id": subgenre_id,
        "name": f"Name of {subgenre_id}",
        "terms": [{"word": f"word of {subgenre_id}", "mode": "image", "score": 0.4, "coverage": 0.5}],
        "size": len(members),
        "parents": [{"genre": "Horror", "share": 0.75}],
        "exemplars": members[:5],
        "members": members,
        "modes": {"audio": 0.4, "location": 0.3, "motion": 0.2, "image": 0.1},
        "cohesion": 0.7,
        "stability": 0.9,
        "stability_subsamples": 0.8,
        "verdict": {
            "kind": "artefact",
            "said": "May be an artefact of loudness: a film of it is louder.",
            "nuisances": [{"name": "loudness", "auc": 0.97, "higher": True, "p": 0.001, "value": "", "explains": True}],
        },
        "keywords": [f"word of {subgenre_id}"],
        "finer": [
            {"id": f"{subgenre_id}.1", "keywords": ["rain", "night"], "size": 1, "exemplars": members[:1]}
            | {"members": members[:1], "stability": 0.5}
        ],
    } | changes


def atlas_of(*cards: JsonObject) -> JsonObject:
    """atlas.json with these sub-genres, and Horror and Comedy looked into."""
    row = {"n_films": 60, "n_genres": 1, "k": 2, "gap": 0.01, "chance": 0.03, "p": 0.4, "finer": False}
    few = row | {"genre": "Comedy", "n_films": 7, "finer": None, "said": "Too few films."}
    genres = [row | {"genre": "Horror", "said": "No finer structure was found inside Horror."}, few]
    structure = {"said": "No finer structure was found inside any of 1 genres.", "finds": False, "genres": genres}
    return {
        "key": "of everything",
        "k": len(cards),
        "criterion": "best mean cosine silhouette",
        "curve": [],
        "stability": {"seeds_ari": 0.9, "subsamples_ari": None},
        "structure": structure,
        "tested_as_causes": ["loudness", "year"],
        "genres": ["Comedy", "Horror"],
        "modes": list(MODES),
        "subgenres": list(cards),
        "provenance": {"cinegrain": "0.1.0", "seed": 7, "versions": {}},
    }


def score(genre: str, **changes: Any) -> JsonObject:
    found = {"genre": genre, "n_positive": 2, "ap": 0.625, "precision": 0.5, "recall": 0.5, "f1": 0.5, "threshold": 0.4}
    return found | changes


def scores(genres: list[JsonObject], **changes: Any) -> JsonObject:
    return {
        "n_films": 60,
        "map_macro": 0.6,
        "map_low": 0.5,
        "map_high": 0.7,
        "map_chance": 0.25,
        "ap_micro": 0.61,
        "ap_weighted": 0.62,
        "ap_samples": 0.63,
        "f1_micro": 0.64,
        "f1_macro": 0.65,
        "f1_weighted": 0.66,
        "ece": 0.04,
        "ece_uncalibrated": 0.09,
        "reliability": {
            "the network's own": {"said": [0.1, 0.9], "true": [0.2, 0.7]},
            "calibrated": {"said": [0.2, 0.7], "true": [0.2, 0.7]},
        },
        "genres": genres,
        "left_out": [g["genre"] for g in genres if g["ap"] is None],
    } | changes


def metrics(genre_scores: list[JsonObject], **changes: Any) -> JsonObject:
    names = [g["genre"] for g in genre_scores]
    curve = [{"k": k, "silhouette": 0.1 * k, "stability": 0.9, "gap": 0.1, "chance": 0.02} for k in (2, 3)]
    return {
        "n_films": 4,
        "n_labelled": 4,
        "n_genres": len(names),
        "films_by_genre": dict.fromkeys(names, 2),
        "genres_left_out": {},
        "split": {"train": 2, "val": 1, "test": 1},
        "coarse": scores(genre_scores),
        "finetuned": scores(genre_scores),
        "influence": {name: {"audio": 0.5, "location": -0.25, "motion": 0.0, "image": 0.1} for name in names},
        "history": {
            "coarse": [{"epoch": e, "train_loss": 0.7, "val_loss": 0.6, "val_map": [0.5, None][e]} for e in (0, 1)],
            "finetuned": [{"epoch": 0, "contrast_loss": 2.0, "genre_loss": 0.5}],
        },
        "best_epoch": 0,
        "choice_of_k": {"k": 2, "criterion": "best mean cosine silhouette", "curve": curve},
        "provenance": {"cinegrain": "0.1.0", "seed": 7, "versions": {"numpy": "2.0.0"}},
    } | changes


def expert(mode: str, **changes: Any) -> JsonObject:
    return {
        "name": f"{mode}_expert",
        "modality": mode,
        "dimension": 1024,
        "description": f"What can be known by {mode}.",
        "concepts": None,
        "licence": "CC0-1.0",
        "citation": f"Nobody 2020, {mode}",
        "substitute": False,
        "substitute_for": None,
    } | changes


def artifacts(**changes: Any) -> Artifacts:
    films = [film(i, "S01" if i < 3 else "S02") for i in range(4)]
    ids = [row["trailer_id"] for row in films]
    given: dict[str, Any] = {
        "metrics": metrics([score("Comedy"), score("Horror")]),
        "atlas": atlas_of(subgenre("S01", ids[:3]), subgenre("S02", ids[3:])),
        "trailers": films,
        "notes": ["catalogue row 'x.mp4' has no file in the folder and is left out"],
        "failures": [Failure("broken-1", "broken.mp4", "no pictures in it")],
        "experts": [expert(mode) for mode in MODES],
        "settings": "seed = 7\n",
        "thumbnails": {trailer_id: f"jpeg of {trailer_id}".encode() for trailer_id in ids},
    }
    return Artifacts(**(given | changes))


@pytest.fixture(autouse=True)
def short_plotly(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Five megabytes of script less to parse, save where a test is about them (`real_plotly`)."""
    if "real_plotly" not in request.fixturenames:
        monkeypatch.setattr("cinegrain.report.page.get_plotlyjs", lambda: "/* plotly */")


@pytest.fixture
def real_plotly() -> None:
    """Asks for the true script."""


@pytest.fixture
def make_artifacts() -> Callable[..., Artifacts]:
    """A run with two genres, two sub-genres and four films; any part can be replaced."""
    return artifacts
