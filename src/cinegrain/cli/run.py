"""`cinegrain run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinegrain.cli.console import err, out, print_json, watcher
from cinegrain.cli.options import SOME_FAILED, ConfigFile, JsonFlag, guarded, needs, with_settings
from cinegrain.config import load_settings
from cinegrain.errors import ConfigError

if TYPE_CHECKING:
    from cinegrain.readers.catalog.columns import Reading

_MEANINGLESS, _ROUGH = 10, 50  # test films
FOLDER_HELP = "Folder of videos, looked through to its depth; also s3://bucket/folder and its like."
Videos = Annotated[str, typer.Argument(help=FOLDER_HELP, show_default=False)]
CatalogFile = Annotated[
    Path,
    typer.Option(
        "--catalog",
        help="Table of films: CSV, TSV, JSON, JSON Lines (also .gz), .xlsx, .ods or Parquet with the columns file and "
        "genres; optional trailer_id, title, year, any text.",
        show_default=False,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        help="Columns of the catalogue by other names: file=Datei,genres=Genre,title=Titel,year=Jahr,trailer_id=Nr.",
        show_default=False,
    ),
]
GenreMap = Annotated[
    Path | None,
    typer.Option(
        "--genre-map",
        help="Table with the columns from and to: what genre names become; an empty `to` drops the genre.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Run folder to make, or to go on with.", show_default=False)]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try files again that failed before.")]


@with_settings("seed", "extract", "media", "split", "model", "train", "finetune", "discover", "assign")
@guarded
@needs("train", "report")
def run(
    out_folder: Out,
    flags: dict[str, Any],
    videos: Annotated[str | None, typer.Argument(help=FOLDER_HELP)] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(
            "--catalog",
            help="Table of films: CSV, TSV, JSON, JSON Lines (also .gz), .xlsx, .ods or Parquet with the columns file "
            "(with --vectors: an id) and genres; optional trailer_id, title, year, any text.",
        ),
    ] = None,
    columns: Columns = None,
    genre_map: GenreMap = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            "--vectors",
            help="Instead of videos: vectors computed elsewhere (.npz, .parquet, .csv, .pkl, or a Zarr folder).",
        ),
    ] = None,
    vectors_format: Annotated[
        str, typer.Option("--vectors-format", help="auto, vectors, mmx or trailers12k.")
    ] = "auto",
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality", help="Mode of a kind of vectors, as name=audio; name=none leaves it out. Repeatable."
        ),
    ] = None,
    remap: Annotated[
        list[str] | None,
        typer.Option("--remap", help="Where tensors named in an MMX pickle are now, as OLD=NEW. Repeatable."),
    ] = None,
    as_given: Annotated[
        bool, typer.Option("--as-given", help="With --vectors: change no value; refuse missing or too large ones.")
    ] = False,
    config: ConfigFile = None,
    retry_failed: RetryFailed = False,
    as_json: JsonFlag = False,
) -> None:
    """Everything: look at the films, learn their genres, find sub-genres, write the report.

    Interrupted, the same command goes on where it was; finished, it returns in seconds.
    """
    from cinegrain.pipeline.vectors import VectorOptions
    from cinegrain.run import run_all_stages

    settings = load_settings(*([config] if config else []), flags=flags)
    modes, moved = pairs(modality or [], "--modality"), pairs(remap or [], "--remap")
    options = VectorOptions(vectors_format, modes, moved, as_given, reading(columns, genre_map))
    summary = run_all_stages(
        videos, vectors, catalog, out_folder, settings, watcher(), options, retry_failed=retry_failed
    )
    failures = summary.extracted.failures
    if as_json:
        print_json(
            {
                "run": str(summary.folder),
                "trailers": summary.n_trailers,
                "embedded": summary.extracted.n_done,
                "new": summary.extracted.n_new,
                "failures": [{"trailer_id": f.trailer_id, "reason": f.reason} for f in failures],
                "notes": list(summary.notes),
                **headline(summary.folder),
            }
        )
    else:
        show_summary(summary.folder, summary.n_trailers, summary.extracted.n_done, list(summary.notes), len(failures))
    if failures:
        raise typer.Exit(SOME_FAILED)


def reading(columns: list[str] | None, genre_map: Path | None) -> "Reading":
    """What --columns and --genre-map say.

    Raises:
        ConfigError: If a part of --columns is not ROLE=NAME, or there is no file at --genre-map.
    """
    from cinegrain.pipeline.reading import make_reading
    from cinegrain.readers.catalog.columns import parse_columns

    return make_reading(parse_columns(columns or []), genre_map)


def pairs(given: list[str], flag: str) -> dict[str, str]:
    """`name=value` flags as a dict.

    Raises:
        ConfigError: If one has no `=`.
    """
    for text in given:
        if not all(text.partition("=")):
            raise ConfigError(f"{flag} takes name=value; found {text!r}.")
    return {text.partition("=")[0]: text.partition("=")[2] for text in given}


def headline(folder: Path) -> dict[str, Any]:
    """The few figures that everybody asks for."""
    from cinegrain.pipeline.run import headline as figures
    from cinegrain.runs.layout import Run

    return figures(Run(folder))


def show_summary(folder: Path, n_trailers: int, n_done: int, notes: list[str], n_failed: int) -> None:
    """The end of a run for a person."""
    for note in notes:
        err.print(f"[yellow]note:[/] {note}", highlight=False, soft_wrap=True)
    figures = headline(folder)
    out.print(f"{n_done} of {n_trailers} films, {figures['genres']} genres, {len(figures['subgenres'])} sub-genres")
    if figures["test_map"] is not None:
        low, high = figures["test_map_interval"]
        interval = "" if low is None else f"95 % interval {low:.2f} to {high:.2f}; "
        few = ""
        if figures["test_films"] < _ROUGH:
            few = " - far too few to mean much" if figures["test_films"] < _MEANINGLESS else " - a rough sign only"
        out.print(
            f"genre mAP on {figures['test_films']} held-out films: {figures['test_map']:.2f} "
            f"({interval}chance {figures['chance_map']:.2f}){few}",
            highlight=False,
        )
    for subgenre in figures["subgenres"]:
        out.print(f"  {subgenre['id']}  {subgenre['size']:4d} films  {subgenre['name']}", highlight=False, markup=False)
    if n_failed:
        out.print(f"{n_failed} films could not be read: see {folder / 'failures.csv'}", highlight=False)
    out.print(f"report: {figures['report']}", highlight=False, soft_wrap=True)
