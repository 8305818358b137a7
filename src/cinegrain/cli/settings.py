"""`cinegrain settings`."""

from typing import Annotated

import typer
from rich.table import Table

from cinegrain.cli.console import out, print_json
from cinegrain.cli.options import JsonFlag, guarded
from cinegrain.config import Settings, all_settings, to_toml


@guarded
def settings(
    toml: Annotated[bool, typer.Option("--toml", help="Print a settings file with the defaults.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List all settings, for the command line and --config files."""
    if toml:
        typer.echo(to_toml(Settings()), nl=False)
        return
    rows = list(all_settings())
    if as_json:
        print_json([{"key": row.key, "default": row.default, "help": row.help} for row in rows])
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("setting", "default", "description"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row.key, str(row.default), row.help)
    out.print(table)
