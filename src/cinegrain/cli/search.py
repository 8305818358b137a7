"""`cinegrain search`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain.cli.console import note, out, print_json, watcher
from cinegrain.cli.options import JsonFlag, RunArgument, TopK, guarded, needs
from cinegrain.search.criteria import CRITERIA, GENRES

if TYPE_CHECKING:
    from cinegrain.results import Matches

_EACH = "Film of the run (id or title), or a video file or URL"


def _film(help_: str, *names: str) -> Any:
    return typer.Option(*names, help=help_, show_default=False, rich_help_panel="Query")


@guarded
@needs("train")
def search(
    run: RunArgument,
    like: Annotated[
        list[str] | None, _film(f"{_EACH}: similar overall. Repeatable, as the next four.", "--like")
    ] = None,
    sounds_like: Annotated[list[str] | None, _film("Similar sound.", "--sounds-like")] = None,
    looks_like: Annotated[list[str] | None, _film("Similar pictures.", "--looks-like")] = None,
    moves_like: Annotated[list[str] | None, _film("Similar motion and editing.", "--moves-like")] = None,
    set_like: Annotated[list[str] | None, _film("Similar locations.", "--set-like")] = None,
    subgenre: Annotated[str | None, _film("Similar to this sub-genre (id or name).", "--subgenre")] = None,
    words: Annotated[
        str | None, _film("Concepts and catalogue words, such as 'helicopter, desert'.", "--words")
    ] = None,
    at_s: Annotated[
        float | None, _film("Compare with the scene of the given films at this time, in seconds.", "--at")
    ] = None,
    weights: Annotated[
        str | None,
        _film(
            "Weights of --like, --subgenre and --words, such as audio=2,genres=1,words=0.5; all others are 0. "
            "Default: 1 per modality, genres 0.5, words 1.",
            "--weights",
        ),
    ] = None,
    scenes: Annotated[bool, typer.Option("--scenes", help="Search scenes instead of films.")] = False,
    top_k: TopK = 10,
    as_json: JsonFlag = False,
) -> None:
    """Search films or scenes by example, modality, sub-genre and words.

    Compares the experts' raw vectors; `cinegrain similar` compares the learned embedding.
    """
    from cinegrain.runs.layout import Run
    from cinegrain.search.find import search_films, search_scenes
    from cinegrain.search.library import open_library
    from cinegrain.search.query import check_query, likes_of, make_query, split_weights

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
    check_query(wanted, asked)
    library = open_library(Run.open(run), watcher())
    query = make_query(library, wanted, words=asked, word_weight=word_weight)
    if scenes:
        found = search_scenes(library, query, watcher(), top_k=top_k)
    else:
        found = search_films(library, query, top_k=top_k)
    if as_json:
        print_json({"scenes" if scenes else "films": found, "notes": found.notes})
        return
    for text in found.notes:
        note(text)
    out.print(_table(found))


def _weights(text: str) -> dict[str, float]:
    """`audio=2,words=0.5` as a dict; a value that is not a number becomes NaN."""
    found = {}
    for item in filter(None, text.split(",")):
        name, _, number = (part.strip() for part in item.partition("="))
        try:
            found[name] = float(number)
        except ValueError:
            found[name] = float("nan")
    return found


def _table(rows: "Matches") -> Table:
    table = Table(box=None, padding=(0, 2), title="Similarity of the experts' raw vectors")
    modes = [mode for mode in CRITERIA if rows and mode in rows[0].by_modality]
    with_times, with_words = bool(rows) and rows[0].start_s is not None, any(row.words for row in rows)
    for column in ("title", "genres"):
        table.add_column(column, no_wrap=True, max_width=32)
    titles = ["by genres" if name == GENRES else name for name in modes]
    for column in (*(["from s", "to s"] if with_times else []), "score", *titles):
        table.add_column(column, justify="right", no_wrap=True)
    if with_words:
        table.add_column("words", max_width=40)
    for row in rows:
        times = [f"{row.start_s:.1f}", f"{row.end_s:.1f}"] if with_times else []
        parts = [f"{row.by_modality[mode]:.2f}" for mode in modes]
        words = [", ".join(f"{w.word} ({w.modality} {w.score:.2f})" for w in row.words[:3])] if with_words else []
        cells = [row.title, ", ".join(row.catalog_genres), *times, f"{row.score:.2f}", *parts, *words]
        table.add_row(*map(escape, cells))
    return table
