"""Every variant straight through the reader: what comes out is whole in itself, or is a plain refusal."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.robust.variants import FILMS, N_FRAMES, Variant, all_variants

from cinegrain.errors import MediaError
from cinegrain.media.facts import FLAGS, MediaFacts
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.settings import MediaSettings
from cinegrain.types import FLOW_HEIGHT, FLOW_WIDTH, SOUND_RATE_HZ, Scene

pytestmark = pytest.mark.xdist_group("robust")
SETTINGS = MediaSettings(time_limit_s=30)
VARIANTS = all_variants()
FAMILIES = list(dict.fromkeys(variant.family for variant in VARIANTS))
_DAMAGED = {"cut short", "bit rot", "holes"}


def check_scenes(scenes: list[Scene], facts: MediaFacts) -> None:
    """What every film promises, however damaged."""
    assert facts.n_scenes == len(scenes) >= 1
    assert [scene.index for scene in scenes] == list(range(len(scenes)))
    assert scenes[0].start_s == 0
    assert scenes[-1].end_s == facts.decoded_duration_s < 1000
    assert all(before.end_s == after.start_s for before, after in pairwise(scenes))
    assert len({scene.frames.shape[1:] for scene in scenes}) == 1, "one size a film"
    assert set(facts.flags) <= set(FLAGS)
    json.dumps(asdict(facts), allow_nan=False)
    for scene in scenes:
        _check_scene(scene)


def _check_scene(scene: Scene) -> None:
    longest_s = SETTINGS.max_scene_s + 2 * SETTINGS.min_scene_s
    assert 0 < scene.duration_s <= longest_s
    n, height, width, _ = scene.frames.shape
    assert scene.frames.dtype == scene.flow_frames.dtype == np.uint8
    assert 1 <= n == len(scene.frame_times_s) <= SETTINGS.frame_fps * scene.duration_s + 2
    assert min(height, width) == SETTINGS.frame_size_px
    assert max(height, width) <= 3 * SETTINGS.frame_size_px
    assert scene.flow_frames.shape == (len(scene.flow_times_s), FLOW_HEIGHT, FLOW_WIDTH)
    assert len(scene.flow_times_s) <= SETTINGS.flow_fps * scene.duration_s + 2
    for times_s in (scene.frame_times_s, scene.flow_times_s):
        assert (np.diff(times_s) > 0).all()
        assert ((times_s >= scene.start_s) & (times_s < scene.end_s)).all()
    if scene.sound is not None:
        n_samples = round(scene.end_s * SOUND_RATE_HZ) - round(scene.start_s * SOUND_RATE_HZ)
        assert scene.sound.shape == (n_samples,)
        assert np.abs(scene.sound).max() <= 1  # false for NaN too


def check_reason(reason: str, path: Path) -> None:
    """A person can understand it."""
    assert path.name in reason, "it names the file"
    assert len(reason) > len(str(path)) + 40, "and says more"
    assert "Errno" not in reason


def read(variant: Variant, path: Path) -> str:
    """How it ended: "vectors" or "failure"; raises AssertionError where a promise is broken."""
    try:
        with TrailerReader(path, SETTINGS) as reader:
            scenes = list(reader.scenes())
            facts = reader.facts()
    except MediaError as error:
        check_reason(str(error), path)
        return "failure"
    check_scenes(scenes, facts)
    lost = N_FRAMES - facts.n_frames_decoded
    announces = not path.name.endswith(("ts", "mpg", "avi"))  # those tell no length, or that of what is left
    if variant.family in _DAMAGED and lost > 0.15 * N_FRAMES and announces:
        assert facts.flags, f"{lost} pictures are lost, but no flag tells"
    if variant.family == "header":
        assert facts.decoded_duration_s < 5, "an absurd clock makes no long film"
    if variant.family == "whole":
        assert not facts.flags
        assert not lost
    return "vectors"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_variant_is_read_or_refused(
    family: str, variant_folder: Path, record_property: Callable[[str, object], None]
) -> None:
    variants = [variant for variant in VARIANTS if variant.family == family]
    outcomes: Counter[str] = Counter()
    broken = []
    for variant in variants:
        try:
            outcome = read(variant, variant_folder / variant.name)
            assert variant.outcome in (None, outcome), f"ended in {outcome}"
        except Exception as error:  # all of a family are tried before it fails
            broken.append(f"{variant.name}: {type(error).__name__}: {error}")
            outcome = "broken"
        outcomes[outcome] += 1
    row = {"variants": len(variants)} | dict(outcomes)
    record_property(family, json.dumps(row))
    print(f"{family:12} {row}")
    assert not broken, "\n".join(broken)


def test_there_are_enough() -> None:
    assert len(VARIANTS) >= 200
    assert sum(variant.family == "cut short" for variant in VARIANTS) == 20 * len(FILMS)
