"""Clips for action networks: right pictures at right times, few of them, and none unless asked for."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinegrain.media.pictures import Picture as ScreenPicture
from cinegrain.media.scenes import FIRST_SAMPLE_S, SceneBuilder, SceneParts
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.types import CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, Scene

MakeFilm = Callable[..., Path]
Picture = NDArray[np.uint8]
FPS, PERIOD_S = 15.0, 4.0


def read(path: Path, *, with_clips: bool = True, cuts_s: Sequence[float] | None = None) -> list[Scene]:
    with TrailerReader(path, with_clips=with_clips, cuts_s=cuts_s) as reader:
        return list(reader.scenes())


def assert_shows_what_was_on_screen(
    scene: Scene, starts_s: NDArray[np.float64], read_number: Callable[[Picture], int]
) -> int:
    for clip, times_s in zip(scene.clips, scene.clip_times_s, strict=True):
        for picture, time_s in zip(clip, times_s, strict=True):
            # Matroska stamps are whole milliseconds; a sample due on one belongs to the picture it begins.
            assert read_number(picture) == int(np.searchsorted(starts_s, time_s + 1e-5, side="right")) - 1
    return len(scene.clips)


@pytest.mark.parametrize("steps_s", [[1 / 24], [0.017, 0.04, 0.11], [0.04, 0.35]], ids=["even", "varying", "slow"])
def test_clips_hold_the_last_picture_at_or_before_each_moment(
    film: MakeFilm, numbered: Callable[[int], Picture], read_number: Callable[[Picture], int], steps_s: list[float]
) -> None:
    steps = np.random.default_rng(0).choice(steps_s, 200)
    starts_s = np.concatenate([[0.0], np.cumsum(steps)[:-1]]).round(3)
    path = film("film.mkv", [numbered(i) for i in range(200)], times_s=starts_s.tolist())
    n_clips = 0
    for scene in read(path, cuts_s=()):
        n_clips += assert_shows_what_was_on_screen(scene, starts_s, read_number)
        assert scene.clips.shape[1:] == (CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, 3)
        np.testing.assert_allclose(np.diff(scene.clip_times_s, axis=1), 1 / FPS, atol=1e-9)
        np.testing.assert_allclose(np.diff(scene.clip_times_s[:, 0]), PERIOD_S, atol=1e-9)
        assert (scene.clip_times_s >= scene.start_s).all()
        assert (scene.clip_times_s < scene.end_s).all()
    assert n_clips >= 2


def test_short_scenes_are_filled_up_with_their_last_picture(
    film: MakeFilm, numbered: Callable[[int], Picture], read_number: Callable[[Picture], int]
) -> None:
    path = film("film.mkv", [numbered(i) for i in range(20)], codec="ffv1", pix_fmt="bgr0")  # 0.8 s
    (scene,) = read(path, cuts_s=())  # growing numbers would be cuts
    seen = [read_number(picture) for picture in scene.clips[0]]
    # From 0.3 s in steps of 1/15 s while the film lasts: eight moments, then the last again and again.
    expected = [int((FIRST_SAMPLE_S + j / FPS) * 25 + 1e-6) for j in range(8)]
    assert seen == expected + [expected[-1]] * 8
    assert scene.clip_times_s[0, 7:].tolist() == [scene.clip_times_s[0, 7]] * 9


def test_clips_never_reach_over_a_cut(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    lengths = (40, 24, 120)
    shots = [texture(shot, 160, 90) for shot, n in enumerate(lengths) for _ in range(n)]
    scenes = read(film("film.mkv", shots, codec="ffv1", pix_fmt="bgr0"))
    assert [len(scene.clips) for scene in scenes] == [1, 1, 1]  # the third ends before a second one at 4.3 s is whole
    for scene, shot in zip(scenes, (shots[0], shots[40], shots[64]), strict=True):
        colours = scene.clips.mean((2, 3)).reshape(-1, 3)
        assert np.abs(colours - shot.mean((0, 1))).max() < 3


def test_nothing_is_paid_unless_asked(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    path = film("film.mkv", [texture(0)] * 50)
    (without,) = read(path, with_clips=False)
    assert without.clips.shape == (0, CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, 3)
    assert without.clip_times_s.shape == (0, CLIP_FRAMES)
    (with_clips,) = read(path)
    np.testing.assert_array_equal(without.frames, with_clips.frames)
    np.testing.assert_array_equal(without.flow_frames, with_clips.flow_frames)


def test_a_turned_film_is_turned_in_clips_too(film: MakeFilm, numbered: Callable[[int], Picture]) -> None:
    (scene,) = read(film("film.mp4", [numbered(0b1100110001)] * 30, rotation_deg=90))
    expected = np.rot90(numbered(0b1100110001))[:, :, 0] > 128
    rows = ((np.arange(20) + 0.5) * CLIP_HEIGHT / 20).astype(int)
    columns = ((np.arange(20) + 0.5) * CLIP_WIDTH / 20).astype(int)
    from_rows = ((np.arange(20) + 0.5) * expected.shape[0] / 20).astype(int)
    from_columns = ((np.arange(20) + 0.5) * expected.shape[1] / 20).astype(int)
    shown = scene.clips[0, 0].mean(2)[np.ix_(rows, columns)] > 128
    np.testing.assert_array_equal(shown, expected[np.ix_(from_rows, from_columns)])


def build(
    steps_s: list[float], cuts: set[int], black: set[int], max_s: float, clip_limit: int = 3
) -> tuple[list[SceneParts], list[float]]:
    builder = SceneBuilder(
        frame_fps=1.0,
        flow_fps=8.0,
        min_scene_s=0.6,
        max_scene_s=max_s,
        cut_delay_s=0.25,
        clip_fps=FPS,
        clip_period_s=PERIOD_S,
        clip_limit=clip_limit,
    )
    times_s = np.concatenate([[0.0], np.cumsum(steps_s)]).tolist()

    def picture(i: int) -> ScreenPicture:
        shown = np.full((2, 2, 3), i % 256, np.uint8)
        return ScreenPicture(times_s[i], np.zeros((3, 90, 160), np.uint8), i in black, lambda: shown, lambda: shown)

    pictures = [picture(i) for i in range(len(steps_s))]
    waiting = sorted(times_s[i] for i in cuts if 0 < i < len(pictures))
    scenes: list[SceneParts] = []
    for held, following in pairwise(pictures):
        while waiting and following.time_s >= waiting[0] + 0.25 and held.time_s >= waiting[0]:
            builder.cut(waiting.pop(0))
        builder.show(held, following.time_s)
        scenes += builder.ready()
    for cut_s in waiting:
        builder.cut(cut_s)
    builder.show(pictures[-1], times_s[-1])
    builder.finish(pictures[-1], times_s[-1])
    return scenes + list(builder.ready()), times_s


@settings(max_examples=60, deadline=None)
@given(
    steps_s=st.lists(st.sampled_from([0.01, 1 / 24, 0.04, 0.2, 0.5, 3.0, 11.0]), min_size=1, max_size=120),
    cuts=st.sets(st.integers(0, 120), max_size=20),
    black=st.sets(st.integers(0, 119), max_size=40),
    max_s=st.sampled_from([1.2, 4.0, 30.0]),
)
def test_clips_of_any_film_are_whole_and_bounded(
    steps_s: list[float], cuts: set[int], black: set[int], max_s: float
) -> None:
    scenes, times_s = build(steps_s, cuts, black, max_s)
    for scene in scenes:
        assert len(scene.clips) <= 3 + 1  # a short rest that was joined on may bring one
        for clip in scene.clips:
            assert len(clip) == CLIP_FRAMES
            moments_s = [time_s for time_s, _ in clip]
            assert moments_s == sorted(moments_s)
            assert scene.start_s <= moments_s[0]
            assert moments_s[-1] < scene.end_s
            for time_s, shown in clip:
                on_screen = int(np.searchsorted(times_s, time_s + 1e-6, side="right")) - 1
                assert shown[0, 0, 0] == on_screen
        assert all(len(set(map(id, clip))) == CLIP_FRAMES for clip in scene.clips[1:]), "only the first is filled up"


def test_a_clip_waits_for_the_picture_to_come_out_of_the_black() -> None:
    (scene,), _ = build([0.1] * 30, set(), set(range(9)), 30.0)
    assert scene.clips[0][0][0] == pytest.approx(0.9)
    (dark,), _ = build([0.1] * 30, set(), set(range(30)), 30.0)
    assert dark.clips == []
