"""The page: templates, style and scripts joined into one file that loads nothing."""

import base64
import hashlib
from dataclasses import asdict
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from cinegrain.report import figures, words
from cinegrain.report.data import Artifacts, Film, Group, ReportView, build_view
from cinegrain.report.document_figures import reliability_chart
from cinegrain.types import JsonObject

_SCRIPTS = ("theme.js", "charts.js", "panel.js", "map.js", "films.js")


def render(artifacts: Artifacts) -> str:
    """The whole report as HTML.

    The page forbids itself, by its own content security policy, every request and every script but its two, which
    are named by their hashes.

    Args:
        artifacts: A finished run.
    """
    view = build_view(artifacts)
    charts = _charts(artifacts.metrics)
    plotly, script = get_plotlyjs(), "\n".join(asset(name) for name in _SCRIPTS)
    return (
        templates()
        .get_template("page.html")
        .render(
            view=view,
            metrics=artifacts.metrics,
            charts=charts,
            page_data=_page_data(view, charts),
            policy=content_policy(plotly, script, needs_eval=figures.needs_gl(len(view.films))),
            style=Markup(asset("style.css")),
            plotly=Markup(plotly),
            script=Markup(script),
        )
    )


@cache
def templates() -> Environment:
    """The pages' templates with our words as filters."""
    environment = Environment(
        loader=PackageLoader("cinegrain.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for said in (words.number, words.signed, words.percent, words.count, words.duration, words.listed, words.breakable):
        environment.filters[said.__name__] = said
    environment.globals["cohesion_in_words"] = words.cohesion
    environment.globals["verdict_in_a_word"] = words.verdict_in_a_word
    environment.filters["after_colon"] = words.after_colon
    environment.globals["stability_in_words"] = words.stability
    environment.globals["SMALL_TEST"] = words.SMALL_TEST
    return environment


@cache
def asset(name: str) -> str:
    """A style sheet or script as text."""
    return (resources.files("cinegrain.report") / "templates" / name).read_text(encoding="utf-8")


def _charts(metrics: JsonObject) -> dict[str, list[figures.Chart]]:
    history, choice = metrics["history"], metrics["choice_of_k"]
    return {
        "coarse": figures.coarse_charts(history["coarse"], metrics["best_epoch"]) if history["coarse"] else [],
        "finetuned": figures.finetune_charts(history["finetuned"]) if history["finetuned"] else [],
        "choice": figures.choice_charts(choice["curve"], choice["k"]) if choice["curve"] else [],
        "reliability": _reliability(metrics["coarse"].get("reliability")),
    }


def _reliability(found: JsonObject | None) -> list[figures.Chart]:
    """What was said against what was true; nothing for a run that was measured before this was kept."""
    if found is None:
        return []
    series = {name: (line["said"], line["true"]) for name, line in found.items()}
    return [reliability_chart(series, "Of the pairs with a probability of 0.3, about 30 % should be true.")]


def _page_data(view: ReportView, charts: dict[str, list[figures.Chart]]) -> JsonObject:
    """What the scripts need; pictures that stand in the page itself are not repeated."""
    on_page = {film.index for card in view.subgenres for film in card.exemplars}
    by_subgenre = figures.map_figure(view.films, view.by_subgenre, view.subgenres)
    by_genre = figures.map_figure(view.films, view.by_genre)
    return {
        "charts": {name: [chart.figure for chart in found] for name, found in charts.items()},
        "start": next((card.exemplars[0].index for card in view.subgenres if card.exemplars), 0),
        "films": [_film_data(film, with_thumb=film.index not in on_page) for film in view.films],
        "maps": {
            "subgenre": {"figure": by_subgenre, "groups": [_group_data(group) for group in view.by_subgenre]},
            "genre": {"figure": by_genre, "groups": [_group_data(group) for group in view.by_genre]},
        },
    }


def _group_data(group: Group) -> JsonObject:
    return {"label": group.label, "short": group.short, "mark": asdict(group.mark), "members": group.members}


def _film_data(film: Film, *, with_thumb: bool) -> JsonObject:
    return {
        "title": film.title,
        "year": film.year,
        "genres": film.genres,
        "guesses": [[guess.genre, guess.probability] for guess in film.guesses],
        "closest": [film.closest.genre, film.closest.probability] if film.closest else None,
        "subgenre": film.subgenre,
        "words": film.words,
        "near": film.near,
        "missing": film.missing,
        "x": film.x,
        "y": film.y,
        "thumb": film.thumb if with_thumb else None,
    }


def content_policy(*scripts: str, needs_eval: bool) -> str:
    """A policy that forbids every request, and every script but these."""
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts]
    allowed = " ".join([*hashes, "'unsafe-eval'"] if needs_eval else hashes)  # WebGL marks are compiled by Plotly
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
