"""What several rooms' tests share: real networks, real small runs, the folder of real clips."""

import os
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from cinegrain.experts.base import Network
from cinegrain.experts.registry import PRESETS, load_networks
from cinegrain.extras import EXTRAS, missing_package
from cinegrain.types import CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, FLOW_HEIGHT, FLOW_WIDTH, Float32, Scene, UInt8
from cinegrain.urls import cache_folder
from tests.finished_run import cinegrain, cinegrain_here, corpus, finished

__all__ = ["cinegrain", "cinegrain_here", "corpus", "finished"]  # fixtures
SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


# Markers by file or folder under tests/ and by fixture; pyproject.toml says what each means. One that is named like an
# extra marks what cannot be imported, or not be done, without it.
_BY_PATH = {
    "train": (
        *("atlas", "benchmarks", "cinegrain_demo/test_corpus", "cinegrain_demo/test_sound", "discovery", "explain"),
        *("experts/test_light", "experts/test_musicnn", "experts/test_paper", "experts/test_strong"),
        *("experts/test_transnetv2", "losses", "metrics", "models", "naming", "pipeline/test_ablate"),
        *("pipeline/test_addresses", "pipeline/test_assign", "pipeline/test_atlas", "pipeline/test_devices"),
        *("pipeline/test_duplicates", "pipeline/test_embed", "pipeline/test_evaluate", "pipeline/test_export"),
        *("pipeline/test_guarded", "pipeline/test_import_vectors", "pipeline/test_outdated", "pipeline/test_pooled"),
        *("pipeline/test_predict", "pipeline/test_quantise", "pipeline/test_ray", "pipeline/test_remote_films"),
        *("pipeline/test_run", "pipeline/test_search", "pipeline/test_two_experts", "readers/test_foreign"),
        *("report/test_stage", "test_front_door", "training", "untrusted", "web"),
    ),
    "web": ("pipeline/test_two_experts", "web", "test_front_door"),
    "report": (
        *("pipeline/test_ablate", "pipeline/test_assign", "pipeline/test_atlas", "pipeline/test_evaluate"),
        *("pipeline/test_export", "pipeline/test_predict", "pipeline/test_two_experts", "pipeline/test_import_vectors"),
        *("report", "web"),
    ),
    "strong": ("experts/test_musicnn", "experts/test_strong"),
    "skos": ("pipeline/test_atlas_files",),
    "zarr": ("readers/test_foreign",),
    "ray": ("pipeline/test_ray",),
    "devices": ("pipeline/test_devices",),
    "s3": ("pipeline/test_addresses", "pipeline/test_remote_films"),
    "cluster": ("pipeline/test_devices", "pipeline/test_ray"),
    "network": (
        *("experts/test_light", "experts/test_musicnn", "experts/test_paper", "experts/test_transnetv2"),
        *("naming", "pipeline/test_quantise", "web/test_ui_build"),
    ),
    "corpus": ("cinegrain_demo/test_corpus", "media/test_real_clips", "robust"),
    "slow": (
        *("benchmarks/test_simulate", "discovery/test_choose_k", "discovery/test_structure", "experts/test_strong"),
        *("pipeline/test_ablate", "pipeline/test_assign", "pipeline/test_atlas", "pipeline/test_import_vectors"),
        *("pipeline/test_predict", "training/test_fusion_training", "training/test_training"),
    ),
    "shared_data": ("media/test_real_clips", "pipeline/test_real_clips"),
}
_BY_FIXTURE = {
    "light_networks": ("network",),
    "served": ("s3",),
    "corpus": ("corpus", "train"),
    "finished": ("corpus", "train", "report"),
    "demo_made": ("corpus",),
    "browser": ("browser",),
    "shared_data": ("shared_data", "corpus"),
}
_ALLOWED_SKIPS = ("the superuser may read everything", "no small disk can be mounted here")


def _marks(path: Path) -> list[str]:
    place = path.relative_to(Path(__file__).parent).as_posix()
    return [mark for mark, places in _BY_PATH.items() if place.startswith(places)]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Files that cannot be imported here, and those that are about films which are not here."""
    if collection_path.suffix and not collection_path.name.startswith("test_"):
        return None
    marks = _marks(collection_path)
    missing = any(missing_package(mark) for mark in marks if mark in EXTRAS)
    return True if missing or ("shared_data" in marks and not SHARED_DATA.is_dir()) else None


def pytest_report_header() -> list[str]:
    """Says what is left out because of this machine."""
    extras = [extra for extra in EXTRAS if missing_package(extra)]
    return [
        *([f"left out: tests that need the extras {', '.join(extras)}, which are not installed"] if extras else []),
        *([] if SHARED_DATA.is_dir() else [f"left out: tests on the real films of {SHARED_DATA}"]),
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks tests. What takes longest begins first; tests of one file, in web/ all of them, share a process."""
    first = ("web", "robust", "pipeline")
    items.sort(key=lambda item: first.index(item.path.parent.name) if item.path.parent.name in first else len(first))
    for item in items:
        asked = [mark for name in getattr(item, "fixturenames", ()) for mark in _BY_FIXTURE.get(name, ())]
        for mark in (*_marks(item.path), *asked):
            item.add_marker(mark)
        if item.get_closest_marker("xdist_group") is None:
            room, file = item.path.parent.name, item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(room if room == "web" else file))
    absent = [] if SHARED_DATA.is_dir() else [item for item in items if item.get_closest_marker("shared_data")]
    absent += [item for item in items if any(missing_package(m.name) for m in item.iter_markers() if m.name in EXTRAS)]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CINEGRAIN_NO_SKIPS a skip is a failure, but for those expected; CINEGRAIN_ALLOWED_SKIPS adds to them."""
    report = yield
    if "CINEGRAIN_NO_SKIPS" in os.environ and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        more = filter(None, os.environ.get("CINEGRAIN_ALLOWED_SKIPS", "").split(","))
        if not any(allowed in reason for allowed in (*_ALLOWED_SKIPS, *more)):
            report.outcome, report.longrepr = "failed", f"An unexpected skip: {reason}"
    return report


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real films, sounds and features beside the checkout; tests that ask for it are left out where it is absent."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def real_clips(shared_data: Path) -> Path:
    """The folder of real films."""
    return shared_data / "clips"


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
