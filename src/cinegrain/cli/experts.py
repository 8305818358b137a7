"""`cinegrain experts`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain.cli.console import err, out, print_json, show_failure, watcher
from cinegrain.cli.options import FAILED, FILMS_HELP, SOME_FAILED, JsonFlag, guarded, renamed
from cinegrain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinegrain.experts.runtime import QuantisedGraph

NAMES_HELP = "Preset (light, paper, strong) or expert names, comma-separated."
Names = Annotated[str, typer.Argument(help=NAMES_HELP)]
app = typer.Typer(help="Pretrained networks that embed scenes.", no_args_is_help=True)


@app.command("list")
@guarded
def list_experts(as_json: JsonFlag = False) -> None:
    """List all experts, and whether their weights are installed."""
    from cinegrain.experts.registry import PRESETS, broken_plugins, expert_cards
    from cinegrain.experts.weights import is_cached
    from cinegrain.urls import cache_folder

    cache = cache_folder()
    rows = [
        {
            **card.to_dict(),
            "presets": [preset for preset, names in PRESETS.items() if card.name in names],
            "installed": all(is_cached(file, cache) for file in card.weights),
        }
        for card in expert_cards().values()
    ]
    for plugin in broken_plugins():
        reason = escape(f"package {plugin.package}: {plugin.fault}")
        err.print(f"[bold red]broken:[/] {reason}", highlight=False, soft_wrap=True)
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("expert", "modality", "dimension", "preset", "weights", "description"):
        table.add_column(column, overflow="fold")
    for row in rows:
        weights = "none needed" if not row["weights"] else "installed" if row["installed"] else "not installed"
        what = row["description"]
        if row["substitute"]:
            what += f" [yellow]Substitute for {row['substitute_for']}.[/]"
        table.add_row(row["name"], row["modality"], str(row["dimension"]), ", ".join(row["presets"]), weights, what)
    out.print(table)


@app.command("install")
@guarded
def install(
    names: Names = "light",
    as_json: JsonFlag = False,
) -> None:
    """Download weights, for offline use."""
    from cinegrain.experts.registry import load_networks, resolve_experts
    from cinegrain.pipeline.extraction.extract import install_weights
    from cinegrain.urls import cache_folder

    experts = resolve_experts(names)
    paths = install_weights(experts, watcher())
    load_networks(experts, cache_folder())
    if as_json:
        print_json({"experts": list(experts), "files": [str(path) for path in paths]})
    else:
        out.print(f"{', '.join(experts)}: ready in {cache_folder()}", highlight=False, soft_wrap=True)


@app.command("check")
@guarded
def check(names: Names = "light", as_json: JsonFlag = False) -> None:
    """Run experts on a built-in sample, compare with stored vectors, and time them."""
    from cinegrain.experts.registry import load_networks, resolve_experts
    from cinegrain.experts.selfcheck import check_experts
    from cinegrain.urls import cache_folder

    experts = resolve_experts(names)
    results = check_experts(experts, load_networks(experts, cache_folder()))
    if as_json:
        print_json([{"expert": r.expert, "ok": r.ok, "cosine": r.cosine, "seconds": r.seconds} for r in results])
    else:
        table = Table(box=None, padding=(0, 2))
        for column in ("", "expert", "stored vector", "time for 3 s of film"):
            table.add_column(column)
        for r in results:
            same = "none" if r.cosine is None else f"cosine {r.cosine:.5f}"
            table.add_row("[green]ok[/]" if r.ok else "[bold red]no[/]", r.expert, same, f"{1000 * r.seconds:.0f} ms")
        out.print(table)
    if not all(r.ok for r in results):
        raise typer.Exit(FAILED)


@app.command("quantise")
@guarded
def quantise(
    names: Annotated[str, typer.Argument(help=NAMES_HELP, show_default=False)],
    films: Annotated[
        list[str] | None, typer.Argument(help=f"A few dozen typical films. {FILMS_HELP}", show_default=False)
    ] = None,
    experts: Annotated[str | None, typer.Option("--experts", hidden=True)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Quantise experts to 8 bits (2 to 6 times faster), and measure the effect on their vectors.

    Experts whose vectors change too much stay in fp32. Then use --extract.precision int8.
    """
    from cinegrain.experts.registry import resolve_experts
    from cinegrain.media.remote import films_at
    from cinegrain.pipeline.extraction.quantise import quantise_experts
    from cinegrain.settings import MediaSettings

    places = films or []
    if experts is not None:
        renamed("quantise FILM... --experts NAMES", "quantise NAMES FILM...")
        names, places = experts, [names, *places]
    if not places:
        raise ConfigError("Give films for calibration: cinegrain experts quantise light FILM...")
    found = quantise_experts(resolve_experts(names), films_at(places), MediaSettings(), watcher())
    if as_json:
        print_json([asdict(note) for note in found.notes])
    else:
        _show_quantised(found.notes)
    for failed in found.failed:
        show_failure(failed.trailer_id, failed.reason)
    if found.failed:
        raise typer.Exit(SOME_FAILED)


def _show_quantised(notes: "Sequence[QuantisedGraph]") -> None:
    table = Table(box=None, padding=(0, 2))
    for column in ("", "expert", "cosine to fp32, mean", "minimum", "calibrated on"):
        table.add_column(column)
    for note in notes:
        for name, mean in note.cosine.items():
            verdict = "[green]8 bits[/]" if note.kept else "[yellow]stays fp32[/]"
            table.add_row(verdict, name, f"{mean:.5f}", f"{note.lowest_cosine[name]:.5f}", f"{note.n_items} inputs")
    out.print(table)


@app.command("card")
@guarded
def card(
    name: Annotated[str, typer.Argument(help="Name of an expert.", show_default=False)], as_json: JsonFlag = False
) -> None:
    """Show an expert's card."""
    from cinegrain.experts.registry import expert_cards, resolve_experts

    (known,) = resolve_experts(name)[:1]
    found = expert_cards()[known].to_dict()
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        if key == "weights":
            for file in value:
                out.print(f"  weights: {file['source']}", highlight=False, markup=False, soft_wrap=True)
        else:
            out.print(f"  {key.replace('_', ' ')}: {value}", highlight=False, markup=False, soft_wrap=True)
