"""`cinegrain predict` and `similar`: genres, sub-genres and similar films."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain.cli.console import Interrupt, out, print_json, say, show_failure, watcher
from cinegrain.cli.options import FAILED, FILMS_HELP, SOME_FAILED, JsonFlag, RunArgument, TopK, guarded, needs, renamed
from cinegrain.errors import ConfigError
from cinegrain.extras import require
from cinegrain.results import Failure, Prediction
from cinegrain.runs.layout import EXPORT_FILE
from cinegrain.types import MODALITIES
from cinegrain.urls import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from cinegrain.pipeline.answers.answer_file import AnswerFile
    from cinegrain.pipeline.answers.predict import Predictor
    from cinegrain.results import GenreAnswer, Neighbour
    from cinegrain.types import Source

FilmArgument = Annotated[
    str, typer.Argument(help="Film of the run (id or title), or a video file or URL.", show_default=False)
]


@guarded
def predict(
    model: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Run, or exported model.", show_default=False)
    ] = None,
    films: Annotated[
        list[str] | None,
        typer.Argument(help=f"{FILMS_HELP} Or films of the run, by id or title.", show_default=False),
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(
            "--watch", help="Predict every film that appears in this folder, until Ctrl-C.", show_default=False
        ),
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File for the predictions of video files: .csv, .json or .jsonl. An interrupted command continues it.",
            show_default=False,
        ),
    ] = None,
    top_k: TopK = 5,
    exported: Annotated[str | None, typer.Option("--model", hidden=True)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Predict genres and sub-genres, with reasons and similar films.

    A film that cannot be read does not stop the others (exit code 3: some failed; 1: all failed). With --out, films
    already in the file are skipped unless they have changed, and failed films are listed in NAME.failures.csv and
    retried. A file written with another model is refused.
    """
    from cinegrain.media.remote import films_at
    from cinegrain.pipeline.answers.answer_file import AnswerFile, check_out

    check_out(out_file)
    asked = films or []
    if exported is not None:
        renamed("predict --model MODEL FILM", "predict MODEL FILM")
        model, asked = exported, [*([model] if model else []), *asked]
    if model is None:
        raise ConfigError("Give a run or an exported model, then films: cinegrain predict RUN FILM.")
    _check_model(model)
    if (watch is not None) == bool(asked):
        raise ConfigError("Give films, or a folder to --watch.")
    places = films_at(asked)
    if watch is None and not places:
        raise ConfigError(f"No videos in {', '.join(asked)}.")
    new_only = watch is not None or out_file is not None
    with _predictor(Path(model), places, new_only=new_only, top_k=top_k) as predictor:
        answers = None if out_file is None else AnswerFile(out_file, predictor.model)
        if watch is not None:
            _watch(watch, predictor, answers, as_json=as_json)
        else:
            _predict(places, predictor, answers, as_json=as_json)


def _check_model(place: str) -> None:
    """Raises if the first argument is not a run or a model."""
    if is_address(place) or Path(place).is_file():
        raise ConfigError(f"{place} is not a run or an exported model. Give one first: cinegrain predict RUN {place}.")


def _predictor(
    folder: Path, films: "Sequence[Source]", *, new_only: bool, top_k: int
) -> "AbstractContextManager[Predictor]":
    """Predictor of a run or an exported model, recognised by the content of the folder."""
    from cinegrain.pipeline.answers.predict import is_file, run_predictor
    from cinegrain.runs.layout import Run

    if (folder / EXPORT_FILE).is_file():
        from cinegrain.pipeline.export.exported import exported_predictor

        return exported_predictor(folder, n_films=max(1, len(films)))
    require("Prediction with a run (not an exported model)", "train")
    n_films = max(1, len(films)) if new_only else sum(map(is_file, films))
    return run_predictor(Run.open(folder), n_films=n_films, top_k=top_k, new_only=new_only)


def _predict(films: "Sequence[Source]", predictor: "Predictor", answers: "AnswerFile | None", *, as_json: bool) -> None:
    """Prints or writes each prediction when it is ready."""
    from cinegrain.media.remote import source, source_name, source_text

    to_do = [film for film in films if answers is None or not answers.answered(film)]
    if answers is not None and len(to_do) < len(films):
        say(f"{len(films) - len(to_do)} of {len(films)} films are already in {escape(str(answers.path))}.")
    found: dict[str, Prediction] = {}
    failed: list[Failure] = []
    if to_do:
        with watcher().stage("Embedding films") as on_step:
            for done, one in enumerate(predictor.each(to_do), start=1):
                if answers is not None:
                    answers.put(one)
                if isinstance(one, Failure):
                    failed.append(one)
                    show_failure(one.path, one.reason)
                else:
                    found[one.path] = one
                    if not as_json and answers is None:
                        _show(one)
                on_step(done, len(to_do), source_name(source(one.path)))
    if as_json:
        print_json([found[path] for path in map(source_text, films) if path in found])
    elif answers is not None:
        n_answered = len(films) - len(failed)
        out.print(f"{n_answered} of {len(films)} films: {answers.path}", highlight=False, markup=False, soft_wrap=True)
    if failed:
        if answers is not None:
            say(f"{len(failed)} failed: {escape(str(answers.failures))}")
        raise typer.Exit(SOME_FAILED if len(failed) < len(films) else FAILED)


