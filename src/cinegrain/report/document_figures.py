"""Charts of documents: reliability, heat maps and grouped bars."""

from collections.abc import Mapping, Sequence

from cinegrain.report.figures import AXIS, FONT, Chart
from cinegrain.types import JsonObject

_CLEAR = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
_BARE = AXIS | {"showgrid": False, "ticks": ""}


def reliability_chart(series: Mapping[str, tuple[Sequence[float], Sequence[float]]], said: str) -> Chart:
    """How often probabilities came true.

    Args:
        series: By name, mean probability of each bin and the share that was true.
        said: The finding in words.
    """
    colours = ("--line-a", "--line-b")
    traces: list[JsonObject] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [0, 1],
            "y": [0, 1],
            "name": "as said",
            "line": {"color": "var(--rule)", "width": 1.5, "dash": "dot"},
            "hoverinfo": "skip",
        }
    ]
    for (name, (x, y)), colour in zip(series.items(), colours, strict=False):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": list(x),
                "y": list(y),
                "name": name,
                "line": {"color": f"var({colour})", "width": 2},
                "hovertemplate": f"{name}: said %{{x:.2f}}, true %{{y:.2f}}<extra></extra>",
            }
        )
    layout: JsonObject = {
        "margin": {"l": 52, "r": 14, "t": 30, "b": 44},
        "height": 360,
        "font": FONT | {"size": 12},
        "xaxis": AXIS | {"title": {"text": "probability"}, "range": [0, 1]},
        "yaxis": AXIS | {"title": {"text": "share that was true"}, "range": [0, 1]},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        **_CLEAR,
    }
    return Chart("Reliability", said, {"data": traces, "layout": layout})


def heat_chart(
    title: str,
    said: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    row_title: str = "",
    column_title: str = "",
    digits: int = 2,
) -> Chart:
    """A matrix with its figures written in; the first row is at the top."""
    trace: JsonObject = {
        "type": "heatmap",
        "x": list(columns),
        "y": list(rows),
        "z": [list(row) for row in values],
        "colorscale": [[0, "var(--surface)"], [1, "var(--line-b)"]],
        "texttemplate": f"%{{z:.{digits}f}}" if len(columns) <= 16 else "",
        "hovertemplate": f"%{{y}}, %{{x}}: %{{z:.{digits}f}}<extra></extra>",
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    layout: JsonObject = {
        "margin": {"l": 90, "r": 14, "t": 14, "b": 80},
        "height": 160 + 26 * len(rows),
        "font": FONT | {"size": 12},
        "xaxis": _BARE | {"title": {"text": column_title}, "type": "category"},
        "yaxis": _BARE | {"title": {"text": row_title}, "autorange": "reversed", "type": "category"},
        **_CLEAR,
    }
    return Chart(title, said, {"data": [trace], "layout": layout})
