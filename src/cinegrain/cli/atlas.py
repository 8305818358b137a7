"""`cinegrain atlas`: view and edit sub-genres."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain.cli.console import note, out, print_json, say
from cinegrain.cli.options import JsonFlag, RunArgument, guarded, needs, renamed
from cinegrain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinegrain.atlas.cards import Card
    from cinegrain.atlas.edit import Editor
    from cinegrain.atlas.edits import Entry
    from cinegrain.atlas.run_atlas import RunAtlas

app = typer.Typer(help="View and edit sub-genres. Every edit is kept and can be undone.", no_args_is_help=True)

SubGenre = Annotated[str, typer.Argument(help="Sub-genre id, such as S03.", show_default=False)]
Films = Annotated[list[str], typer.Argument(help="Films, by id or title.", show_default=False)]
By = Annotated[str | None, typer.Option("--by", help="Editor.", show_default="your user name")]
Why = Annotated[str, typer.Option("--why", help="Reason for the edit.", show_default=False)]
Seen = Annotated[
    int | None,
    typer.Option(
        "--version",
        min=0,
        help="Version shown by `show`; the edit is refused if the atlas has changed since.",
        show_default=False,
    ),
]
Name = Annotated[str, typer.Option("--name", help="Name of the new sub-genre.", show_default="from its terms")]


@app.command("show")
@guarded
@needs("train")
def show(
    run: RunArgument,
    subgenre: Annotated[
        str | None, typer.Argument(help="Sub-genre to show in full, such as S03.", show_default=False)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show all sub-genres, or one with its films."""
    atlas = _open(run)
    card = None if subgenre is None else atlas.card(subgenre)
    if as_json:
        print_json(card or atlas.to_dict())
        return
    if card is not None:
        _show_one(atlas, card)
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("id", "films", "name", ""):
        table.add_column(column, justify="right" if column == "films" else "left")
    for card in atlas.cards:
        table.add_row(card.id, str(card.size), escape(card.name), _marks(card))
    out.print(table)
    unplaced = atlas.edited.unplaced
    if unplaced:
        out.print(f"fits nowhere: {escape(', '.join(unplaced[:5]))}{' and more' * (len(unplaced) > 5)}", soft_wrap=True)
    if atlas.proposals:
        out.print(f"proposed: {', '.join(one.id for one in atlas.proposals)}; see `cinegrain assign RUN`")
    out.print(f"version {atlas.version}", highlight=False)


