"""`cinegrain run`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinegrain.cli.console import note, out, print_json, watcher
from cinegrain.cli.options import SOME_FAILED, ConfigFile, JsonFlag, guarded, needs, pairs, with_settings
from cinegrain.config import load_settings

if TYPE_CHECKING:
    from cinegrain.pipeline.stages import Headline
    from cinegrain.readers.catalog.columns import Reading

_MEANINGLESS, _ROUGH = 10, 50  # test films
FOLDER_HELP = "Folder of videos (searched recursively), or a URL such as s3://bucket/folder."
Videos = Annotated[str, typer.Argument(help=FOLDER_HELP, show_default=False)]
_CATALOG_HELP = (
    "Table of films (CSV, TSV, JSON, .xlsx, .ods or Parquet) with the columns file and genres; optional: trailer_id, "
    "title, year, text."
)
CatalogFile = Annotated[Path, typer.Option("--catalog", help=_CATALOG_HELP, show_default=False)]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        help="Names of the catalogue's columns, such as file=Datei,genres=Genre,title=Titel.",
        show_default=False,
    ),
]
GenreMap = Annotated[
    Path | None,
    typer.Option(
        "--genre-map",
        help="Table with the columns from and to that renames genres; an empty `to` drops one.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Run folder to create or continue.", show_default=False)]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Retry files that failed before.")]


@guarded
@needs("train", "report")
@with_settings("seed", "extract", "media", "split", "model", "train", "finetune", "discover", "assign")
def run(
    out_folder: Out,
    flags: dict[str, Any],
    videos: Annotated[str | None, typer.Argument(help=FOLDER_HELP)] = None,
    catalog: Annotated[Path | None, typer.Option("--catalog", help=_CATALOG_HELP, show_default=False)] = None,
    columns: Columns = None,
    genre_map: GenreMap = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            "--vectors",
            help="Precomputed vectors instead of videos: .npz, .parquet, .csv, .pkl or a Zarr folder.",
            show_default=False,
        ),
    ] = None,
    vectors_format: Annotated[
        str, typer.Option("--vectors-format", help="auto, vectors, mmx or trailers12k.")
    ] = "auto",
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality",
            help="Modality of a set of vectors, such as vggish=audio; none leaves it out. Repeatable.",
            show_default=False,
        ),
    ] = None,
    remap: Annotated[
        list[str] | None,
        typer.Option(
            "--remap",
            help="Path prefix of tensors in an MMX pickle to replace, as OLD=NEW. Repeatable.",
            show_default=False,
        ),
    ] = None,
    as_given: Annotated[
        bool,
        typer.Option("--as-given", help="Refuse vectors with missing or too large values instead of repairing them."),
    ] = False,
    config: ConfigFile = None,
    retry_failed: RetryFailed = False,
    as_json: JsonFlag = False,
) -> None:
    """Run all stages: extract, train, finetune, discover, report.

    Run the same command again to continue an interrupted run.
    """
    from cinegrain.pipeline.import_vectors import VectorOptions
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
                **asdict(headline(summary.folder)),
            }
        )
    else:
        show_summary(summary.folder, summary.n_trailers, summary.extracted.n_done, list(summary.notes), len(failures))
    if failures:
        raise typer.Exit(SOME_FAILED)


def reading(columns: list[str] | None, genre_map: Path | None) -> "Reading":
    """Options for reading the catalogue, from --columns and --genre-map.

    Raises:
        ConfigError: If a part of --columns is not ROLE=NAME, or there is no file at --genre-map.
    """
    from cinegrain.pipeline.reading import make_reading
    from cinegrain.readers.catalog.columns import parse_columns

    return make_reading(parse_columns(columns or []), genre_map)


def headline(folder: Path) -> "Headline":
    """Main figures of a run."""
    from cinegrain.pipeline.stages import headline as figures
    from cinegrain.runs.layout import Run

    return figures(Run(folder))


def show_summary(folder: Path, n_trailers: int, n_done: int, notes: list[str], n_failed: int) -> None:
    """Prints a summary of a run."""
    for text in notes:
        note(text)
    figures = headline(folder)
    out.print(f"{n_done} of {n_trailers} films, {figures.genres} genres, {len(figures.subgenres)} sub-genres")
    if figures.test_map is not None:
        low, high = figures.test_map_interval
        interval = "" if low is None else f"95 % interval {low:.2f} to {high:.2f}; "
        few = ""
        if figures.test_films < _ROUGH:
            few = " - too few to be meaningful" if figures.test_films < _MEANINGLESS else " - a rough estimate"
        out.print(
            f"genre mAP on {figures.test_films} held-out films: {figures.test_map:.2f} "
            f"({interval}chance {figures.chance_map:.2f}){few}",
            highlight=False,
        )
    for subgenre in figures.subgenres:
        out.print(f"  {subgenre.id}  {subgenre.size:4d} films  {subgenre.name}", highlight=False, markup=False)
    if n_failed:
        out.print(f"{n_failed} films could not be read: see {folder / 'failures.csv'}", highlight=False)
    out.print(f"report: {figures.report}", highlight=False, soft_wrap=True)
