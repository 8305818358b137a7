"""The `cinegrain` command."""

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

app = typer.Typer(
    name="cinegrain",
    help="Finds, in movie trailers, the fine-grained sub-genres that film genres hide.",
    epilog="Begin with `cinegrain demo`, or with your own films: `cinegrain run VIDEOS --catalog FILMS.csv --out RUN`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)

app.command("demo", rich_help_panel="Everything")(demo.demo)
app.command("run", rich_help_panel="Everything")(run.run)
app.command("extract", rich_help_panel="Stage by stage")(stages.extract)
app.command("train", rich_help_panel="Stage by stage")(stages.train)
app.command("finetune", rich_help_panel="Stage by stage")(stages.finetune)
app.command("discover", rich_help_panel="Stage by stage")(stages.discover)
app.command("report", rich_help_panel="Stage by stage")(stages.report)
app.command("predict", rich_help_panel="Ask")(answer.predict)
app.command("similar", rich_help_panel="Ask")(answer.similar)
app.command("search", rich_help_panel="Ask")(search.search)
app.command("explain", rich_help_panel="Ask")(answer.explain)
app.command("serve", rich_help_panel="Ask")(serve.serve)
app.command("assign", rich_help_panel="Correct, add films")(assign.assign)
app.add_typer(atlas.app, name="atlas", rich_help_panel="Correct, add films")
app.command("evaluate", rich_help_panel="Measure, take away")(evaluate.evaluate)
app.command("ablate", rich_help_panel="Measure, take away")(evaluate.ablate)
app.command("export", rich_help_panel="Measure, take away")(export.export)
app.add_typer(experts.app, name="experts", rich_help_panel="Look after")
app.add_typer(dataset.app, name="dataset", rich_help_panel="Look after")
app.command("settings", rich_help_panel="Look after")(settings.settings)
app.command("doctor", rich_help_panel="Look after")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cinegrain {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what happens inside.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    del version
    set_up_logging(verbose=verbose)


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