@app.command("rename")
@guarded
@needs("train")
def rename(
    run: RunArgument,
    subgenre: SubGenre,
    name: Annotated[str, typer.Argument(help="New name.", show_default=False)],
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Rename a sub-genre; later discoveries keep the name."""
    _tell(run, [_editor(run, by, why, version).rename(subgenre, name)], as_json)


@app.command("merge")
@guarded
@needs("train")
def merge(
    run: RunArgument,
    into: Annotated[str, typer.Argument(help="Sub-genre to keep.", show_default=False)],
    others: Annotated[list[str], typer.Argument(help="Sub-genres to merge into it.", show_default=False)],
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Merge sub-genres, also in later discoveries."""
    _tell(run, [_editor(run, by, why, version).merge(into, others)], as_json)


@app.command("split")
@guarded
@needs("train")
def split(
    run: RunArgument,
    subgenre: SubGenre,
    films: Annotated[
        list[str] | None,
        typer.Argument(
            help="Films to move out, by id or title; omit to split it automatically in two.", show_default=False
        ),
    ] = None,
    name: Name = "",
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Split films off a sub-genre into a new one."""
    atlas = _open(run)
    chosen = _films(atlas, films) if films else atlas.halves(subgenre)[1]
    _tell(run, [_editor(run, by, why, version).split(subgenre, chosen, name)], as_json)


@app.command("move")
@guarded
@needs("train")
def move(
    run: RunArgument,
    films: Films,
    to: Annotated[str, typer.Option("--to", help="Target sub-genre, such as S03.", show_default=False)],
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Move films to another sub-genre."""
    _tell(run, [_editor(run, by, why, version).move(_films(_open(run), films), to)], as_json)


@app.command("lock")
@guarded
@needs("train")
def lock(
    run: RunArgument,
    subgenre: SubGenre,
    off: Annotated[bool, typer.Option("--off", hidden=True)] = False,
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Protect a sub-genre's films and name from edits and later discoveries."""
    if off:
        renamed("lock --off", "unlock")
    editor = _editor(run, by, why, version)
    _tell(run, [editor.unlock(subgenre) if off else editor.lock(subgenre)], as_json)


@app.command("unlock")
@guarded
@needs("train")
def unlock(
    run: RunArgument,
    subgenre: SubGenre,
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Remove a sub-genre's protection."""
    _tell(run, [_editor(run, by, why, version).unlock(subgenre)], as_json)


@app.command("accept")
@guarded
@needs("train")
def accept(
    run: RunArgument,
    proposal: Annotated[str, typer.Argument(help="Proposal of `cinegrain assign`, such as P1.", show_default=False)],
    name: Name = "",
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Turn a proposal into a sub-genre."""
    trailers = _open(run).proposal(proposal).trailers
    _tell(run, [_editor(run, by, why, version).accept(trailers, name)], as_json)


@app.command("undo")
@guarded
@needs("train")
def undo(
    run: RunArgument,
    entries: Annotated[
        list[str] | None,
        typer.Argument(help="Edits, such as E0004; omit to undo the last one in effect.", show_default=False),
    ] = None,
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Undo edits; an undo can itself be undone."""
    _tell(run, _editor(run, by, why, version).undo(entries or []), as_json)


@app.command("history")
@guarded
@needs("train")
def history(run: RunArgument, as_json: JsonFlag = False) -> None:
    """List all edits: who, when, what, why, and their state."""
    from cinegrain.atlas.edit import history_rows

    rows = history_rows(_open(run))
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("No edits yet.")
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("edit", "when (UTC)", "who", "what", "why", ""):
        table.add_column(column, no_wrap=column in ("edit", "when (UTC)"))
    for row in rows:
        table.add_row(row.id, row.at[:16].replace("T", " "), *map(escape, (row.by, row.said, row.why, row.state)))
    out.print(table)


def _open(run: Path) -> "RunAtlas":
    """The atlas, with notes about its log."""
    from cinegrain.atlas.run_atlas import open_atlas
    from cinegrain.runs.layout import Run

    atlas = open_atlas(Run.open(run))
    for line in atlas.oddities:
        note(line)
    return atlas


def _editor(run: Path, by: str | None, why: str, version: int | None) -> "Editor":
    from cinegrain.atlas.edit import Editor, user_name
    from cinegrain.runs.layout import Run

    return Editor(Run.open(run), by or user_name(), why, version)


def _films(atlas: "RunAtlas", named: "Sequence[str]") -> list[str]:
    return [atlas.find(name) for name in named]


def _tell(run: Path, entries: "Sequence[Entry]", as_json: bool) -> None:
    if as_json:
        print_json({"version": entries[-1].number, "entries": entries})
        return
    for entry in entries:
        out.print(f"{entry.id}: {escape(entry.by)} {escape(entry.said)}", highlight=False, soft_wrap=True)
    say(f"[dim]Undo with `cinegrain atlas undo {escape(str(run))} {entries[-1].id}`.[/]")


def _marks(card: "Card") -> str:
    marks = ["locked"] * card.locked + ["edited"] * card.edited
    return ", ".join(marks + [f"{card.arrived} new"] * bool(card.arrived))


def _show_one(atlas: "RunAtlas", card: "Card") -> None:
    out.print(f"[bold]{card.id}  {escape(card.name)}[/]  {_marks(card)}", highlight=False)
    if card.former:
        out.print(f"also: {escape('; '.join(card.former))}", highlight=False)
    genres = ", ".join(f"{parent.genre} {parent.share:.0%}" for parent in card.parents[:5])
    out.print(f"genres: {escape(genres) or 'none learned'}", highlight=False)
    out.print(f"terms: {escape(', '.join(term.word for term in card.terms)) or 'none'}", highlight=False)
    titles = {row.trailer_id: row.title for row in atlas.rows}
    for trailer_id in card.members:
        out.print(f"  {escape(trailer_id)}  {escape(titles[trailer_id])}", highlight=False, soft_wrap=True)


@app.command("export")
@guarded
@needs("train")
def export(
    run: RunArgument,
    old_file: Annotated[Path | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", help="File to write: .csv, .json, or SKOS (.ttl, .rdf, .jsonld).", show_default=False),
    ] = None,
    base: Annotated[
        str, typer.Option("--base", help="SKOS: base URI, such as https://my.archive/genres/.")
    ] = "urn:cinegrain:atlas:",
    language: Annotated[
        str, typer.Option("--language", help="SKOS: language tag of the labels, such as en.", show_default=False)
    ] = "",
) -> None:
    """Export the atlas, for another system or to edit and `import` again."""
    from cinegrain.atlas.imported import write_sheet
    from cinegrain.atlas.sheet import sheet_of

    if old_file is not None:
        renamed("atlas export RUN FILE", "atlas export RUN --out FILE")
    file = out_file or old_file
    if file is None:
        raise ConfigError("Give the file to write: cinegrain atlas export RUN --out FILE.")
    atlas = _open(run)
    write_sheet(file, sheet_of(atlas), base=base, language=language)
    out.print(f"{len(atlas.cards)} sub-genres, version {atlas.version}: {file}", highlight=False, soft_wrap=True)


@app.command("import")
@guarded
@needs("train")
def import_(
    run: RunArgument,
    file: Annotated[Path, typer.Argument(help="Edited file of `atlas export`.", show_default=False)],
    by: By = None,
    why: Why = "",
    version: Seen = None,
    as_json: JsonFlag = False,
) -> None:
    """Import the changes made in an exported file as edits, all or none."""
    from cinegrain.atlas.imported import import_sheet, read_sheet

    sheet = read_sheet(file)
    entries = import_sheet(_editor(run, by, why or f"import of {file.name}", version), sheet)
    if entries:
        _tell(run, entries, as_json)
    elif as_json:
        print_json({"version": _open(run).version, "entries": []})
    else:
        out.print("The file matches the atlas; nothing to do.")
