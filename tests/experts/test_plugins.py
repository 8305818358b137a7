"""Experts of other packages, through a real installed entry point."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import make_scene
from typer.testing import CliRunner

from cinegrain.cli.main import app
from cinegrain.errors import ConfigError, ExpertError
from cinegrain.experts.registry import PRESETS, broken_plugins, expert_cards, load_networks, resolve_experts

PLUGIN = """
import numpy as np
from cinegrain.experts.base import ExpertCard, Family
from cinegrain.types import SceneEmbedding

CARD = ExpertCard("image_brightness", "image", 1, "frames", "Mean brightness.", None, (), "MIT", "none")

class Brightness:
    def __init__(self, cache, runtime):
        pass
    def embed(self, scenes):
        return {CARD.name: [SceneEmbedding(np.array([s.frames.mean()], np.float32)) for s in scenes]}

FAMILY = Family((CARD,), Brightness)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    info = tmp_path / "brightness-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brightness\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cinegrain.experts]\nbrightness = brightness_plugin:FAMILY\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "brightness_plugin", raising=False)
    return tmp_path


def test_a_plugged_in_expert_is_one_of_ours(package: Path) -> None:
    (package / "brightness_plugin.py").write_text(PLUGIN)
    assert "image_brightness" in expert_cards()
    assert resolve_experts("motion_flow,image_brightness") == ("motion_flow", "image_brightness")
    (network,) = load_networks(["image_brightness"], package)
    found = network.embed([make_scene(frames=np.full((2, 4, 4, 3), 7, np.uint8))])["image_brightness"][0]
    assert found is not None
    assert found.vector.tolist() == [7.0]


def test_a_broken_package_is_named_and_breaks_nothing_else(package: Path) -> None:
    (package / "brightness_plugin.py").write_text("import nothing_of_that_name")
    assert resolve_experts("light") == PRESETS["light"]
    listed = CliRunner().invoke(app, ["experts", "list"])
    assert listed.exit_code == 0
    assert "package brightness: it failed to load (ModuleNotFoundError: No module named" in listed.stderr
    assert "audio_yamnet" in listed.stdout
    checks = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    (found,) = [check for check in checks if check["check"] == "plug-in brightness"]
    assert not found["ok"]
    assert "nothing_of_that_name" in found["found"]
    with pytest.raises(ConfigError, match=r"Unknown .* image_brightness.*Package 'brightness' is broken: it failed"):
        resolve_experts("image_brightness")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"image_brightness"', '"audio_yamnet"', "audio_yamnet has the name of an expert of cinegrain"),
        ('"image", 1', '"text", 1', "is of modality 'text'; expected one of audio, location, motion, image"),
        ('"frames"', '"subtitles"', "needs 'subtitles'; expected one of frames"),
        ("Family((CARD,), Brightness)", "CARD", "it registers a ExpertCard; expected"),
        (
            "Family((CARD,), Brightness)",
            "Family(('image_brightness',), Brightness)",
            "expected a cinegrain.experts.base.",
        ),
    ],
)
def test_a_plug_in_that_breaks_the_contract_is_refused(package: Path, old: str, new: str, fault: str) -> None:
    before = expert_cards()
    (package / "brightness_plugin.py").write_text(PLUGIN.replace(old, new))
    (broken,) = broken_plugins()
    assert broken.package == "brightness"
    assert fault in (broken.fault or "")
    assert expert_cards() == before


def test_of_two_packages_with_one_expert_the_second_is_refused(package: Path) -> None:
    (package / "brightness_plugin.py").write_text(PLUGIN)
    points = package / "brightness-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text() + "again = brightness_plugin:FAMILY\n")
    (broken,) = broken_plugins()
    assert broken.fault == "its expert image_brightness has the name of an expert of brightness"
    assert len(load_networks(["image_brightness"], package)) == 1


VECTOR = "np.array([s.frames.mean()], np.float32)"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (VECTOR, "np.zeros(2, np.float32)", r"shape \(2,\); its card says \(1,\)"),
        (VECTOR, "np.zeros((1, 1), np.float32)", r"shape \(1, 1\); its card says \(1,\)"),
        (VECTOR, "np.zeros(1)", "type float64; expected float32"),
        (VECTOR, "[0.0]", "type list; expected float32"),
        (VECTOR, "np.full(1, np.nan, np.float32)", "not finite"),
        (VECTOR, "np.full(1, 7e4, np.float32)", "the number 70000; datasets hold 16-bit floats, up to 65,504"),
        ("for s in scenes]", "for s in scenes[1:]]", "1 embeddings for 2 scenes"),
        ("{CARD.name:", '{"image_other":', "embeddings of image_other"),
    ],
)
def test_what_an_expert_gives_is_checked_against_its_card(package: Path, old: str, new: str, fault: str) -> None:
    assert old in PLUGIN
    (package / "brightness_plugin.py").write_text(PLUGIN.replace(old, new))
    (network,) = load_networks(["image_brightness"], package)
    scenes = [make_scene(frames=np.full((2, 4, 4, 3), 7, np.uint8))] * 2
    with pytest.raises(ExpertError, match=f"image_brightness of package 'brightness' gave .*{fault}"):
        network.embed(scenes)
    checked = CliRunner().invoke(app, ["experts", "check", "image_brightness"])
    assert checked.exit_code == 1
    assert "of package 'brightness' gave" in checked.stderr


def test_a_scene_that_an_expert_can_say_nothing_of_is_none(package: Path) -> None:
    (package / "brightness_plugin.py").write_text(PLUGIN.replace(f"SceneEmbedding({VECTOR})", "None"))
    (network,) = load_networks(["image_brightness"], package)
    assert network.embed([make_scene(frames=np.zeros((1, 4, 4, 3), np.uint8))]) == {"image_brightness": [None]}
