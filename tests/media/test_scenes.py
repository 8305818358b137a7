"""Scenes partition the film, whatever the pictures and cuts; each has its samples."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cinegrain.media.pictures import Picture
from cinegrain.media.scenes import FIRST_SAMPLE_S, MAX_REPEAT_S, SceneBuilder, SceneParts

DELAY_S = 0.25


def make_picture(time_s: float, number: int = 0, is_black: bool = False) -> Picture:
    small = np.full((3, 90, 160), number % 256, np.uint8)
    return Picture(time_s, small, is_black, lambda: np.full((2, 2, 3), number % 256, np.uint8))


def build(
    times_s: list[float],
    cuts_s: list[float],
    end_s: float,
    *,
    black: set[int] | None = None,
    min_s: float = 0.6,
    max_s: float = 30.0,
) -> list[SceneParts]:
    """Plays pictures to a builder and tells each cut as late as is allowed."""
    builder = SceneBuilder(frame_fps=1.0, flow_fps=8.0, min_scene_s=min_s, max_scene_s=max_s, cut_delay_s=DELAY_S)
    pictures = [make_picture(time_s, i, i in (black or set())) for i, time_s in enumerate(times_s)]
    waiting = sorted(cuts_s)
    scenes: list[SceneParts] = []
    for held, following in pairwise(pictures):
        while waiting and following.time_s >= waiting[0] + DELAY_S and held.time_s >= waiting[0]:
            builder.cut(waiting.pop(0))
        builder.show(held, following.time_s)
        scenes += builder.ready()
    for cut_s in waiting:
        builder.cut(cut_s)
    builder.show(pictures[-1], end_s)
    builder.finish(pictures[-1], end_s)
    return scenes + list(builder.ready())


def bounds(scenes: list[SceneParts]) -> list[tuple[float, float]]:
    return [(scene.start_s, scene.end_s) for scene in scenes]


def even(fps: float, end_s: float) -> list[float]:
    return [i / fps for i in range(round(fps * end_s))]


@example(steps_s=[11.0, 0.5], cut_picks=[], black={0}, max_s=1.2)
@example(steps_s=[11.0, 0.5], cut_picks=[1], black=set(), max_s=1.2)
@settings(max_examples=60, deadline=None)
@given(
    steps_s=st.lists(st.sampled_from([0.01, 1 / 24, 0.04, 0.2, 0.5, 3.0, 11.0]), min_size=1, max_size=120),
    cut_picks=st.lists(st.integers(0, 200), max_size=20),
    black=st.sets(st.integers(0, 119), max_size=40),
    max_s=st.sampled_from([1.2, 4.0, 30.0]),
)
def test_scenes_partition_any_film(steps_s: list[float], cut_picks: list[int], black: set[int], max_s: float) -> None:
    ends_s = np.cumsum(steps_s).tolist()
    times_s, end_s = [0.0, *ends_s[:-1]], ends_s[-1]
    cuts_s = sorted({times_s[pick] for pick in cut_picks if 0 < pick < len(times_s)})
    scenes = build(times_s, cuts_s, end_s, black=black, max_s=max_s)
    assert scenes[0].start_s == 0
    assert scenes[-1].end_s == end_s
    flow_s: list[float] = []
    for before, after in pairwise(scenes):
        assert before.end_s == after.start_s
    for scene in scenes:
        length_s = scene.end_s - scene.start_s
        assert length_s > 0
        assert length_s >= 0.6 - 1e-9 or len(scenes) == 1
        # A split may have moved to a cut just after it, and a short rest may have been joined on.
        assert length_s < max_s + 0.6 + 0.6
        assert scene.frames
        for samples in (scene.frames, scene.flow_frames):
            sampled_s = [time_s for time_s, _ in samples]
            assert sampled_s == sorted(sampled_s)
            assert all(scene.start_s <= time_s < scene.end_s for time_s in sampled_s)
            # Each sample is the last picture at or before its time.
            for time_s, image in samples:
                on_screen = max(i for i, shown_s in enumerate(times_s) if shown_s <= time_s + 2e-6)
                assert image.flat[0] == on_screen
        flow_s += [time_s for time_s, _ in scene.flow_frames]
    assert flow_s == sorted(flow_s)


def test_cuts_become_scenes() -> None:
    assert bounds(build(even(25, 6), [2.0, 3.2], 6.0)) == [(0, 2.0), (2.0, 3.2), (3.2, 6.0)]


def test_a_cut_too_soon_after_another_is_left_out() -> None:
    assert bounds(build(even(25, 6), [0.4, 2.0, 2.52], 6.0)) == [(0, 2.0), (2.0, 6.0)]


def test_a_short_rest_at_the_end_joins_the_scene_before() -> None:
    assert bounds(build(even(25, 6), [2.0, 5.8], 6.0)) == [(0, 2.0), (2.0, 6.0)]


def test_a_long_stretch_is_split() -> None:
    scenes = build(even(25, 70), [], 70.0)
    assert bounds(scenes) == [(0, 30.0), (30.0, 60.0), (60.0, 70.0)]
    assert [len(scene.frames) for scene in scenes] == [30, 30, 10]
    assert [len(scene.flow_frames) for scene in scenes] == [240, 240, 80]


def test_a_true_cut_soon_after_a_split_moves_the_split() -> None:
    assert bounds(build(even(25, 70), [30.2], 70.0))[:2] == [(0, 30.2), (30.2, 60.2)]


def test_a_true_cut_just_before_a_split_takes_its_place() -> None:
    assert bounds(build(even(25, 40), [29.8], 40.0)) == [(0, 29.8), (29.8, 40.0)]


def test_the_sampling_clock_starts_anew_at_each_scene() -> None:
    scenes = build(even(25, 6), [2.48], 6.0)
    assert [time_s for time_s, _ in scenes[0].frames] == pytest.approx([0.3, 1.3, 2.3])
    assert [time_s for time_s, _ in scenes[1].frames] == pytest.approx([2.78, 3.78, 4.78, 5.78])
    # At 25 pictures a second the picture on screen at 2.78 s is number 69.
    assert scenes[1].frames[0][1].flat[0] == 69
    assert FIRST_SAMPLE_S == 0.3


def test_black_pictures_wait_for_something_to_see() -> None:
    scene = build(even(25, 3), [], 3.0, black=set(range(20)))[0]
    assert [time_s for time_s, _ in scene.frames] == pytest.approx([1.1, 1.3, 2.3])


def test_a_scene_that_ends_before_its_fade_is_over_has_its_brightest_picture() -> None:
    scene = build(even(25, 0.96), [], 0.96, black=set(range(20)))[0]
    assert [image.flat[0] for _, image in scene.frames] == [23]


def test_a_black_scene_has_one_black_picture() -> None:
    scene = build(even(25, 3), [], 3.0, black=set(range(75)))[0]
    assert len(scene.frames) == 1


def test_one_picture_is_a_scene() -> None:
    (scene,) = build([0.0], [], 0.04)
    assert (scene.start_s, scene.end_s, len(scene.frames)) == (0, 0.04, 1)


def test_a_picture_that_stands_over_a_hole_is_not_sampled_on_and_on() -> None:
    scenes = build([0.0, 0.5, 20.5, 21.0], [], 21.5)
    assert all(not 0.5 + MAX_REPEAT_S < time_s < 20.4 for time_s, _ in scenes[0].flow_frames)
    assert len(scenes[0].frames) <= 5


def test_a_split_inside_a_hole_still_has_a_picture() -> None:
    scenes = build([0.0, 0.5, 80.0], [], 81.0)
    assert bounds(scenes) == [(0, 30.0), (30.0, 60.0), (60.0, 81.0)]
    assert all(scene.frames for scene in scenes)
