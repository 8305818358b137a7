"""`cinegrain predict`, `similar`, `explain`: questions to a finished run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain.cli.console import Interrupt, err, out, print_json, watcher
from cinegrain.cli.options import FAILED, FILMS_HELP, SOME_FAILED, JsonFlag, RunArgument, TopK, guarded, needs
from cinegrain.errors import ConfigError
from cinegrain.extras import require
from cinegrain.results import Failure, Prediction
from cinegrain.types import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from cinegrain.pipeline.answers.answer_file import AnswerFile
    from cinegrain.pipeline.answers.predict import Predictor
    from cinegrain.results import GenreAnswer, Neighbour
    from cinegrain.types import Source

FilmArgument = Annotated[
    str, typer.Argument(help="A film's id or title in the run, or a video file or its address.", show_default=False)
]


@guarded
def predict(
    run: Annotated[
        str | None, typer.Argument(help="The run folder; with --model, the first video.", show_default=False)
    ] = None,
    files: Annotated[list[str] | None, typer.Argument(help=FILMS_HELP, show_default=False)] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="An exported model instead of a run: no PyTorch needed.")
    ] = None,
    watch: Annotated[
        Path | None, typer.Option("--watch", help="Answer for every film that comes into this folder, until Ctrl-C.")
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Write each answer here when it is there: .csv, .json or .jsonl.", show_default=False
        ),
    ] = None,
    top_k: TopK = 5,
    as_json: JsonFlag = False,
) -> None:
    """Genres, sub-genre and reasons for films never seen; "not sure" where the answer is no more than a guess.

    A film that cannot be read, or that crashes or hangs its reader, costs no other film its answer. Exit code 3: some
    films have no answer; 1: none has one.

    With --out, the same command continues where it was stopped: films that the file holds are not asked about again,
    unless they have changed, which replaces their answer. Films without an answer are listed in NAME.failures.csv
    beside it, and tried again. A file with answers of another model, or of this run before it was trained, discovered
    or edited again, is refused and left as it is.
    """
    from cinegrain.media.remote import films_at
    from cinegrain.pipeline.answers.answer_file import AnswerFile, check_out

    check_out(out_file)
    asked = [text for text in (run, *(files or [])) if text is not None]
    if model is None:
        if run is None:
            raise ConfigError("Name a run, or an exported --model.")
        asked = asked[1:]
    if (watch is not None) == bool(asked):
        raise ConfigError("Name either the videos to look at or a folder to --watch.")
    films = films_at(asked)
    if watch is None and not films:
        raise ConfigError(f"No videos in {', '.join(asked)}.")
    with _predictor(run, model, n_films=max(1, len(films)), top_k=top_k) as predictor:
        answers = None if out_file is None else AnswerFile(out_file, predictor.model)
        if watch is not None:
            _watch(watch, predictor, answers, as_json=as_json)
        else:
            _predict(films, predictor, answers, as_json=as_json)


def _predictor(run: str | None, model: Path | None, *, n_films: int, top_k: int) -> "AbstractContextManager[Predictor]":
    if model is not None:
        from cinegrain.pipeline.export.exported import exported_predictor

        return exported_predictor(model, n_films=n_films)
    from cinegrain.pipeline.answers.predict import run_predictor
    from cinegrain.runs.layout import Run

    require("Prediction with a run (not an exported model)", "train")
    return run_predictor(Run.open(Path(run or "")), n_films=n_films, top_k=top_k)


def _predict(films: "Sequence[Source]", predictor: "Predictor", answers: "AnswerFile | None", *, as_json: bool) -> None:
    """Each answer goes where it is wanted as soon as it is there."""
    from cinegrain.media.remote import source, source_name, source_text

    to_do = [film for film in films if answers is None or not answers.answered(film)]
    if answers is not None and len(to_do) < len(films):
        err.print(
            f"{len(films) - len(to_do)} of {len(films)} films: answered in {answers.path} already.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    found: dict[str, Prediction] = {}
    failed: list[Failure] = []
    if to_do:
        with watcher().stage("Looking and listening") as on_step:
            for done, one in enumerate(predictor.each(to_do), start=1):
                if answers is not None:
                    answers.put(one)
                if isinstance(one, Failure):
                    failed.append(one)
                    _tell(one)
                else:
                    found[one.path] = one
                    if not as_json and answers is None:
                        _show(one)
                on_step(done, len(to_do), source_name(source(one.path)))
    if as_json:
        print_json([found[path].to_dict() for path in map(source_text, films) if path in found])
    elif answers is not None:
        n_answered = len(films) - len(failed)
        out.print(f"{n_answered} of {len(films)} films: {answers.path}", highlight=False, markup=False, soft_wrap=True)
    if failed:
        if answers is not None:
            err.print(f"{len(failed)} failed: {answers.failures}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(SOME_FAILED if len(failed) < len(films) else FAILED)


def _watch(folder: Path, predictor: "Predictor", answers: "AnswerFile | None", *, as_json: bool) -> None:
    """One line for each film that comes."""
    from cinegrain.pipeline.answers.predict import watch_folder

    err.print(f"Watching {folder}; Ctrl-C stops.", highlight=False, markup=False, soft_wrap=True)
    for found in watch_folder(folder, predictor.one, answers):
        Interrupt.check()
        if isinstance(found, Failure):
            _tell(found)
        elif as_json:
            print(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False), flush=True)
        else:
            decided = [f"{genre.name} {genre.probability:.2f}" for genre in found.decided]
            unsure = "" if found.sure else f" (not sure: {'; '.join(found.unsure_because)})"
            print(f"{found.path}: {', '.join(decided) or 'no genre'}{unsure}", flush=True)


def _tell(failure: Failure) -> None:
    err.print(f"[bold red]{escape(failure.path)}:[/] {escape(failure.reason)}", highlight=False, soft_wrap=True)


@guarded
@needs("train")
def similar(
    run: RunArgument,
    film: FilmArgument,
    by: Annotated[str | None, typer.Option("--by", help="One mode alone: audio, location, motion, image.")] = None,
    top_k: TopK = 10,
    as_json: JsonFlag = False,
) -> None:
    """The trailers most like a film, and through which modes."""
    from cinegrain.pipeline.answers.answer import Answers
    from cinegrain.runs.layout import Run

    if by is not None and by not in MODALITIES:
        raise ConfigError(f"--by must be one of {', '.join(MODALITIES)}; found {by!r}.")
    answers = Answers(Run.open(run))
    found = answers.film(film)
    near = answers.similar(found, top_k=top_k, modality=by)
    if as_json:
        print_json({"film": found.name, "by": by, "neighbours": [one.to_dict() for one in near]})
        return
    out.print(f"Most like [bold]{found.title}[/]" + (f" by {by}" if by else ""))
    out.print(_neighbour_table(near))


@guarded
@needs("train")
def explain(run: RunArgument, film: FilmArgument, top_k: TopK = 5, as_json: JsonFlag = False) -> None:
    """Why a film stands where it stands."""
    from cinegrain.pipeline.answers.answer import Answers
    from cinegrain.runs.layout import Run

    answers = Answers(Run.open(run))
    answer = answers.predict(answers.film(film), top_k=top_k)
    if as_json:
        print_json(answer.to_dict())
    else:
        _show(answer)


def _show(answer: Prediction) -> None:
    out.rule(f"[bold]{answer.title}[/] [dim]{answer.path}")
    decided = [genre.name for genre in answer.decided] or ["none for sure"]
    out.print(f"Genres: [bold]{', '.join(decided)}[/]", highlight=False)
    if not answer.sure:
        out.print(f"[yellow]Not sure:[/] {'; '.join(answer.unsure_because)}", highlight=False)
    sub_genre = answer.sub_genre
    if sub_genre is None:
        out.print(_genre_table(answer.genres))
        return
    out.print(
        f"Sub-genre: [bold]{sub_genre.name}[/] ({sub_genre.id}, distance {sub_genre.distance:.2f})", highlight=False
    )
    if answer.missing:
        out.print(f"[yellow]Missing: {', '.join(answer.missing)}[/] (the answer rests on the other modes)")
    out.print(_genre_table(answer.genres))
    for mode, words in (answer.concepts or {}).items():
        shown = ", ".join(f"{word.name} {word.score:.2f}" for word in words[:5])
        out.print(f"  {mode:<9}{shown}", highlight=False, markup=False)
    out.print(_neighbour_table(answer.neighbours))


def _genre_table(genres: "Sequence[GenreAnswer]") -> Table:
    table = Table(box=None, padding=(0, 2), title="Probabilities, and each mode's part (Shapley, logits)")
    for column in ("genre", "", "probability", *MODALITIES):
        table.add_column(column, justify="left" if column in ("genre", "") else "right")
    for genre in genres:
        influence = genre.influence
        parts = [f"{influence[mode]:+.2f}" if mode in influence else "" for mode in MODALITIES]
        table.add_row(genre.name, "yes" if genre.decided else "", f"{genre.probability:.2f}", *parts)
    return table


def _neighbour_table(near: "Sequence[Neighbour]") -> Table:
    table = Table(box=None, padding=(0, 2), title="Nearest trailers, and each mode's part of the similarity")
    modes = [mode for mode in MODALITIES if near and mode in near[0].by_modality]
    for column in ("title", "genres"):
        table.add_column(column, no_wrap=True, max_width=36)
    for column in ("score", *modes):
        table.add_column(column, justify="right", no_wrap=True)
    for row in near:
        parts = [f"{row.by_modality[mode]:.2f}" for mode in modes]
        table.add_row(row.title, ", ".join(row.genres), f"{row.score:.2f}", *parts)
    return table
