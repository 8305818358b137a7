"""`cinegrain experts`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cinegrain.cli.console import err, out, print_json, watcher
from cinegrain.cli.options import FAILED, FILMS_HELP, SOME_FAILED, JsonFlag, guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinegrain.experts.runtime import QuantisedGraph

app = typer.Typer(help="The frozen networks that look and listen.", no_args_is_help=True)


@app.command("list")
@guarded
def list_experts(as_json: JsonFlag = False) -> None:
    """Every expert, what it sees, and whether its weights are here."""
    from cinegrain.experts.registry import PRESETS, broken_plugins, expert_cards
    from cinegrain.experts.weights import is_cached
    from cinegrain.places import cache_folder

    cache = cache_folder()
    rows = [
        {
            **card.as_json(),
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
    from cinegrain.pipeline.extraction.extract import install_weights
    from cinegrain.places import cache_folder

    experts = resolve_experts(names)
    paths = install_weights(experts, watcher())
    load_networks(experts, cache_folder())
    if as_json:
        print_json({"experts": list(experts), "files": [str(path) for path in paths]})
    else:
        out.print(f"{', '.join(experts)}: ready in {cache_folder()}", highlight=False, soft_wrap=True)


Names = Annotated[str, typer.Argument(help="A preset, or expert names joined by commas.")]


@app.command("check")
@guarded
def check(names: Names = "light", as_json: JsonFlag = False) -> None:
    """Run experts on a built-in picture, clip and sound, compare with the vectors that are stored, and time them."""
    from cinegrain.experts.registry import load_networks, resolve_experts
    from cinegrain.experts.selfcheck import check_experts
    from cinegrain.places import cache_folder

    experts = resolve_experts(names)
    results = check_experts(experts, load_networks(experts, cache_folder()))
    if as_json:
        print_json([{"expert": r.expert, "ok": r.ok, "cosine": r.cosine, "seconds": r.seconds} for r in results])
    else:
        table = Table(box=None, padding=(0, 2))
        for column in ("", "expert", "same as stored", "for 3 s of film"):
            table.add_column(column)
        for r in results:
            same = "nothing stored to compare with" if r.cosine is None else f"cosine {r.cosine:.5f}"
            table.add_row("[green]ok[/]" if r.ok else "[bold red]no[/]", r.expert, same, f"{1000 * r.seconds:.0f} ms")
        out.print(table)
    if not all(r.ok for r in results):
        raise typer.Exit(FAILED)


@app.command("quantise")
@guarded
def quantise(
    films: Annotated[
        list[str], typer.Argument(help=f"Some dozen films like those that will be looked at. {FILMS_HELP}")
    ],
    experts: Annotated[str, typer.Option(help="A preset, or expert names joined by commas.")] = "light",
    as_json: JsonFlag = False,
) -> None:
    """Make 8-bit networks, some 2 to 6 times quicker, and measure how much they change the vectors.

    An expert whose vectors change too much stays as it is. Then run with: --extract.precision int8
    """
    from cinegrain.experts.registry import resolve_experts
    from cinegrain.media.remote import films_at
    from cinegrain.pipeline.extraction.quantise import quantise_experts
    from cinegrain.settings import MediaSettings

    found = quantise_experts(resolve_experts(experts), films_at(films), MediaSettings(), watcher())
    if as_json:
        print_json([asdict(note) for note in found.notes])
    else:
        _show_quantised(found.notes)
    for failed in found.failed:
        err.print(f"[bold red]{escape(failed.trailer_id)}:[/] {escape(failed.reason)}", soft_wrap=True)
    if found.failed:
        raise typer.Exit(SOME_FAILED)


def _show_quantised(notes: "Sequence[QuantisedGraph]") -> None:
    table = Table(box=None, padding=(0, 2))
    for column in ("", "expert", "cosine to fp32, mean", "least", "calibrated with"):
        table.add_column(column)
    for note in notes:
        for name, mean in note.cosine.items():
            verdict = "[green]8 bits[/]" if note.kept else "[yellow]stays fp32[/]"
            table.add_row(verdict, name, f"{mean:.5f}", f"{note.lowest_cosine[name]:.5f}", f"{note.n_items} inputs")
    out.print(table)


@app.command("card")
@guarded
def card(
    name: Annotated[str, typer.Argument(help="An expert's name.", show_default=False)], as_json: JsonFlag = False
) -> None:
    """Everything there is to know of one expert."""
    from cinegrain.experts.registry import expert_cards, resolve_experts

    (known,) = resolve_experts(name)[:1]
    found = expert_cards()[known].as_json()
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        if key == "weights":
            for file in value:
                out.print(f"  weights: {file['source']}", highlight=False, markup=False, soft_wrap=True)
        else:
            out.print(f"  {key.replace('_', ' ')}: {value}", highlight=False, markup=False, soft_wrap=True)
