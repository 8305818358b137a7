"""`cinegrain simulate`."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from cinegrain.cli.console import out, print_json, watcher
from cinegrain.cli.options import JsonFlag, guarded, with_settings
from cinegrain.config import load_settings
from cinegrain.simulate.settings import SimulateSettings

_FIELDS = {field.name: field for field in fields(SimulateSettings)}


def _option(name: str) -> Any:
    """An option whose help and default are the setting's own."""
    about = rf"{_FIELDS[name].metadata['help']} \[default: {_FIELDS[name].default}]"
    return typer.Option(f"--{name.replace('_', '-')}", help=about, show_default=False)


@with_settings("seed")
@guarded
def simulate(
    out_folder: Annotated[
        Path, typer.Option("--out", help="Run folder to make, or to go on with.", show_default=False)
    ],
    flags: dict[str, Any],
    trailers: Annotated[int | None, _option("trailers")] = None,
    genres: Annotated[int | None, _option("genres")] = None,
    difficulty: Annotated[str | None, _option("difficulty")] = None,
    label_noise: Annotated[float | None, _option("label_noise")] = None,
    missing: Annotated[float | None, _option("missing")] = None,
    studios: Annotated[int | None, _option("studios")] = None,
    pooled: Annotated[bool, _option("pooled")] = False,
    scale_dimensions: Annotated[float | None, _option("scale_dimensions")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a corpus of any size from chance, with planted sub-genres: a run that train, discover and dataset take.

    Interrupted, the same command goes on; asked for more trailers, it adds them.
    """
    from cinegrain.pipeline.simulate import simulate as simulate_corpus

    settings = load_settings(flags=flags)
    given: dict[str, Any] = {
        "trailers": trailers,
        "genres": genres,
        "difficulty": difficulty,
        "label_noise": label_noise,
        "missing": missing,
        "studios": studios,
        "pooled": pooled,
        "scale_dimensions": scale_dimensions,
        "seed": settings.seed,
    }
    wanted = SimulateSettings(**{name: value for name, value in given.items() if value is not None})
    done = simulate_corpus(out_folder, wanted, settings, watcher())
    if as_json:
        print_json(
            {
                "run": str(done.folder),
                "trailers": done.n_trailers,
                "new": done.n_new,
                "truth": str(done.truth),
                "settings": asdict(wanted),
            }
        )
    else:
        out.print(f"{done.n_trailers} simulated trailers in {done.folder} ({done.n_new} new)", soft_wrap=True)
        out.print(f"planted answers, for scoring only: {done.truth}", soft_wrap=True)
