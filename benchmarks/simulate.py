"""Makes a corpus of any size from chance, with planted sub-genres: a run that train, discover and dataset take.

    python benchmarks/simulate.py RUN [--trailers 8800] [--difficulty medium] [--pooled] [--json] ...

Interrupted, the same command continues; asked for more trailers, it adds them.
"""

import argparse
import json
from dataclasses import asdict, fields, replace
from pathlib import Path

from cinegrain.cli.console import watcher
from cinegrain.config import Settings
from cinegrain.errors import CinegrainError
from simulator.corpus import simulate
from simulator.settings import SimulateSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder to make, or to continue")
    parser.add_argument("--json", action="store_true", help="print JSON")
    for field in fields(SimulateSettings):
        flag, about = f"--{field.name.replace('_', '-')}", f"{field.metadata['help']} Default: {field.default}."
        if field.default is False:
            parser.add_argument(flag, action="store_true", help=about)
        else:
            parser.add_argument(flag, type=type(field.default), default=field.default, help=about)
    asked = parser.parse_args()
    try:
        wanted = SimulateSettings(**{field.name: getattr(asked, field.name) for field in fields(SimulateSettings)})
        done = simulate(asked.run, wanted, replace(Settings(), seed=wanted.seed), watcher())
    except CinegrainError as error:
        parser.error(str(error))
    if asked.json:
        print(json.dumps({**asdict(done), "settings": asdict(wanted)}, default=str))
    else:
        print(f"{done.n_trailers} simulated trailers in {done.folder} ({done.n_new} new)")
        print(f"planted answers, for scoring only: {done.truth}")


if __name__ == "__main__":
    main()
