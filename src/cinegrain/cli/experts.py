"""`cinegrain experts`."""

from typing import Annotated

import typer
from rich.table import Table

from cinegrain.cli.console import out, print_json, watcher
from cinegrain.cli.options import JsonFlag, guarded

app = typer.Typer(help="The frozen networks that look and listen.", no_args_is_help=True)


@app.command("list")
@guarded
def list_experts(as_json: JsonFlag = False) -> None:
    """Every expert, what it sees, and whether its weights are here."""
    from cinegrain.experts.registry import PRESETS, expert_cards
    from cinegrain.experts.weights import cache_folder, is_cached

    cache = cache_folder()
    rows = [
        {
            **card.as_json(),
            "presets": [preset for preset, names in PRESETS.items() if card.name in names],
            "installed": all(is_cached(file, cache) for file in card.weights),
        }
        for card in expert_cards().values()
    ]
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("expert", "mode", "numbers", "preset", "weights", "what it sees"):
        table.add_column(column, overflow="fold")
    for row in rows:
        weights = "computed" if not row["weights"] else "here" if row["installed"] else "not yet"
        what = row["description"]
        if row["substitute"]:
            what += f" [yellow]Substitute for {row['substitute_for']}.[/]"
        table.add_row(row["name"], row["modality"], str(row["dimension"]), ", ".join(row["presets"]), weights, what)
    out.print(table)


@app.command("install")
@guarded
def install(
    names: Annotated[str, typer.Argument(help="A preset, or expert names joined by commas.")] = "light",
    as_json: JsonFlag = False,
) -> None:
    """Download the weights, so that everything works offline afterwards."""
    from cinegrain.experts.registry import load_networks, resolve_experts
    from cinegrain.experts.weights import cache_folder
    from cinegrain.pipeline.extract import install_weights

    experts = resolve_experts(names)
    paths = install_weights(experts, watcher())
    load_networks(experts, cache_folder())
    if as_json:
        print_json({"experts": list(experts), "files": [str(path) for path in paths]})
    else:
        out.print(f"{', '.join(experts)}: ready in {cache_folder()}", highlight=False, soft_wrap=True)
