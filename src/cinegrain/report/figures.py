"""Plotly figures as plain data.

Colours are CSS custom properties: the page puts in their values, for light or dark, when it draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cinegrain.report.data import Film, Group, SubGenreCard
from cinegrain.report.words import number
from cinegrain.types import JsonObject

_GL_FROM = 2000
_MAX_LABELS = 40
AXIS: JsonObject = {
    "gridcolor": "var(--rule)",
    "zeroline": False,
    "linecolor": "var(--rule)",
    "tickcolor": "var(--rule)",
    "ticks": "outside",
    "ticklen": 4,
    "automargin": True,
    "fixedrange": True,
}
FONT: JsonObject = {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "color": "var(--muted)"}


@dataclass(frozen=True)
class Chart:
    """A small line chart: what it shows, in words for those who do not see it, and its figure."""

    title: str
    said: str
    figure: JsonObject


def needs_gl(n_films: int) -> bool:
    """Whether the map is drawn by the graphics card."""
    return n_films > _GL_FROM


def map_figure(films: Sequence[Film], groups: Sequence[Group], labels: Sequence[SubGenreCard] = ()) -> JsonObject:
    """The map, one trace a group; a point's `customdata` is the film's index.

    Args:
        films: All films.
        groups: Which films share a colour and shape.
        labels: Sub-genres whose short id is written above their typical films.
    """
    kind = "scattergl" if needs_gl(len(films)) else "scatter"
    traces: list[JsonObject] = [
        {
            "type": kind,
            "mode": "markers",
            "name": group.label,
            "x": [films[i].x for i in group.films],
            "y": [films[i].y for i in group.films],
            "customdata": list(group.films),
            "hoverinfo": "none",
            "marker": {
                "color": group.mark.colour,
                "symbol": group.mark.symbol,
                "size": _marker_size(len(films)),
                "line": {"width": 2 if group.mark.is_open else 1, "color": _edge(group)},
            },
        }
        for group in groups
    ]
    shown = [card for card in labels if card.exemplars] if len(labels) <= _MAX_LABELS else []
    layout = {
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"visible": False, "range": _padded([film.x for film in films])},
        "yaxis": {"visible": False, "range": _padded([film.y for film in films]), "scaleanchor": "x"},
        "annotations": [_map_label(card) for card in shown],
        "showlegend": False,
        "hovermode": "closest",
        "hoverdistance": 24,
        "dragmode": "pan",
        "uirevision": "map",
        "font": FONT,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return {"data": traces, "layout": layout}


def coarse_charts(history: Sequence[JsonObject], best_epoch: int) -> list[Chart]:
    """Losses and validation mAP of the genre model, the chosen epoch marked; epochs count from 1 here."""
    epochs = [row["epoch"] + 1 for row in history]
    losses = {key: [row[key] for row in history] for key in ("train_loss", "val_loss")}
    scores = [row["val_map"] for row in history]
    chosen = best_epoch + 1
    at_best = dict(zip(epochs, scores, strict=True)).get(chosen)
    return [
        Chart(
            "Loss",
            f"Training loss goes from {_ends(losses['train_loss'])}, validation loss from {_ends(losses['val_loss'])}.",
            _lines(
                epochs,
                [("training", losses["train_loss"], "--line-a"), ("validation", losses["val_loss"], "--line-b")],
                "epoch",
                chosen,
                "chosen",
            ),
        ),
        Chart(
            "Validation mAP",
            f"Validation mAP over {len(epochs)} epochs; epoch {chosen} with {number(at_best)} was chosen.",
            _lines(epochs, [("validation mAP", scores, "--line-b")], "epoch", chosen, "chosen"),
        ),
    ]


def finetune_charts(history: Sequence[JsonObject]) -> list[Chart]:
    """Whatever the way of fine-tuning kept a record of."""
    epochs = [row["epoch"] + 1 for row in history]
    charts = []
    for title, key, colour in (
        ("Contrast loss (nats)", "contrast_loss", "--line-a"),
        ("Films that changed their component (share)", "moved", "--line-a"),
        ("Genre loss kept beside it", "genre_loss", "--line-b"),
    ):
        if key not in history[0]:
            continue
        values = [row[key] for row in history]
        said = f"{title} over {len(epochs)} epochs goes from {_ends(values)}."
        charts.append(Chart(title, said, _lines(epochs, [(title, values, colour)], "epoch")))
    return charts


def choice_charts(curve: Sequence[JsonObject], chosen: int) -> list[Chart]:
    """Silhouette, stability and gap for every number of sub-genres tried."""
    ks = [point["k"] for point in curve]
    charts = []
    for title, key, colour in (("Silhouette", "silhouette", "--line-a"), ("Stability (ARI)", "stability", "--line-b")):
        values = [point[key] for point in curve]
        at_chosen = dict(zip(ks, values, strict=True)).get(chosen)
        said = f"{title} for {ks[0]} to {ks[-1]} sub-genres; at the {chosen} chosen it is {number(at_chosen)}."
        figure = _lines(ks, [(title, values, colour)], "number of sub-genres", chosen, "chosen")
        charts.append(Chart(title, said, figure))
    gaps, chance = [point["gap"] for point in curve], [point["chance"] for point in curve]
    above = [k for k, gap, limit in zip(ks, gaps, chance, strict=True) if gap > limit]
    said = f"Gap for {ks[0]} to {ks[-1]} sub-genres; above what chance gives at {len(above)} of them, "
    said += f"{'as' if chosen in above else 'not'} at the {chosen} chosen."
    lines = [("gap", gaps, "--line-b"), ("95 % of chance", chance, "--line-a")]
    figure = _lines(ks, lines, "number of sub-genres", chosen, "chosen")
    figure["data"][1]["line"]["dash"] = "dash"
    charts.append(Chart("Gap", said, figure))
    return charts


def _lines(
    x: Sequence[int],
    series: Sequence[tuple[str, Sequence[float | None], str]],
    x_title: str,
    chosen: int | None = None,
    chosen_label: str = "",
) -> JsonObject:
    mode = "lines+markers" if len(x) <= 40 else "lines"
    traces: list[JsonObject] = [
        {
            "type": "scatter",
            "mode": mode,
            "name": name,
            "x": list(x),
            "y": list(values),
            "line": {"color": f"var({colour})", "width": 2},
            "marker": {"size": 5},
            "hovertemplate": f"{name}: %{{y:.3f}}<extra></extra>",
        }
        for name, values, colour in series
    ]
    layout: JsonObject = {
        "margin": {"l": 44, "r": 14, "t": 30, "b": 44},
        "height": 250,
        "font": FONT | {"size": 12},
        "xaxis": AXIS | {"title": {"text": x_title}, "showgrid": False, "tickformat": "d", "dtick": _whole_step(x)},
        "yaxis": AXIS | {"tickformat": ".3~f", "nticks": 6},
        "showlegend": len(series) > 1,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "var(--surface)", "bordercolor": "var(--rule)", "font": {"color": "var(--ink)"}},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    if chosen is not None:
        layout |= _marked(chosen, chosen_label, at_right=chosen > (min(x) + max(x)) / 2)
    return {"data": traces, "layout": layout}


def _marked(at: int, label: str, *, at_right: bool) -> dict[str, Any]:
    line = {"color": "var(--ink)", "width": 1.5, "dash": "dot"}
    return {
        "shapes": [{"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line}],
        "annotations": [
            {
                "x": at,
                "y": 1,
                "yref": "paper",
                "text": f"{label}: {at}",
                "showarrow": False,
                "xanchor": "right" if at_right else "left",
                "yanchor": "top",
                "xshift": -5 if at_right else 5,
                "font": {"color": "var(--ink)", "size": 12},
                "bgcolor": "var(--paper)",
            }
        ],
    }


def _map_label(card: SubGenreCard) -> JsonObject:
    film = max(card.exemplars, key=lambda exemplar: exemplar.y)
    return {
        "x": film.x,
        "y": film.y,
        "text": card.id,
        "showarrow": False,
        "yshift": 15,
        "font": {"size": 12, "color": "var(--ink)"},
        "captureevents": False,
    }


def _whole_step(x: Sequence[int]) -> int:
    """Between ticks, so that at most about ten whole numbers are written."""
    span = max(x) - min(x)
    return next((step for step in (1, 2, 5, 10, 20, 50, 100, 200) if span / step <= 10), 500)


def _marker_size(n_films: int) -> int:
    return next((size for most, size in ((60, 14), (300, 12), (1000, 8), (4000, 6)) if n_films <= most), 4)


def _edge(group: Group) -> str:
    return group.mark.colour if group.mark.is_open else "var(--paper)"


def _padded(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or 1.0
    return [low - room, high + room]


def _ends(values: Sequence[float]) -> str:
    return f"{number(values[0])} to {number(values[-1])}" if values else "nothing"
