"""`cinegrain dataset`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cinegrain.cli.console import err, note, out, print_json, watcher
from cinegrain.cli.options import FAILED, JsonFlag, guarded

if TYPE_CHECKING:
    from cinegrain.types import Source

app = typer.Typer(help="Embedding datasets: summarise, verify, convert, merge.", no_args_is_help=True)
_SHOWN = 40

Place = Annotated[
    str, typer.Argument(help="Run folder, dataset folder, or URL such as s3://bucket/dataset.", show_default=False)
]
NewFolder = Annotated[Path, typer.Option("--out", help="Folder to create.", show_default=False)]


def _place(text: str) -> "Source":
    from cinegrain.store.location import dataset_url
    from cinegrain.urls import is_address

    return dataset_url(text) if is_address(text) else Path(text)


@app.command("info")
@guarded
def info(place: Place, as_json: JsonFlag = False) -> None:
    """Summarise a dataset: films, hours, scenes, vectors per expert."""
    from cinegrain.pipeline.datasets.dataset import open_dataset, summarise

    summary = summarise(open_dataset(_place(place)))
    if as_json:
        print_json(asdict(summary))
        return
    for name in ("trailers", "hours", "scenes", "frames", "bytes"):
        out.print(f"{name:<9}{getattr(summary, name):>16,}", highlight=False)
    table = Table(box=None, padding=(0, 2))
    for column in ("expert", "modality", "dimension", "films"):
        table.add_column(column)
    for expert in summary.experts:
        table.add_row(expert.name, expert.modality, str(expert.dimension), str(expert.trailers))
    out.print(table)


@app.command("verify")
@guarded
def verify(place: Place, as_json: JsonFlag = False) -> None:
    """Check shapes, values, scene times, orphans, duplicates and source files."""
    from cinegrain.pipeline.datasets.dataset import verify_dataset

    found = verify_dataset(_place(place))
    if as_json:
        print_json({**asdict(found), "ok": not found.faults})
    else:
        for fault in found.faults[:_SHOWN]:
            err.print(f"[bold red]{fault.kind}:[/] ", end="")
            err.print(f"{fault.where}: {fault.found}", highlight=False, markup=False, soft_wrap=True)
        if len(found.faults) > _SHOWN:
            err.print(f"... and {len(found.faults) - _SHOWN} more; --json lists all", highlight=False)
        out.print(
            f"{found.n_trailers} films, {found.n_scenes} scenes, {found.n_vectors} vectors; "
            f"{found.n_files_checked} source files compared, {found.n_files_gone} missing; "
            f"{len(found.faults) or 'no'} fault{'' if len(found.faults) == 1 else 's'}",
            highlight=False,
        )
    if found.faults:
        raise typer.Exit(FAILED)


@app.command("card")
@guarded
def card(
    place: Place,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="File to write.", show_default="README.md in the dataset")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a dataset card (README.md): contents, experts, licences, settings."""
    from cinegrain.pipeline.datasets.dataset import open_dataset, write_card

    path = write_card(open_dataset(_place(place)), out_file)
    if as_json:
        print_json({"card": str(path)})
    else:
        out.print(str(path), highlight=False, soft_wrap=True)


@app.command("convert")
@guarded
def convert(
    place: Place,
    form: Annotated[
        str,
        typer.Option(
            "--to",
            help="parquet, safetensors (with JSON) or webdataset (tar files).",
            show_default=False,
        ),
    ],
    out_folder: NewFolder,
    as_json: JsonFlag = False,
) -> None:
    """Convert a dataset to another format."""
    from cinegrain.pipeline.datasets.dataset import convert_dataset, open_dataset

    paths = [str(path) for path in convert_dataset(open_dataset(_place(place)), form, out_folder)]
    if as_json:
        print_json({"files": paths})
    else:
        for path in paths:
            out.print(path, highlight=False, soft_wrap=True)


@app.command("merge")
@guarded
def merge(
    first: Place,
    second: Annotated[str, typer.Argument(help="Dataset of the same experts and settings.", show_default=False)],
    out_folder: NewFolder,
    as_json: JsonFlag = False,
) -> None:
    """Merge two datasets of the same experts and settings into a new run."""
    from cinegrain.pipeline.datasets.dataset import merge_datasets, open_dataset

    merged = merge_datasets(open_dataset(_place(first)), open_dataset(_place(second)), out_folder)
    if as_json:
        print_json({"run": str(merged.folder), "trailers": merged.n_trailers, "doubled": list(merged.doubled)})
        return
    for trailer_id in merged.doubled:
        note(f"{trailer_id!r} is in both; the first is kept")
    out.print(f"{merged.n_trailers} films in {merged.folder}", highlight=False, soft_wrap=True)


@app.command("duplicates")
@guarded
def duplicates(place: Place, as_json: JsonFlag = False) -> None:
    """Find films with the same content in another cut, size or container."""
    from cinegrain.pipeline.datasets.dataset import open_dataset
    from cinegrain.pipeline.datasets.duplicates import find_duplicates

    pairs = find_duplicates(open_dataset(_place(place)).dataset, watcher())
    if as_json:
        print_json([asdict(pair) for pair in pairs])
        return
    for pair in pairs:
        sound = "no sound" if pair.sound is None else f"sound {pair.sound:.2f} at {pair.offset_s:+.1f} s"
        out.print(f"{pair.a} = {pair.b}: {pair.shared:.0%} of the frames, {sound}", highlight=False, markup=False)
    out.print(f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'} of near-duplicates")
