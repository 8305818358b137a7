"""A result as sections of words, tables, charts and pictures: one page of HTML, or Markdown."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from cinegrain.report.figures import Chart
from cinegrain.report.page import asset, content_policy, templates
from cinegrain.report.words import number


@dataclass(frozen=True)
class Table:
    """Columns and rows; figures are written with `digits` places, None as a dash."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    digits: int = 2

    def text(self, cell: str | int | float | None) -> str:
        """A cell as it is written."""
        if isinstance(cell, str):
            return cell
        return number(cell, 0 if isinstance(cell, int) else self.digits)


@dataclass(frozen=True)
class Shot:
    """A film with its picture, if it has one, and what is said of it."""

    title: str
    said: str
    jpeg: bytes | None

    @property
    def url(self) -> str | None:
        """The picture as a data URL."""
        return f"data:image/jpeg;base64,{b64encode(self.jpeg).decode()}" if self.jpeg else None


@dataclass(frozen=True)
class Section:
    """One finding."""

    title: str
    text: str = ""
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    shots: tuple[Shot, ...] = ()


@dataclass(frozen=True)
class Document:
    """All of it."""

    kind: str
    title: str
    lede: str
    sections: tuple[Section, ...]


def document_html(document: Document) -> str:
    """One file that loads nothing; it may run only its own two scripts."""
    plotly, script = get_plotlyjs(), "\n".join(map(asset, ("theme.js", "charts.js")))
    charts = {f"s{i}": [chart.figure for chart in section.charts] for i, section in enumerate(document.sections)}
    return (
        templates()
        .get_template("document.html")
        .render(
            document=document,
            page_data={"charts": charts},
            policy=content_policy(plotly, script, needs_eval=False),
            style=Markup(asset("style.css")),
            plotly=Markup(plotly),
            script=Markup(script),
        )
    )


def document_markdown(document: Document) -> str:
    """The same without pictures; a chart becomes what is said of it."""
    parts = [f"# {document.title}", document.lede]
    for section in document.sections:
        parts += [f"## {section.title}", section.text]
        parts += [markdown_table(table) for table in section.tables]
        parts += [f"*{chart.title}.* {chart.said}" for chart in section.charts]
        parts += ["\n".join(f"- **{_plain(shot.title)}**: {_plain(shot.said)}" for shot in section.shots)]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(table: Table) -> str:
    """A table in GitHub's Markdown."""
    rows = [table.columns, ["---"] * len(table.columns), *([table.text(cell) for cell in row] for row in table.rows)]
    return "\n".join(_row(row) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """One line in which no markup of a stranger's title works."""
    return " ".join(text.split()).replace("<", "&lt;").replace("[", "\\[")
