"""Without an extra, what needs it says at once what to install, and everything else works."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cinegrain.cli.main import app
from cinegrain.errors import MissingExtraError
from cinegrain.experts.registry import PRESETS, expert_cards
from cinegrain.extras import EXTRAS, missing_package, require
from cinegrain.urls import cache_folder
from tests.media.conftest import texture, tone, write_film
from tests.without_extras import WITHOUT_EXTRAS

# Tries every command that takes an argument with arguments that mean nothing, and says how each ended.
TRY_ALL = """
import json
import os
import typer
from typer.testing import CliRunner
from cinegrain.cli.main import app
from cinegrain.errors import CinegrainError

def walk(command, path):
    if subs := getattr(command, "commands", None):
        for name, sub in subs.items():
            yield from walk(sub, (*path, name))
    else:
        yield path, command

ended = {}
for path, command in walk(typer.main.get_command(app), ()):
    assert CliRunner().invoke(app, [*path, "--help"]).exit_code == 0, path
    given = []
    for parameter in command.params:
        if parameter.required:
            given += ([parameter.opts[0]] if parameter.opts[0].startswith("-") else []) + ["nothing"]
    if given or path == ("demo",):
        done = CliRunner().invoke(app, [*path, *given])
        assert not done.exception or isinstance(done.exception, SystemExit), (path, done.exception)
        ended[" ".join(path)] = done.exit_code, done.stderr
print(json.dumps(ended))
"""


def test_every_command_works_or_says_which_extra_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_EXTRAS + TRY_ALL]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    asking = {name for name, (_, said) in ended.items() if "pip install" in said}
    for name in asking:
        code, said = ended[name]
        assert code == 2
        assert f"`cinegrain {name}` needs PyTorch" in said.replace("\n", " ")
    assert {"train", "run", "serve", "atlas rename"} <= asking
    working = {name for name in ended if name.startswith(("dataset ", "experts ", "extract", "predict"))}
    assert not working & asking
    assert set(ended) == working | asking, "no other command takes an argument"
    assert not list(tmp_path.iterdir()), "refused before any work"


def test_a_film_is_embedded_without_them_from_published_weights(light_networks: object, tmp_path: Path) -> None:
    """Published checkpoints are turned into graphs without PyTorch."""
    film = write_film(tmp_path / "film.mp4", [texture(i // 25) for i in range(50)], sound=tone(440, 2))
    cache = tmp_path / "cache"
    shutil.copytree(cache_folder() / "weights", cache / "weights", copy_function=shutil.copy2)
    script = """
import cinegrain as cg
print({name: vectors.shape[1] for name, vectors in cg.embed(sys.argv[1], progress=False).vectors.items()})
"""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS + script, str(film)],
        capture_output=True,
        text=True,
        env={**os.environ, "CINEGRAIN_CACHE": str(cache)},
        timeout=120,
    )
    assert done.stdout == f"{ {name: expert_cards()[name].dimension for name in PRESETS['light']} }\n", done.stderr
    assert len(list((cache / "graphs").glob("*.onnx"))) == 2


def test_doctor_says_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = CliRunner().invoke(app, ["doctor"])
    assert "without PyTorch: pip install 'cinegrain[train]'" in done.output


def test_an_extra_is_told_by_the_first_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "train", {"numpy": "NumPy", "not_there": "Torch"})
    monkeypatch.setitem(EXTRAS, "web", {"numpy": "NumPy"})
    assert (missing_package("train"), missing_package("web")) == ("Torch", None)
    require("It", "web")
    with pytest.raises(MissingExtraError, match=r"^It needs Torch. Install it with: pip install 'cinegrain\[train\]'$"):
        require("It", "train", "web")
    monkeypatch.setitem(EXTRAS, "web", {"not_there_either": "API"})
    message = r"^It needs Torch and API. Install them with: pip install 'cinegrain\[train,web\]'$"
    with pytest.raises(MissingExtraError, match=message):
        require("It", "train", "web")


def test_python_says_the_same(tmp_path: Path) -> None:
    script = """
import cinegrain as cg
for ask in (lambda: cg.open("x"), lambda: cg.fit("x", catalog="c", out="o")):
    try:
        ask()
    except cg.CinegrainError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS + script], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "cinegrain.open needs PyTorch. Install it with: pip install 'cinegrain[train]'",
        "cinegrain.fit needs PyTorch and Plotly. Install them with: pip install 'cinegrain[train,report]'",
    ], done.stderr
