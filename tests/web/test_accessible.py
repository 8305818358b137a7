"""axe looks at every view, in light and in dark, wide and narrow."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.web.conftest import Serve, Visit

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}
PATHS = {
    "map": "#/map",
    "both": "#/map?when=both&by=mode",
    "film": "#/film?id={film}",
    "subgenres": "#/subgenres",
    "subgenre": "#/subgenre?id={subgenre}",
    "genre": "#/genre?id={genre}",
    "search": "#/search?like={film}&words=dog",
    "compare": "#/compare?kind=film&a={film}&b={other}",
    "figures": "#/figures",
    "history": "#/history",
    "add": "#/add",
}


@pytest.fixture(scope="module")
def base(demo: Path, serve: Serve) -> str:
    return serve(demo)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 380)])
def test_axe_finds_nothing_serious(base: str, visit: Callable[..., Visit], scheme: str, width: int) -> None:
    one = visit(base, color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce")
    run, points = one.api("/run"), one.api("/points")
    grave = []
    known = {"film": points["id"][0], "other": points["id"][1], "subgenre": run["subgenres"][0]["id"]}
    for name, path in PATHS.items():
        page = one.go(path.format(genre=run["genres"][0]["name"], **known))
        page.wait_for_function("() => !document.querySelector('main').textContent.includes('Loading ')")
        for menu in page.locator("details").all():
            menu.evaluate("menu => (menu.open = !menu.closest('[role=search]'))")  # an open menu hides what is below
        found = Axe().run(page, options=RULES).response["violations"]
        grave += [
            f"{name}: {each['id']} at {each['nodes'][0]['target']}: {each['nodes'][0]['failureSummary']}"
            for each in found
            if each["impact"] in ("serious", "critical", "moderate")
        ]
    assert "\n".join(grave) == ""


def test_the_look_can_be_chosen_and_is_remembered(base: str, visit: Callable[..., Visit]) -> None:
    one = visit(base, color_scheme="light")
    page = one.go("#/figures")
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.get_by_label("Colours").select_option("dark")
    page.reload()
    page.get_by_role("heading", name="Figures").wait_for()
    assert page.locator("html").get_attribute("data-theme") == "dark"
