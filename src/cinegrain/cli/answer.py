"""`cinegrain predict`, `similar`, `explain`: questions to a finished run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain.cli.console import Interrupt, err, out, print_json, watcher
from cinegrain.cli.options import FAILED, SOME_FAILED, JsonFlag, RunArgument, TopK, guarded
from cinegrain.errors import ConfigError
from cinegrain.types import MODALITIES

if TYPE_CHECKING:
    from cinegrain.pipeline.answers.predict import Answer, Unread

FilmArgument = Annotated[
    str, typer.Argument(help="A trailer's id or title in the run, or a video file.", show_default=False)
]


@guarded
def predict(
    run: Annotated[
        Path | None, typer.Argument(help="The run folder; with --model, the first video.", show_default=False)
    ] = None,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Videos, or folders of videos.", show_default=False)
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="An exported model instead of a run: no PyTorch needed.")
    ] = None,
    watch: Annotated[
        Path | None, typer.Option("--watch", help="Answer for every film that comes into this folder, until Ctrl-C.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write the answers here: .csv, .json or .jsonl.", show_default=False)
    ] = None,
    top_k: TopK = 5,
    as_json: JsonFlag = False,
) -> None:
    """Genres, sub-genre and reasons for films never seen; "not sure" where the answer is no more than a guess."""
    from cinegrain.media.files import find_videos, path_text
    from cinegrain.pipeline.answers.predict import check_out, predict_files, write_answers

    check_out(out_file, watching=watch is not None)
    asked = [path for path in (run, *(files or [])) if path is not None]
    if model is not None:
        from cinegrain.pipeline.export.exported import ExportedModel

        answer: Answer = ExportedModel(model).answer
    elif run is not None:
        answer, asked = _asker(run, top_k), asked[1:]
    else:
        raise ConfigError("Name a run, or an exported --model.")
    if (watch is not None) == bool(asked):
        raise ConfigError("Name either the videos to look at or a folder to --watch.")
    if watch is not None:
        _watch(watch, answer, out_file, as_json=as_json)
        return
    paths = [path for file in asked for path in (find_videos(file) if file.is_dir() else [file])]
    if not paths:
        raise ConfigError(f"No videos in {', '.join(map(path_text, asked))}.")
    results, failed = predict_files(answer, paths, watcher())
    if out_file is not None:
        write_answers(out_file, results)
    if as_json:
        print_json(results)
    elif out_file is not None:
        out.print(f"{len(results)} of {len(paths)} films: {out_file}", highlight=False, soft_wrap=True)
    else:
        for result in results:
            _show(result)
    for unread in failed:
        _tell(unread)
    if failed:
        raise typer.Exit(SOME_FAILED if results else FAILED)


def _asker(run: Path, top_k: int) -> "Answer":
    """Answers from a whole run."""
    from cinegrain.pipeline.answers.answer import Answers
    from cinegrain.pipeline.layout import Run

    answers = Answers(Run.open(run))
    return lambda path: answers.predict(answers.new_film(path), top_k=top_k)


def _watch(folder: Path, answer: "Answer", out_file: Path | None, *, as_json: bool) -> None:
    """One line for each film that comes."""
    from cinegrain.pipeline.answers.predict import Unread, watch_folder

    err.print(f"Watching {folder}; Ctrl-C stops.", highlight=False, markup=False, soft_wrap=True)
    for found in watch_folder(folder, answer, out_file):
        Interrupt.check()
        if isinstance(found, Unread):
            _tell(found)
        elif as_json:
            print(json.dumps(found, ensure_ascii=False, allow_nan=False), flush=True)
        else:
            decided = [f"{genre['name']} {genre['probability']:.2f}" for genre in found["genres"] if genre["decided"]]
            unsure = "" if found["sure"] else f" (not sure: {'; '.join(found['unsure_because'])})"
            print(f"{found['path']}: {', '.join(decided) or 'no genre'}{unsure}", flush=True)


def _tell(unread: "Unread") -> None:
    from cinegrain.media.files import path_text

    err.print(
        f"[bold red]{escape(path_text(unread.path))}:[/] {escape(unread.reason)}", highlight=False, soft_wrap=True
    )


@guarded
def similar(
    run: RunArgument,
    film: FilmArgument,
    by: Annotated[str | None, typer.Option("--by", help="One mode alone: audio, location, motion, image.")] = None,
    top_k: TopK = 10,
    as_json: JsonFlag = False,
) -> None:
    """The trailers most like a film, and through which modes."""
    from cinegrain.pipeline.answers.answer import Answers
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
    from cinegrain.pipeline.answers.answer import Answers
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
    if not answer["sure"]:
        out.print(f"[yellow]Not sure:[/] {'; '.join(answer['unsure_because'])}", highlight=False)
    subgenre = answer.get("subgenre")
    if subgenre is None:
        out.print(_genre_table(answer["genres"]))
        return
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
