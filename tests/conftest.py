"""What several rooms' tests share: real networks, real small runs, the folder of real clips."""

import os
from pathlib import Path

import numpy as np
import pytest

from cinegrain.experts.base import Network
from cinegrain.experts.registry import PRESETS, load_networks
from cinegrain.places import cache_folder
from cinegrain.types import CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, FLOW_HEIGHT, FLOW_WIDTH, Float32, Scene, UInt8
from tests.finished_run import cinegrain, cinegrain_here, corpus, finished

__all__ = ["cinegrain", "cinegrain_here", "corpus", "finished"]  # fixtures
SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first; tests of one file, in web/ all of them, share a process and what it has made."""
    first = ("web", "robust", "pipeline")
    items.sort(key=lambda item: first.index(item.path.parent.name) if item.path.parent.name in first else len(first))
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            room, file = item.path.parent.name, item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(room if room == "web" else file))


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """The folder of real films; a test that asks for it says so when it is absent."""
    clips = SHARED / "data" / "clips"
    if not clips.is_dir():
        pytest.skip("the folder of real clips is not on this machine")
    return clips


@pytest.fixture(scope="session")
def light_networks() -> list[Network]:
    """The real networks of the light preset, downloaded on first use."""
    return load_networks(PRESETS["light"], cache_folder())


@pytest.fixture(autouse=True, scope="session")
def _no_proxy_surprises() -> None:
    os.environ.setdefault("COLUMNS", "140")


def make_scene(
    *,
    index: int = 0,
    start_s: float = 0.0,
    end_s: float = 2.0,
    frames: UInt8 | None = None,
    flow: UInt8 | None = None,
    sound: Float32 | None = None,
    clips: UInt8 | None = None,
) -> Scene:
    """A scene by hand; what is not given is not there."""
    frames = np.zeros((0, 16, 16, 3), np.uint8) if frames is None else frames
    flow = np.zeros((0, FLOW_HEIGHT, FLOW_WIDTH), np.uint8) if flow is None else flow
    clips = np.zeros((0, CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, 3), np.uint8) if clips is None else clips
    return Scene(
        index,
        start_s,
        end_s,
        frames,
        start_s + np.arange(len(frames), dtype=np.float64),
        flow,
        start_s + np.arange(len(flow)) / 8,
        sound,
        clips,
        np.tile(start_s + np.arange(CLIP_FRAMES) / 15, (len(clips), 1)),
    )
