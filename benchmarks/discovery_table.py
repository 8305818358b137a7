"""Rows of `benchmarks/discovery.py` as Markdown: one table for each kind of data."""

from collections.abc import Mapping, Sequence
from typing import Any

_ONE_LABEL = {
    "accuracy": "accuracy",
    "ari": "ARI",
    "nmi": "NMI",
    "within_ari": "inside",
    "recall_at_1": "R@1",
    "retrieval_map": "mAP",
    "genre_map": "genre mAP",
    "stability": "stability",
}
_SETS = {
    "auc_in_parent": "AUC in the genre",
    "gain": "gain",
    "auc_unseen": "AUC, unseen films",
    "gain_unseen": "gain there",
    "genre_map": "genre mAP",
}
_WITH_SPREAD = ("accuracy", "ari", "auc_in_parent", "auc_unseen")


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """All tables; what was not measured is left empty."""
    parts = []
    for data in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == data]
        columns = _SETS if "auc_in_parent" in own[0] else _ONE_LABEL
        lines = [f"## {data[0].upper()}{data[1:]} ({own[0]['n']:,} items)", ""]
        lines.append(f"| method | {' | '.join(columns.values())} |")
        lines.append("| --- |" + " --- |" * len(columns))
        for row in own:
            name = f"**{row['method']}**" if "default" in row["method"] else row["method"]
            lines.append(f"| {name} | {' | '.join(_cell(row, column) for column in columns)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _cell(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if column.startswith("gain"):
        return f"{value:+.3f} ({row[f'{column}_low']:+.3f} to {row[f'{column}_high']:+.3f})"
    return f"{value:.3f} ± {row[f'{column}_sd']:.3f}" if column in _WITH_SPREAD else f"{value:.3f}"
