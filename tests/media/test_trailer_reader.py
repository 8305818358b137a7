"""Whole films through the reader: formats, geometry, time stamps, laziness."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video import VideoFrame
from numpy.typing import NDArray

from cinegrain.errors import MediaError
from cinegrain.media.decode import decode_pictures
from cinegrain.media.facts import FLAGS, MediaFacts
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.settings import MediaSettings
from cinegrain.types import FLOW_HEIGHT, FLOW_WIDTH, SOUND_RATE_HZ, TINY_HEIGHT, TINY_WIDTH, Scene

MakeFilm = Callable[..., Path]
Picture = NDArray[np.uint8]


def read(path: Path, settings: MediaSettings | None = None) -> tuple[list[Scene], MediaFacts]:
    with TrailerReader(path, settings) as reader:
        return list(reader.scenes()), reader.facts()


@pytest.fixture
def shots(texture: Callable[..., Picture]) -> list[Picture]:
    """Three shots of 2 s, 1.2 s and 2.8 s at 25 pictures a second."""
    lengths = (50, 30, 70)
    return [texture(shot) for shot, n in enumerate(lengths) for _ in range(n)]


STARTS_S = [0.0, 2.0, 3.2]
CODECS = [
    ("film.mp4", {"codec": "libx264"}, "h264"),
    ("film.mkv", {"codec": "libx265"}, "hevc"),
    ("film.webm", {"codec": "libvpx", "sound_codec": "libopus"}, "vp8"),
    ("film.mpg", {"codec": "mpeg2video", "sound_codec": "mp2"}, "mpeg2video"),
    ("film.ts", {"codec": "libx264"}, "h264"),
    ("film.mkv", {"codec": "libx264", "pix_fmt": "yuv420p10le"}, "h264"),
    ("film.mkv", {"codec": "libx264", "pix_fmt": "yuv444p"}, "h264"),
    ("film.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}, "ffv1"),
    ("film.mkv", {"codec": "ffv1", "pix_fmt": "gray"}, "ffv1"),
    ("film.mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, "mjpeg"),
]


@pytest.mark.parametrize(("name", "how", "codec"), CODECS, ids=lambda value: str(value)[:40])
def test_formats(
    film: MakeFilm,
    shots: list[Picture],
    tone: Callable[..., NDArray[np.float32]],
    name: str,
    how: dict[str, str],
    codec: str,
) -> None:
    scenes, facts = read(film(name, shots, sound=tone(440, 6), **how))
    assert [scene.start_s for scene in scenes] == pytest.approx(STARTS_S)
    assert facts.video_codec == codec
    assert facts.n_frames_decoded == 150
    assert facts.decoded_duration_s == pytest.approx(6.0, abs=0.001)
    assert (facts.width, facts.height, facts.rotation_deg) == (320, 180, 0)
    assert facts.flags == ()
    assert facts.n_scenes == 3
    for scene, shot in zip(scenes, (shots[0], shots[60], shots[100]), strict=True):
        if how.get("pix_fmt") != "gray":
            # Colours survive encoding and scaling to within a few levels.
            assert np.abs(scene.frames[0].mean((0, 1)) - shot.mean((0, 1))).max() < 6


def test_scenes_are_as_promised(film: MakeFilm, shots: list[Picture], tone: Callable[..., NDArray[np.float32]]) -> None:
    scenes, facts = read(film("film.mp4", shots, sound=tone(440, 6)))
    assert [scene.index for scene in scenes] == [0, 1, 2]
    assert scenes[0].start_s == 0
    assert scenes[-1].end_s == facts.decoded_duration_s
    n_samples = 0
    for before, after in pairwise(scenes):
        assert before.end_s == after.start_s
    for scene in scenes:
        assert scene.frames.dtype == scene.flow_frames.dtype == np.uint8
        assert scene.frames.shape == (len(scene.frame_times_s), 256, 455, 3)
        assert scene.flow_frames.shape == (len(scene.flow_times_s), FLOW_HEIGHT, FLOW_WIDTH)
        np.testing.assert_allclose(np.diff(scene.flow_times_s), 1 / 8, atol=1e-5)
        assert scene.frame_times_s[0] == pytest.approx(scene.start_s + 0.3)
        assert scene.sound is not None
        n_samples += len(scene.sound)
    assert abs(n_samples - facts.decoded_duration_s * SOUND_RATE_HZ) <= len(scenes)


@pytest.mark.parametrize("seed", [0, 1])
def test_samples_are_the_pictures_on_screen_at_a_varying_rate(
    film: MakeFilm, numbered: Callable[[int], Picture], read_number: Callable[[Picture], int], seed: int
) -> None:
    steps_s = np.random.default_rng(seed).choice([0.017, 0.04, 0.11, 0.35], 150)
    times_s = np.concatenate([[0.0], np.cumsum(steps_s)[:-1]]).round(3)
    path = film("film.mkv", [numbered(i) for i in range(150)], times_s=times_s.tolist())
    scenes, _ = read(path, MediaSettings(frame_fps=20, flow_fps=25))
    n_checked = 0
    for scene in scenes:
        samples = [*zip(scene.frame_times_s, scene.frames, strict=True)]
        samples += [*zip(scene.flow_times_s, scene.flow_frames, strict=True)]
        for time_s, picture in samples:
            # Matroska stamps are whole milliseconds; a sample due on one belongs to the picture it begins.
            on_screen = int(np.searchsorted(times_s, time_s + 1e-5, side="right")) - 1
            assert read_number(picture) == on_screen
            n_checked += 1
    assert n_checked > 500


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_rotation(film: MakeFilm, numbered: Callable[[int], Picture], rotation_deg: int) -> None:
    upright = numbered(0b1100110001)
    signed_deg = rotation_deg - 360 if rotation_deg > 180 else rotation_deg
    path = film("film.mp4", [upright] * 50, rotation_deg=signed_deg)
    (scene,), facts = read(path)
    assert facts.rotation_deg == rotation_deg
    assert (facts.width, facts.height) == ((180, 320) if rotation_deg % 180 else (320, 180))
    expected = np.rot90(upright, rotation_deg // 90)[:, :, 0] > 128
    for picture in (scene.frames[0].mean(2), scene.flow_frames[0]):
        rows = ((np.arange(20) + 0.5) * picture.shape[0] / 20).astype(int)
        columns = ((np.arange(20) + 0.5) * picture.shape[1] / 20).astype(int)
        from_rows = ((np.arange(20) + 0.5) * expected.shape[0] / 20).astype(int)
        from_columns = ((np.arange(20) + 0.5) * expected.shape[1] / 20).astype(int)
        shown = picture[np.ix_(rows, columns)] > 128
        np.testing.assert_array_equal(shown, expected[np.ix_(from_rows, from_columns)])


@pytest.mark.parametrize(
    ("size", "pixel_aspect", "shown", "sampled"),
    [
        ((320, 180), None, (320, 180), (455, 256)),
        ((180, 320), None, (180, 320), (256, 455)),
        ((320, 180), Fraction(4, 3), (427, 180), (607, 256)),
        ((800, 64), None, (800, 64), (768, 256)),
        ((50, 46), None, (50, 46), (278, 256)),
    ],
)
def test_geometry(
    film: MakeFilm,
    texture: Callable[..., Picture],
    size: tuple[int, int],
    pixel_aspect: Fraction | None,
    shown: tuple[int, int],
    sampled: tuple[int, int],
) -> None:
    (scene,), facts = read(film("film.mp4", [texture(1, *size)] * 25, pixel_aspect=pixel_aspect))
    assert (facts.width, facts.height) == shown
    assert scene.frames.shape[2:0:-1] == sampled


@pytest.mark.parametrize("size", [(1, 1), (33, 17), (2, 301)])
def test_odd_sizes(film: MakeFilm, texture: Callable[..., Picture], size: tuple[int, int]) -> None:
    (scene,), facts = read(film("film.mkv", [texture(1, *size)] * 25, codec="ffv1", pix_fmt="bgr0"))
    assert (facts.width, facts.height) == size
    assert min(scene.frames.shape[1:3]) == 256


@pytest.mark.parametrize(("codec", "pix_fmt"), [("ffv1", "yuv420p"), ("mjpeg", "yuvj420p")])
def test_full_and_limited_range_look_the_same(
    film: MakeFilm, flat: Callable[..., Picture], codec: str, pix_fmt: str
) -> None:
    (scene,), _ = read(film("film.mkv", [flat(240)] * 25, codec=codec, pix_fmt=pix_fmt))
    # Light grey would be 218 or 255 with the range misread.
    assert scene.frames.mean() == pytest.approx(240, abs=3)
    assert scene.flow_frames.mean() == pytest.approx(240, abs=3)


def test_cover_art_is_not_the_film(film: MakeFilm, shots: list[Picture], texture: Callable[..., Picture]) -> None:
    scenes, facts = read(film("film.mp4", shots, cover=texture(9, 640, 640)))
    assert (facts.width, facts.height) == (320, 180)
    assert len(scenes) == 3


def test_size_change_in_the_middle(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    first = film("a.ts", [texture(1)] * 50)
    second = film("b.ts", [texture(2, 640, 360)] * 50)
    joined = first.with_name("joined.ts")
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    scenes, facts = read(joined)
    assert facts.n_frames_decoded == 100
    assert {scene.frames.shape[1:] for scene in scenes} == {(256, 455, 3)}
    # The second recording's clock starts anew; its pictures follow on.
    assert [scene.start_s for scene in scenes] == pytest.approx([0, 2.0], abs=0.05)
    assert facts.decoded_duration_s == pytest.approx(4.0, abs=0.1)
    assert "clock_jump" in facts.flags


def test_scenes_come_before_the_end(film: MakeFilm, numbered: Callable[[int], Picture]) -> None:
    path = film("film.mp4", [numbered(i % 8) for i in range(25 * 12)])
    reader = TrailerReader(path, MediaSettings(max_scene_s=2.0, min_scene_s=0.5))
    scenes = reader.scenes()
    next(scenes)
    assert reader._tally.n_frames < 25 * 5
    scenes.close()  # type: ignore[attr-defined]
    assert reader._container.name  # still there to be asked, but closed:
    with pytest.raises(AssertionError):
        list(reader._container.demux())


def test_long_scene_is_split(film: MakeFilm, flat: Callable[..., Picture]) -> None:
    scenes, _ = read(film("film.mp4", [flat(100)] * 250), MediaSettings(max_scene_s=4.0))
    assert [(scene.start_s, scene.end_s) for scene in scenes] == [(0, 4.0), (4.0, 8.0), (8.0, 10.0)]


def test_fade_through_black(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    levels = [1.0] * 40 + list(np.linspace(1, 0, 15)) + [0.0] * 10 + list(np.linspace(0, 1, 15)) + [1.0] * 40
    pictures = [(texture(1 if i < 60 else 2) * level).astype(np.uint8) for i, level in enumerate(levels)]
    scenes, _ = read(film("film.mp4", pictures))
    assert len(scenes) == 2
    assert scenes[1].start_s == pytest.approx(60 / 25, abs=0.1)
    # No sampled picture is black.
    assert all(picture.max() > 60 for scene in scenes for picture in scene.frames)


def test_facts_only_at_the_end_and_scenes_only_once(film: MakeFilm, shots: list[Picture]) -> None:
    with TrailerReader(film("film.mp4", shots)) as reader:
        with pytest.raises(MediaError, match="complete only after"):
            reader.facts()
        list(reader.scenes())
        assert set(reader.facts().flags) <= set(FLAGS)
        with pytest.raises(MediaError, match="read already"):
            next(reader.scenes())


def test_names_with_everything_in_them(film: MakeFilm, shots: list[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Ein Böser Film (1931) – 100%d?.mp4", "http:a:b.mp4", "日本 #1 'x'.mp4"):
        path = film(name, shots)
        assert len(read(path)[0]) == 3
        monkeypatch.chdir(path.parent)
        assert len(read(Path(name))[0]) == 3


def test_time_stamps_that_are_missing_or_go_back(
    film: MakeFilm,
    numbered: Callable[[int], Picture],
    read_number: Callable[[Picture], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tampered(*arguments: Any) -> Iterator[VideoFrame]:
        for i, frame in enumerate(decode_pictures(*arguments)):
            if i % 10 == 3:
                frame.pts = frame.dts = None
            elif i % 10 == 7 and frame.pts is not None:
                frame.pts -= frame.duration * 2
            yield frame

    monkeypatch.setattr("cinegrain.media.trailer_reader.decode_pictures", tampered)
    scenes, facts = read(film("film.mp4", [numbered(i) for i in range(100)]), MediaSettings(flow_fps=25))
    assert facts.n_frames_decoded == 100
    assert facts.decoded_duration_s == pytest.approx(4.0)
    shown = [read_number(picture) for scene in scenes for picture in scene.flow_frames]
    # Numbers 7, 17, ... came with the time of a picture that was past, so the one before stays on screen.
    assert shown == [i - 1 if i % 10 == 7 else i for i in range(100)]


def test_the_same_film_gives_the_same_numbers(film: MakeFilm, shots: list[Picture]) -> None:
    path = film("film.mp4", shots)
    for a, b in zip(read(path)[0], read(path)[0], strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)
        np.testing.assert_array_equal(a.flow_frames, b.flow_frames)


def test_known_cuts_are_taken_as_they_are(
    film: MakeFilm, numbered: Callable[[int], Picture], read_number: Callable[[Picture], int]
) -> None:
    """Also at the second picture and at the last; each motion picture falls on the right side."""
    path = film("film.mp4", [numbered(i) for i in range(150)])
    known = [0.04, 0.8, 2.0, 5.96]
    with TrailerReader(path, MediaSettings(min_scene_s=0.0, flow_fps=25.0), cuts_s=known) as reader:
        scenes = list(reader.scenes())
    assert [scene.start_s for scene in scenes] == pytest.approx([0.0, *known])
    for scene in scenes:
        shown = [read_number(picture) for picture in scene.flow_frames]
        assert shown == list(range(round(scene.start_s * 25), round(scene.end_s * 25)))
        assert (scene.frame_times_s >= scene.start_s - 1e-6).all()
        assert (scene.frame_times_s < scene.end_s).all()
        assert len(scene.frames) > 0
    with TrailerReader(path, cuts_s=[]) as reader:
        assert len(list(reader.scenes())) == 1, "no cuts are an answer too"


def test_tiny_pictures_are_all_pictures_with_their_times(film: MakeFilm, numbered: Callable[[int], Picture]) -> None:
    times_s = [0.0, 0.04, 0.1, 0.5, 0.52, 1.3]
    path = film("film.mkv", [numbered(100 * i) for i in range(6)], times_s=times_s)
    with TrailerReader(path) as reader:
        tiny = list(reader.tiny_pictures())
        with pytest.raises(MediaError, match="has been read already"):
            next(reader.scenes())
    assert [time_s for time_s, _ in tiny] == pytest.approx(times_s, abs=0.001)
    for i, (_, picture) in enumerate(tiny):
        assert picture.shape == (TINY_HEIGHT, TINY_WIDTH, 3)
        whole = numbered(100 * i)
        for third in range(3):
            expected = whole[:, third * 320 // 3 : (third + 1) * 320 // 3].mean()
            assert picture[:, third * 16 : (third + 1) * 16].mean() == pytest.approx(expected, abs=6)  # compression


def test_tiny_pictures_stand_upright(film: MakeFilm) -> None:
    picture = np.full((180, 320, 3), 30, np.uint8)
    picture[:, :160] = 220
    for turn in (0, 90, 180, 270):
        with TrailerReader(film(f"{turn}.mp4", [picture] * 3, rotation_deg=turn)) as reader:
            tiny = next(small for _, small in reader.tiny_pictures()).mean(axis=2)
        with TrailerReader(film(f"{turn}.mp4", [picture] * 3, rotation_deg=turn)) as reader:
            frame = next(reader.scenes()).frames[0].mean(axis=2)
        assert tiny[:, : TINY_WIDTH // 2].mean() == pytest.approx(frame[:, : frame.shape[1] // 2].mean(), abs=6)
        assert tiny[: TINY_HEIGHT // 2].mean() == pytest.approx(frame[: frame.shape[0] // 2].mean(), abs=6)
