import json
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cinegrain.cli.main import app
from cinegrain.errors import WeightsError
from cinegrain.experts.base import Network
from cinegrain.experts.registry import PRESETS, load_networks
from cinegrain.experts.selfcheck import builtin_scene, check_experts
from cinegrain.types import Scene, SceneEmbedding
from cinegrain.urls import cache_folder


def test_experts_are_the_ones_they_were(light_networks: list[Network]) -> None:
    results = check_experts(PRESETS["light"], light_networks)
    assert [r.expert for r in results] == list(PRESETS["light"])
    assert all(r.cosine is not None and r.cosine > 0.999 for r in results)


def test_the_music_expert_is_the_one_it_was() -> None:
    try:
        networks = load_networks(["audio_musicnn"], cache_folder())
    except WeightsError as error:
        pytest.skip(f"SKIPPED: {error}")
    (result,) = check_experts(["audio_musicnn"], networks)
    assert result.cosine is not None
    assert result.cosine > 0.999


def test_another_network_is_noticed() -> None:
    class Impostor:
        def embed(self, scenes: list[Scene]) -> dict[str, list[SceneEmbedding | None]]:
            rng = np.random.default_rng(0)
            return {"audio_yamnet": [SceneEmbedding(rng.normal(size=1024).astype(np.float32))], "mine": [None]}

    impostor: Any = Impostor()
    results = {r.expert: r for r in check_experts(["audio_yamnet", "mine"], [impostor])}
    assert not results["audio_yamnet"].ok
    assert results["mine"].cosine is None, "nothing is stored for an expert of another package"


def test_the_built_in_scene_is_the_same_every_time() -> None:
    a, b = builtin_scene(), builtin_scene()
    np.testing.assert_array_equal(a.frames, b.frames)
    assert a.sound is not None
    assert 0.1 < np.abs(a.sound).max() <= 1


@pytest.mark.usefixtures("light_networks")
def test_commands() -> None:
    done = CliRunner().invoke(app, ["experts", "check", "--json"])
    assert done.exit_code == 0, done.output
    assert all(row["ok"] for row in json.loads(done.output))
    card = CliRunner().invoke(app, ["experts", "card", "motion_flow", "--json"])
    assert json.loads(card.output)["substitute_for"].endswith("Kinetics")
    assert CliRunner().invoke(app, ["experts", "card", "nothing"]).exit_code == 2
