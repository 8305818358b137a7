"""One small real run for many tests: rendered films, real decoding, networks and training.

Its users share the xdist group `run`, so that it is made once.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from cinegrain.cli.main import app
from cinegrain_demo.plan import CorpusSettings

if TYPE_CHECKING:
    from cinegrain_demo.corpus import CorpusFiles

FAST = [
    "--train.epochs",
    "30",
    "--finetune.epochs",
    "5",
]


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cinegrain = Callable[..., Done]


@pytest.fixture(scope="session")
def cinegrain() -> Cinegrain:
    """Runs the real command in a process of its own."""

    def run(*args: object, timeout: float = 280) -> Done:
        command = [sys.executable, "-m", "cinegrain", *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def cinegrain_here() -> Cinegrain:
    """Runs the same command inside this process, which has its libraries loaded: for what proves as much this way."""

    def run(*args: object) -> Done:
        done = CliRunner().invoke(app, [str(arg) for arg in args])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> "CorpusFiles":
    """Sixteen films of a few seconds."""
    from cinegrain_demo.corpus import render_corpus  # needs an extra

    settings = CorpusSettings(n_films=16, seed=5, shortest_s=5.0, longest_s=7.0)
    return render_corpus(tmp_path_factory.mktemp("corpus"), settings, workers=2)


@pytest.fixture(scope="session")
def finished(corpus: "CorpusFiles", cinegrain: Cinegrain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over that corpus."""
    out = tmp_path_factory.mktemp("runs") / "run"
    done = cinegrain("run", corpus.videos, "--catalog", corpus.catalog, "--out", out, "--json", *FAST)
    assert done.code == 0, done.err
    assert done.json["embedded"] == 16
    return out
