"""The style sheet's own promises: contrast and nothing loaded."""

import re
from importlib import resources

import pytest

CSS = (resources.files("cinegrain.report") / "templates" / "style.css").read_text(encoding="utf-8")


def _colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block))


_LIGHT_BLOCK, _DARK_BLOCK = re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL)
THEMES = {"light": _colours(_LIGHT_BLOCK), "dark": _colours(_DARK_BLOCK)}


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    linear = []
    for i in (1, 3, 5):
        c = int(colour[i : i + 2], 16) / 255
        linear.append(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known grey that just fails


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "paper"),
        ("ink", "surface"),
        ("ink", "caution-paper"),
        ("muted", "paper"),
        ("muted", "surface"),
        ("link", "paper"),
        ("link", "surface"),
        ("link", "caution-paper"),
        ("caution", "surface"),
        ("caution", "caution-paper"),
    ],
)
def test_text_reaches_aa(theme: str, text: str, ground: str) -> None:
    assert contrast(THEMES[theme][text], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_marks_and_lines_reach_aa_for_graphics(theme: str) -> None:
    colours = THEMES[theme]
    drawn = [name for name in colours if re.match(r"(class|mode|line|no-class|focus)", name)]
    assert len(drawn) == 7 + 5 + 2 + 1 + 1
    for name in drawn:
        for ground in ("paper", "surface"):
            assert contrast(colours[name], colours[ground]) >= 3, (name, ground)


def test_both_themes_name_the_same_colours() -> None:
    assert THEMES["light"].keys() == THEMES["dark"].keys()


def test_style_loads_nothing() -> None:
    assert "url(" not in CSS
    assert "@import" not in CSS
