"""`cinegrain export`: the genre model for other machines."""

from pathlib import Path
from typing import Annotated

import typer

from cinegrain.cli.console import out, print_json, watcher
from cinegrain.cli.options import JsonFlag, RunArgument, guarded, needs


@guarded
@needs("train", "report")
def export(
    run: RunArgument,
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to create.", show_default=False)],
    as_json: JsonFlag = False,
) -> None:
    """Export the genre model for prediction without PyTorch.

    Writes ONNX, JSON and a model card.
    """
    from cinegrain.pipeline.export.folder import export_model
    from cinegrain.runs.layout import Run

    genres = export_model(Run.open(run), out_folder, watcher())
    if as_json:
        print_json({"model": str(out_folder), "genres": list(genres)})
    else:
        out.print(f"{out_folder}: {len(genres)} genres", highlight=False, soft_wrap=True)
        out.print(f"use it: cinegrain predict {out_folder} FILM", highlight=False, soft_wrap=True)
