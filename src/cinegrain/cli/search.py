"""`cinegrain search`."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain.cli.console import err, out, print_json, watcher
from cinegrain.cli.options import JsonFlag, RunArgument, TopK, guarded, needs
from cinegrain.search.criteria import CRITERIA, GENRES

_EACH = "A film by id or title, or a video file or its address"


def _film(help_: str, *names: str) -> Any:
    return typer.Option(*names, help=help_, show_default=False, rich_help_panel="What for")


@guarded
@needs("train")
def search(
    run: RunArgument,
    like: Annotated[list[str] | None, _film(f"{_EACH}, to be like on the whole; may be repeated.", "--like")] = None,
    sounds_like: Annotated[list[str] | None, _film("... to sound like.", "--sounds-like")] = None,
    looks_like: Annotated[list[str] | None, _film("... to look like.", "--looks-like")] = None,
    moves_like: Annotated[list[str] | None, _film("... to move and be cut like.", "--moves-like")] = None,
    set_like: Annotated[list[str] | None, _film("... to be set in places like.", "--set-like")] = None,
    subgenre: Annotated[str | None, _film("Like the films of this sub-genre, by id or name.", "--subgenre")] = None,
    words: Annotated[str | None, _film("Words that fit, such as 'helicopter, desert'.", "--words")] = None,
    at_s: Annotated[
        float | None, _film("Like one scene: that of the films named above at this moment, in seconds.", "--at")
    ] = None,
    weights: Annotated[
        str | None,
        _film(
            "For --like, --subgenre and --words, such as 'audio=2,genres=1,words=0.5'; what is not named: 0. "
            "Without it every mode counts 1, genres 0.5, words 1.",
            "--weights",
        ),
    ] = None,
    scenes: Annotated[bool, typer.Option("--scenes", help="Find scenes, with their times, instead of films.")] = False,
    top_k: TopK = 10,
    as_json: JsonFlag = False,
) -> None:
    """Find films, or scenes, that sound like this one, look like that one, and show what these words say."""
    from cinegrain.runs.layout import Run
    from cinegrain.search.find import search_films, search_scenes
    from cinegrain.search.library import open_library
    from cinegrain.search.query import likes_of, make_query, split_weights

    by_mode, word_weight = split_weights(_weights(weights or ""))
    wanted = likes_of(
        like or [],
        sounds_like=sounds_like or [],
        looks_like=looks_like or [],
        moves_like=moves_like or [],
        set_like=set_like or [],
        subgenre=subgenre,
        weights=by_mode,
        at_s=at_s,
    )
    asked = [word.strip() for word in (words or "").split(",") if word.strip()]
    library = open_library(Run.open(run), watcher())
    query = make_query(library, wanted, words=asked, word_weight=word_weight)
    if scenes:
        found = search_scenes(library, query, watcher(), top_k=top_k)
    else:
        found = search_films(library, query, top_k=top_k)
    notes = [] if query.words is None else list(query.words.notes)
    if as_json:
        print_json({"scenes" if scenes else "films": found, "notes": notes})
        return
    for note in notes:
        err.print(f"[yellow]note:[/] {escape(note)}", highlight=False)
    out.print(_table(found))


def _weights(text: str) -> dict[str, float]:
    """`audio=2,words=0.5` as a dict; what is no number is NaN."""
    found = {}
    for item in filter(None, text.split(",")):
        name, _, number = (part.strip() for part in item.partition("="))
        try:
            found[name] = float(number)
        except ValueError:
            found[name] = float("nan")
    return found


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2))
    modes = [mode for mode in CRITERIA if rows and mode in rows[0]["modes"]]
    with_times, with_words = bool(rows) and "start_s" in rows[0], any(row["words"] for row in rows)
    for column in ("title", "genres"):
        table.add_column(column, no_wrap=True, max_width=32)
    titles = ["by genres" if name == GENRES else name for name in modes]
    for column in (*(["from s", "to s"] if with_times else []), "score", *titles):
        table.add_column(column, justify="right", no_wrap=True)
    if with_words:
        table.add_column("words", max_width=40)
    for row in rows:
        times = [f"{row['start_s']:.1f}", f"{row['end_s']:.1f}"] if with_times else []
        parts = [f"{row['modes'][mode]:.2f}" for mode in modes]
        words = (
            [", ".join(f"{w['word']} ({w['mode']} {w['score']:.2f})" for w in row["words"][:3])] if with_words else []
        )
        cells = [row["title"], ", ".join(row["genres"]), *times, f"{row['score']:.2f}", *parts, *words]
        table.add_row(*map(escape, cells))
    return table
