"""`cinegrain predict`, `similar`, `explain`: questions to a finished run."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cinegrain.cli.console import err, out, print_json, watcher
from cinegrain.cli.options import FAILED, SOME_FAILED, JsonFlag, RunArgument, TopK, guarded
from cinegrain.errors import ConfigError
from cinegrain.types import MODALITIES

FilmArgument = Annotated[
    str, typer.Argument(help="A trailer's id or title in the run, or a video file.", show_default=False)
]


@guarded
def predict(
    run: RunArgument,
    files: Annotated[list[Path], typer.Argument(help="Videos, or folders of videos.", show_default=False)],
    top_k: TopK = 5,
    as_json: JsonFlag = False,
) -> None:
    """Genres, sub-genre and reasons for films never seen."""
    from cinegrain.media.files import find_videos
    from cinegrain.pipeline.answer import Answers, predict_files
    from cinegrain.pipeline.layout import Run

    answers = Answers(Run.open(run))
    paths = [path for file in files for path in (find_videos(file) if file.is_dir() else [file])]
    if not paths:
        raise ConfigError(f"No videos in {', '.join(map(str, files))}.")
    results, failed = predict_files(answers, paths, watcher(), top_k=top_k)
    if as_json:
        print_json(results)
    else:
        for answer in results:
            _show(answer)
    for path, reason in failed:
        err.print(f"[bold red]{path}:[/] {reason}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(SOME_FAILED if results else FAILED)


@guarded
def similar(
    run: RunArgument,
    film: FilmArgument,
    by: Annotated[str | None, typer.Option("--by", help="One mode alone: audio, location, motion, image.")] = None,
    top_k: TopK = 10,
    as_json: JsonFlag = False,
) -> None:
    """The trailers most like a film, and through which modes."""
    from cinegrain.pipeline.answer import Answers
    from cinegrain.pipeline.layout import Run

    if by is not None and by not in MODALITIES:
        raise ConfigError(f"--by must be one of {', '.join(MODALITIES)}; found {by!r}.")
    answers = Answers(Run.open(run))
    found = answers.film(film)
    near = answers.similar(found, top_k=top_k, mode=by)
    if as_json:
        print_json({"film": found.name, "by": by, "neighbours": near})
        return
    out.print(f"Most like [bold]{found.title}[/]" + (f" by {by}" if by else ""))
    out.print(_neighbour_table(near))


@guarded
def explain(run: RunArgument, film: FilmArgument, top_k: TopK = 5, as_json: JsonFlag = False) -> None:
    """Why a film stands where it stands."""
    from cinegrain.pipeline.answer import Answers
    from cinegrain.pipeline.layout import Run

    answers = Answers(Run.open(run))
    answer = answers.predict(answers.film(film), top_k=top_k)
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    out.rule(f"[bold]{answer['title']}[/] [dim]{answer['path']}")
    decided = [genre["name"] for genre in answer["genres"] if genre["decided"]] or ["none for sure"]
    out.print(f"Genres: [bold]{', '.join(decided)}[/]", highlight=False)
    subgenre = answer["subgenre"]
    out.print(
        f"Sub-genre: [bold]{subgenre['name']}[/] ({subgenre['id']}, distance {subgenre['distance']:.2f})",
        highlight=False,
    )
    if answer["missing"]:
        out.print(f"[yellow]Missing: {', '.join(answer['missing'])}[/] (the answer rests on the other modes)")
    out.print(_genre_table(answer["genres"]))
    for mode, words in answer["concepts"].items():
        shown = ", ".join(f"{word['name']} {word['score']:.2f}" for word in words[:5])
        out.print(f"  {mode:<9}{shown}", highlight=False, markup=False)
    out.print(_neighbour_table(answer["neighbours"]))


def _genre_table(genres: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2), title="Probabilities, and each mode's part (Shapley, logits)")
    for column in ("genre", "", "probability", *MODALITIES):
        table.add_column(column, justify="left" if column in ("genre", "") else "right")
    for genre in genres:
        parts = [f"{genre['influence'][mode]:+.2f}" if mode in genre["influence"] else "" for mode in MODALITIES]
        table.add_row(genre["name"], "yes" if genre["decided"] else "", f"{genre['probability']:.2f}", *parts)
    return table


def _neighbour_table(near: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2), title="Nearest trailers, and each mode's part of the similarity")
    modes = [mode for mode in MODALITIES if near and mode in near[0]["modes"]]
    for column in ("title", "genres"):
        table.add_column(column, no_wrap=True, max_width=36)
    for column in ("score", *modes):
        table.add_column(column, justify="right", no_wrap=True)
    for row in near:
        parts = [f"{row['modes'][mode]:.2f}" for mode in modes]
        table.add_row(row["title"], ", ".join(row["genres"]), f"{row['score']:.2f}", *parts)
    return table
