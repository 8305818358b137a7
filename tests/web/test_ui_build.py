"""The pages inside the package are those that the present sources make, and the sources' own tests pass."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cinegrain.web.server import STATIC

UI = Path(__file__).resolve().parents[2] / "web" / "ui"
pytestmark = [pytest.mark.timeout(280)]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with their tools installed."""
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not on this machine")
    ui = tmp_path_factory.mktemp("web") / "ui"
    shutil.copytree(UI, ui, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=ui, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm cannot install the tools here: {done.stderr[-300:]}")
    return ui


def npm(ui: Path, *args: str) -> str:
    done = subprocess.run(["npm", "run", "--silent", *args], cwd=ui, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_holds_what_the_sources_make(tools: Path) -> None:
    npm(tools, "build", "--", "--outDir", str(tools / "built"))
    built = {path.relative_to(tools / "built"): path.read_bytes() for path in (tools / "built").rglob("*.*")}
    held = {path.relative_to(STATIC): path.read_bytes() for path in STATIC.rglob("*.*")}
    assert set(held) == set(built), "run `make ui` and commit what it builds"
    assert held == built, "run `make ui` and commit what it builds"


def test_types_and_logic_of_the_sources(tools: Path) -> None:
    npm(tools, "check")
    assert "passed" in npm(tools, "test")
