"""Real runs, a real server, a real browser.

`CINEGRAIN_DEMO_RUN` may name a finished demo run to use a copy of, instead of a smaller one made here;
`CINEGRAIN_SCREENSHOTS` a folder for the pictures that the tests take.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
_QUICK = {
    "train.epochs": 30,
    "finetune.epochs": 5,
}
Serve = Callable[..., str]


def command(*args: object, timeout: float = 280) -> None:
    """Runs the real command."""
    done = subprocess.run([sys.executable, "-m", "cinegrain", *map(str, args)], capture_output=True, timeout=timeout)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="session")
def demo_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished demo run, not to be changed."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    if "CINEGRAIN_DEMO_RUN" in os.environ:
        shutil.copytree(os.environ["CINEGRAIN_DEMO_RUN"], out)
    else:
        flags = [part for name, value in _QUICK.items() for part in (f"--{name}", value)]
        command("demo", "--films", 32, "--out", out, *flags)
        command("ablate", out, "--seeds", 1)
    return out


@pytest.fixture(scope="module")
def demo(demo_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it to edit."""
    return shutil.copytree(demo_made, tmp_path_factory.mktemp("copy") / "demo")


@pytest.fixture(scope="session")
def clips_run(real_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the real clips."""
    out = tmp_path_factory.mktemp("clips") / "clips"
    command("run", real_clips, "--catalog", real_clips / "clips.csv", "--out", out)
    return out


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Starts `cinegrain serve` on a free port and gives its address; ends it afterwards."""
    running: list[subprocess.Popen[str]] = []

    def start(run: Path, *args: object) -> str:
        line = [sys.executable, "-m", "cinegrain", "serve", str(run), "--port", "0", *map(str, args)]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append(process)
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("Explorer: http://"), said + process.stdout.read()
        return said.removeprefix("Explorer: ").strip().rstrip("/")

    yield start
    for process in running:
        process.terminate()
        assert process.wait(timeout=15) in (0, -15)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not on this machine")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)


class Visit:
    """One visitor's browser; notes what should never happen."""

    def __init__(self, browser: Browser, base: str, **how: Any) -> None:
        self.base = base
        self.troubles: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **how})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("console", self._hear)
        self.page.on("request", self._note)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.troubles.append(f"console: {said.text}")

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.base + "/", "data:", f"blob:{self.base}/")):
            self.troubles.append(f"outside request: {request.url}")

    def go(self, path: str) -> Page:
        """Opens a view; one that is open already changes as for a person who edits the address."""
        self.page.goto(f"{self.base}/{path}")
        return self.page

    def api(self, path: str, **params: Any) -> Any:
        """What the API says of the same."""
        found = httpx.get(f"{self.base}/api/v1{path}", params=params, timeout=30)
        assert found.status_code == 200, found.text
        return found.json()

    def shot(self, name: str) -> None:
        """Leaves a screenshot to look at, where the caller wants them."""
        folder = os.environ.get("CINEGRAIN_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens browsers; at the end none of them may have had trouble."""
    visits: list[Visit] = []

    def start(base: str, **how: Any) -> Visit:
        visits.append(Visit(browser, base, **how))
        return visits[-1]

    yield start
    for one in visits:
        one.context.close()
    assert [trouble for one in visits for trouble in one.troubles] == []


def decoded(response: Any) -> Any:
    """A good answer's JSON."""
    assert response.status_code in (200, 202), response.text
    return json.loads(response.content)
