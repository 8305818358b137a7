"""`cinegrain assign`: adds new films to an atlas."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cinegrain.cli.console import out, print_json, show_failure, watcher
from cinegrain.cli.options import FAILED, FILMS_HELP, SOME_FAILED, JsonFlag, RunArgument, guarded, needs, with_settings
from cinegrain.config import load_settings, save_settings

if TYPE_CHECKING:
    from cinegrain.atlas.new_films import Arrival
    from cinegrain.atlas.run_atlas import RunAtlas


@guarded
@needs("train")
@with_settings("assign")
def assign(
    run: RunArgument,
    flags: dict[str, Any],
    files: Annotated[list[str] | None, typer.Argument(help=FILMS_HELP, show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Assign new films to sub-genres, and propose new ones.

    Nothing is trained. Without files, assigns earlier films again to the sub-genres of the last discovery, and lists
    the proposals.
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
                "films": done.rows,
                "there": [{"path": source_text(place), "trailer_id": id_} for place, id_ in done.there],
                "failures": done.failed,
                "unplaced": list(atlas.edited.unplaced),
                "proposals": atlas.proposals,
            }
        )
    else:
        _show(done.rows, atlas)
        for place, id_ in done.there:
            out.print(
                f"{escape(source_name(place))}: already in the atlas as {escape(id_)}", highlight=False, soft_wrap=True
            )
        show_proposals(atlas)
    for failure in done.failed:
        show_failure(failure.path, failure.reason)
    if done.failed:
        raise typer.Exit(SOME_FAILED if done.rows or done.there else FAILED)


def _show(rows: "tuple[Arrival, ...]", atlas: "RunAtlas") -> None:
    names = {card.id: card.name for card in atlas.cards}
    for row in rows:
        near = row.nearest
        name = f"{near.id} “{escape(names.get(near.id, ''))}”"
        said = f"distance {near.distance:.2f}, limit {near.limit:.2f}"
        where = f"{name} ({said})" if row.sub_genre else f"[yellow]fits nowhere[/]; nearest is {name} ({said})"
        out.print(f"{escape(row.trailer_id)}: {where}", highlight=False, soft_wrap=True)


def show_proposals(atlas: "RunAtlas") -> None:
    """Prints proposed sub-genres, and how to accept them."""
    for proposal in atlas.proposals:
        words = escape(", ".join(proposal.keywords) or "no distinctive words")
        out.print(
            f"[bold]{proposal.id}[/]: {proposal.size} new films are closer to each other than to any sub-genre "
            f"({words}).",
            highlight=False,
            soft_wrap=True,
        )
        for trailer in proposal.trailers[:5]:
            out.print(f"    {escape(trailer)}", highlight=False, soft_wrap=True)
        if proposal.size > 5:
            out.print(f"    and {proposal.size - 5} more", highlight=False)
    if atlas.proposals:
        out.print("Accept one with `cinegrain atlas accept RUN P1 --name NAME`.", highlight=False)
