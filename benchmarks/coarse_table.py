"""Rows of `benchmarks/coarse.py` as a Markdown table: a row a model, two columns a kind of data."""

from collections.abc import Mapping, Sequence
from typing import Any


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table; a model that was not measured on some data has a dash there."""
    data = list(dict.fromkeys(row["data"] for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    cell = {(row["data"], row["model"]): row for row in rows}
    best = {name: max(row["macro_map"] for row in rows if row["data"] == name) for name in data}
    lines = ["| model |" + "".join(f" {name}: macro | micro |" for name in data)]
    lines.append("| --- |" + " --- | --- |" * len(data))
    for model in models:
        cells = []
        for name in data:
            row = cell.get((name, model))
            bold = "**" if row and row["macro_map"] == best[name] else ""
            cells += [_figure(row, "macro_map", bold), _figure(row, "micro_map", "")]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _figure(row: Mapping[str, Any] | None, name: str, bold: str) -> str:
    if row is None:
        return "–"
    spread = f" ± {row[f'{name}_deviation']:.3f}" if row["seeds"] > 1 else ""
    return f"{bold}{row[name]:.3f}{bold}{spread}"
