"""`cinegrain assign`: new films into the atlas of a run."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cinegrain.cli.console import err, out, print_json, watcher
from cinegrain.cli.options import FAILED, FILMS_HELP, SOME_FAILED, JsonFlag, RunArgument, guarded, needs, with_settings
from cinegrain.config import load_settings, save_settings

if TYPE_CHECKING:
    from cinegrain.atlas.run_atlas import RunAtlas


@with_settings("assign")
@guarded
@needs("train")
def assign(
    run: RunArgument,
    flags: dict[str, Any],
    files: Annotated[list[str] | None, typer.Argument(help=FILMS_HELP, show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put new films into the atlas without training; say which fit nowhere, and propose new sub-genres.

    A film that cannot be read, or that crashes or hangs its reader, costs no other film its place; stopped at any
    moment, the same command continues. Without any file: place films again that came before the last discovery, and
    show the proposals.
    """
    from cinegrain.atlas.run_atlas import open_atlas
    from cinegrain.media.remote import films_at, source_name, source_text
    from cinegrain.pipeline.answers.assign import assign as assign_films
    from cinegrain.runs.layout import Run

    opened = Run.open(run)
    if flags:
        save_settings(load_settings(opened.settings, flags=flags), opened.folder)
    done = assign_films(opened, films_at(files or []), watcher())
    atlas = open_atlas(opened)
    if as_json:
        print_json(
            {
                "films": list(done.rows),
                "there": [{"path": source_text(place), "trailer_id": id_} for place, id_ in done.there],
                "failures": [failure.to_dict() for failure in done.failed],
                "unplaced": list(atlas.edited.unplaced),
                "proposals": atlas.proposals,
            }
        )
    else:
        _show(done.rows, atlas)
        for place, id_ in done.there:
            out.print(
                f"{escape(source_name(place))}: in the atlas already, as {escape(id_)}", highlight=False, soft_wrap=True
            )
        show_proposals(atlas)
    for failure in done.failed:
        err.print(f"[bold red]{escape(failure.path)}:[/] {escape(failure.reason)}", soft_wrap=True)
    if done.failed:
        raise typer.Exit(SOME_FAILED if done.rows or done.there else FAILED)


def _show(rows: tuple[dict[str, Any], ...], atlas: "RunAtlas") -> None:
    names = {card["id"]: card["name"] for card in atlas.cards}
    for row in rows:
        near = row["nearest"]
        name = f"{near['id']} “{escape(names.get(near['id'], ''))}”"
        said = f"distance {near['distance']:.2f}, limit {near['limit']:.2f}"
        where = f"{name} ({said})" if row["subgenre"] else f"[yellow]fits nowhere[/]; nearest is {name} ({said})"
        out.print(f"{escape(row['trailer_id'])}: {where}", highlight=False, soft_wrap=True)


def show_proposals(atlas: "RunAtlas") -> None:
    """New sub-genres that could be made, and how."""
    for proposal in atlas.proposals:
        words = escape(", ".join(proposal["keywords"]) or "no word sets them apart")
        out.print(
            f"[bold]{proposal['id']}[/]: {proposal['size']} new films are nearer to each other than to any sub-genre "
            f"({words}).",
            highlight=False,
            soft_wrap=True,
        )
        for trailer in proposal["trailers"][:5]:
            out.print(f"    {escape(trailer)}", highlight=False, soft_wrap=True)
        if proposal["size"] > 5:
            out.print(f"    and {proposal['size'] - 5} more", highlight=False)
    if atlas.proposals:
        out.print("Make one a sub-genre with `cinegrain atlas accept RUN P1 --name NAME`.", highlight=False)
