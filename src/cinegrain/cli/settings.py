"""`cinegrain settings`."""

from typing import Annotated

import typer
from rich.table import Table

from cinegrain.cli.console import out, print_json
from cinegrain.cli.options import JsonFlag, guarded
from cinegrain.config import Settings, all_settings, to_toml


@guarded
def settings(
    toml: Annotated[bool, typer.Option("--toml", help="As a settings file with every default.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Every setting with its default: for --config files and for flags."""
    if toml:
        typer.echo(to_toml(Settings()), nl=False)
        return
    rows = list(all_settings())
    if as_json:
        print_json([{"key": row.key, "default": row.default, "help": row.help} for row in rows])
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("setting", "default", "meaning"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row.key, str(row.default), row.help)
    out.print(table)
