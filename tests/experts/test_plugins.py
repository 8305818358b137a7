"""Experts of other packages, through a real installed entry point."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import make_scene

from cinegrain.errors import ConfigError
from cinegrain.experts.registry import expert_cards, load_networks, resolve_experts

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


def test_a_broken_plug_in_is_named(package: Path) -> None:
    (package / "brightness_plugin.py").write_text("import nothing_of_that_name")
    with pytest.raises(ConfigError, match="'brightness' of package 'brightness' failed to load"):
        expert_cards()