def _watch(folder: Path, predictor: "Predictor", answers: "AnswerFile | None", *, as_json: bool) -> None:
    """One line per film."""
    from cinegrain.pipeline.answers.predict import watch_folder

    say(f"Watching {escape(str(folder))}; Ctrl-C stops.")
    for found in watch_folder(folder, predictor.one, answers):
        Interrupt.check()
        if isinstance(found, Failure):
            show_failure(found.path, found.reason)
        elif as_json:
            print(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False), flush=True)
        else:
            decided = [f"{genre.name} {genre.probability:.2f}" for genre in found.decided]
            unsure = "" if found.sure else f" (not sure: {'; '.join(found.unsure_because)})"
            print(f"{found.path}: {', '.join(decided) or 'no genre'}{unsure}", flush=True)


@guarded
@needs("train")
def similar(
    run: RunArgument,
    film: FilmArgument,
    by: Annotated[
        str | None,
        typer.Option("--by", help="One modality only: audio, location, motion or image.", show_default=False),
    ] = None,
    top_k: TopK = 10,
    as_json: JsonFlag = False,
) -> None:
    """List the most similar films in the learned embedding.

    `cinegrain search` compares the experts' raw vectors instead.
    """
    from cinegrain.pipeline.answers.answer import Answers
    from cinegrain.runs.layout import Run

    if by is not None and by not in MODALITIES:
        raise ConfigError(f"{by!r} is not a modality. Use --by with one of {', '.join(MODALITIES)}.")
    answers = Answers(Run.open(run))
    found = answers.film(film)
    near = answers.similar(found, top_k=top_k, modality=by)
    if as_json:
        print_json({"film": found.name, "by": by, "neighbours": near})
        return
    space = f"{by} in the learned embedding" if by else "learned embedding"
    out.print(f"Most similar to [bold]{escape(found.title)}[/] ({space})", highlight=False)
    out.print(_neighbour_table(near))


@guarded
@needs("train")
def explain(run: RunArgument, film: FilmArgument, top_k: TopK = 5, as_json: JsonFlag = False) -> None:
    """Old name of `predict` for a film of the run."""
    from cinegrain.pipeline.answers.answer import Answers
    from cinegrain.runs.layout import Run

    renamed("explain RUN FILM", "predict RUN FILM")
    answers = Answers(Run.open(run))
    answer = answers.predict(answers.film(film), top_k=top_k)
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: Prediction) -> None:
    out.rule(f"[bold]{answer.title}[/] [dim]{answer.path}")
    decided = [genre.name for genre in answer.decided] or ["none with confidence"]
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
        out.print(f"[yellow]Missing: {', '.join(answer.missing)}[/] (predicted from the other modalities)")
    out.print(_genre_table(answer.genres))
    for modality, words in answer.concepts.items():
        shown = ", ".join(f"{word.name} {word.score:.2f}" for word in words[:5])
        out.print(f"  {modality:<9}{shown}", highlight=False, markup=False)
    out.print(_neighbour_table(answer.neighbours))


def _genre_table(genres: "Sequence[GenreAnswer]") -> Table:
    table = Table(
        box=None, padding=(0, 2), title="Probabilities, and influence of each modality (Shapley values, logits)"
    )
    for column in ("genre", "", "probability", *MODALITIES):
        table.add_column(column, justify="left" if column in ("genre", "") else "right")
    for genre in genres:
        influence = genre.influence
        parts = [f"{influence[mode]:+.2f}" if mode in influence else "" for mode in MODALITIES]
        table.add_row(genre.name, "yes" if genre.decided else "", f"{genre.probability:.2f}", *parts)
    return table


def _neighbour_table(near: "Sequence[Neighbour]") -> Table:
    table = Table(box=None, padding=(0, 2), title="Nearest films, and each modality's part of the similarity")
    modes = [mode for mode in MODALITIES if near and mode in near[0].by_modality]
    for column in ("title", "genres"):
        table.add_column(column, no_wrap=True, max_width=36)
    for column in ("score", *modes):
        table.add_column(column, justify="right", no_wrap=True)
    for row in near:
        parts = [f"{row.by_modality[mode]:.2f}" for mode in modes]
        table.add_row(row.title, ", ".join(row.catalog_genres), f"{row.score:.2f}", *parts)
    return table
