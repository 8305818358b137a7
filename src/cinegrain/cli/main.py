"""The `cinegrain` command."""

import inspect
import re
from typing import Annotated

import typer

from cinegrain import __version__
from cinegrain.cli import (
    answer,
    assign,
    atlas,
    dataset,
    demo,
    doctor,
    evaluate,
    experts,
    export,
    run,
    search,
    serve,
    settings,
    stages,
)
from cinegrain.cli.console import set_up_logging
from cinegrain.cli.options import CurrentCommand

app = typer.Typer(
    name="cinegrain",
    help="Finds the fine-grained sub-genres of films from their trailers.",
    epilog="Start with `cinegrain demo`, or with your own films: `cinegrain run VIDEOS --catalog FILMS.csv --out RUN`.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)

_CURATE, _MAINTENANCE = "Curate", "Maintenance"
_PANELS = {
    "Run": (demo.demo, run.run),
    "Stages": (stages.extract, stages.train, stages.finetune, stages.discover, stages.report),
    "Query": (answer.predict, answer.similar, search.search, serve.serve),
    _CURATE: (assign.assign,),
    "Evaluate and export": (evaluate.evaluate, evaluate.ablate, export.export),
    _MAINTENANCE: (settings.settings, doctor.doctor),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.command(hidden=True)(answer.explain)
app.add_typer(atlas.app, name="atlas", rich_help_panel=_CURATE)
app.add_typer(experts.app, name="experts", rich_help_panel=_MAINTENANCE)
app.add_typer(dataset.app, name="dataset", rich_help_panel=_MAINTENANCE)
for group in (app, atlas.app, experts.app, dataset.app):
    for one in group.registered_commands:
        one.cls = CurrentCommand
        one.help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(one.callback) or "")  # else shown line by line


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cinegrain {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show log messages.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show results and errors only.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version
    set_up_logging(verbose=verbose, quiet=quiet)


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
