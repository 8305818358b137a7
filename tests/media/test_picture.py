"""Bars, interlacing, high dynamic range and posters: the picture that a person would see is what scenes hold."""

from collections.abc import Callable, Sequence
from dataclasses import astuple
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from av.video import VideoStream
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray
from tests.media.conftest import Picture, texture

from cinegrain.media.bars import Box, Extent, find_bars
from cinegrain.media.clock import Deadline
from cinegrain.media.combs import Weave, combed_share, deinterlacing
from cinegrain.media.decode import Tally, decode_pictures
from cinegrain.media.facts import MediaFacts
from cinegrain.media.filters import filtered
from cinegrain.media.probe import choose_picture_stream, open_media
from cinegrain.media.survey import Survey, survey_pictures
from cinegrain.media.tonemap import ToneMapper
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.settings import MediaSettings
from cinegrain.types import Float64, Scene, UInt8

SETTINGS = MediaSettings(frame_size_px=90)
WIDTH, HEIGHT = 320, 180


def read(path: Path, cuts_s: Sequence[float] | None = None) -> tuple[list[Scene], MediaFacts]:
    with TrailerReader(path, SETTINGS, with_clips=True, cuts_s=cuts_s) as reader:
        return list(reader.scenes()), reader.facts()


def shots(n_shots: int, width: int, height: int, n_each: int = 15) -> list[Picture]:
    """Still shots, each brighter than black everywhere."""
    return [texture(seed, width, height) for seed in range(n_shots) for _ in range(n_each)]


def boxed(picture: Picture, box: Box) -> Picture:
    """The picture in a black frame of WIDTH x HEIGHT."""
    whole = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    whole[box.top : box.bottom, box.left : box.right] = picture
    return whole


def difference(a: UInt8, b: UInt8) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize(
    "box",
    [Box(0, 24, 320, 156), Box(40, 0, 280, 180), Box(40, 24, 280, 156), Box(0, 20, 320, 140)],
    ids=["letterbox", "pillarbox", "windowbox", "not centred"],
)
def test_a_film_in_bars_gives_what_it_gives_without_them(film: Callable[..., Path], box: Box) -> None:
    plain = shots(4, box.width, box.height)
    bare, _ = read(film("plain.mp4", plain, options={"g": "15"}))
    barred, facts = read(film("bars.mp4", [boxed(picture, box) for picture in plain], options={"g": "15"}))
    assert facts.crop == (box.left, box.top, box.width, box.height)
    assert (facts.width, facts.height) == (box.width, box.height)
    assert len(bare) == len(barred)
    for a, b in zip(bare, barred, strict=True):
        assert a.frames.shape == b.frames.shape
        # Two encodings of one picture.
        assert difference(a.frames, b.frames) < 3
        assert difference(a.flow_frames, b.flow_frames) < 3
        assert difference(a.clips, b.clips) < 3


def test_captions_and_a_rating_card_do_not_hide_the_bars(film: Callable[..., Path]) -> None:
    box = Box(0, 24, 320, 156)
    pictures = [boxed(picture, box) for picture in shots(9, 320, 132)]
    for i, picture in enumerate(pictures):
        if i // 15 % 2:
            cv2.putText(picture, "what they say", (70, 174), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,) * 3, 2)
        picture[4:14, 6:36] = 200  # the broadcaster's logo
    card = [np.full((HEIGHT, WIDTH, 3), (20, 160, 60), np.uint8)] * 15
    _, facts = read(film("a.mp4", card + pictures, options={"g": "15"}))
    assert facts.crop == (0, 24, 320, 132)


def test_a_rotated_film_is_cropped_before_it_is_turned(film: Callable[..., Path]) -> None:
    pictures = [boxed(picture, Box(0, 24, 320, 156)) for picture in shots(3, 320, 132)]
    scenes, facts = read(film("a.mp4", pictures, options={"g": "15"}, rotation_deg=90))
    assert (facts.width, facts.height) == (132, 320)
    assert scenes[0].frames.min() > 10


def vignette(strength: float) -> Float64:
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return np.asarray(np.clip(1 - strength * (x**2 + y**2), 0, 1)[..., None])


def titles(seed: int) -> Picture:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.putText(picture, "IN A WORLD", (20, 80 + 10 * seed), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255,) * 3, 4)
    return picture


@pytest.mark.parametrize(
    "pictures",
    [
        [(texture(seed) * vignette(0.9)).astype(np.uint8) for seed in range(5) for _ in range(10)],
        [(texture(seed) * 0.1).astype(np.uint8) for seed in range(5) for _ in range(10)],
        [titles(seed) for seed in range(6) for _ in range(10)],
        [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 30 + shots(1, WIDTH, HEIGHT),
        [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 30,
        [(texture(1) * level).astype(np.uint8) for level in np.linspace(0, 1, 40)],
    ],
    ids=["dark borders", "dark", "titles on black", "black leader", "nothing but black", "fade in"],
)
def test_a_dark_film_is_not_cropped(film: Callable[..., Path], pictures: list[Picture]) -> None:
    _, facts = read(film("a.mp4", pictures, options={"g": "10"}))
    assert facts.crop is None
    assert (facts.width, facts.height) == (WIDTH, HEIGHT)


def test_dark_pictures_between_bars_are_found() -> None:
    """Each frame shows too little; together they reach the bars everywhere."""
    rng = np.random.default_rng(0)
    extents = []
    for _ in range(16):
        luma = np.full((HEIGHT, WIDTH), 1, np.uint8)
        luma[24:156] = 3
        bottom = 156 if rng.random() < 0.5 else int(rng.integers(70, 150))
        luma[24:bottom] = rng.integers(10, 40)
        extent = Extent.of(luma)
        assert extent is not None
        extents.append(extent)
    assert find_bars(extents) == Box(0, 24, WIDTH, 156)


def test_bars_that_come_and_go_are_cut_from_the_scenes_that_have_them(film: Callable[..., Path]) -> None:
    box = Box(0, 24, 320, 156)
    full, barred = shots(4, WIDTH, HEIGHT, 25), shots(4, 320, 132, 25)
    pictures = full[:50] + [boxed(picture, box) for picture in barred] + full[50:]
    scenes, facts = read(film("a.mp4", pictures, options={"g": "25"}), cuts_s=[1, 2, 3, 4, 5, 6, 7])
    assert facts.crop is None
    shapes = [scene.frames.shape[1:3] for scene in scenes]
    assert shapes == [(90, 160)] * 2 + [(90, 218)] * 4 + [(90, 160)] * 2
    bare, _ = read(film("plain.mp4", barred, options={"g": "25"}), cuts_s=[1, 2, 3])
    for a, b in zip(bare, scenes[2:6], strict=True):
        # Enlarged a third after sampling.
        assert difference(a.frames, b.frames) < 4
        assert difference(a.flow_frames, b.flow_frames) < 4
        assert difference(a.clips, b.clips) < 4


def test_a_plain_film_is_not_touched(film: Callable[..., Path]) -> None:
    path = film("a.mp4", shots(5, WIDTH, HEIGHT), options={"g": "15"})
    survey = survey_pictures(path, 0, Deadline(60))
    assert astuple(survey) == ((WIDTH, HEIGHT), None, (), None)
    with open_media(path, limit_s=60) as container:
        frames = list(decode_pictures(container, container.streams.video[0], Tally(), Deadline(60)))
    assert all(a is b for a, b in zip(frames, filtered(frames, survey), strict=True))


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.avi"])
def test_bars_are_found_in_any_container_and_with_one_key_frame(film: Callable[..., Path], name: str) -> None:
    pictures = [boxed(picture, Box(0, 24, 320, 156)) for picture in shots(4, 320, 132)]
    codec = {"codec": "mpeg4", "options": {"g": "300", "qscale": "2"}} if name == "a.avi" else {"options": {"g": "300"}}
    assert survey_pictures(film(name, pictures, **codec), 0, Deadline(60)).crop == Box(0, 24, 320, 156)


def moving(number: float, width: int = 720, height: int = 576) -> Picture:
    """A picture of soft grey patches that has moved by so many steps."""
    patches = np.random.default_rng(3).integers(40, 230, (12, 60), np.uint8)
    wide = cv2.resize(patches, (2 * width, height), interpolation=cv2.INTER_CUBIC)
    left = round(12 * number)
    return np.repeat(wide[:, left : left + width, None], 3, axis=2)


def woven(number: int, first_row: int) -> Picture:
    """Two moments in one picture; the rows from `first_row` show the earlier one."""
    picture = moving(number + 0.5)
    picture[first_row::2] = moving(number)[first_row::2]
    return picture


INTERLACED: dict[str, dict[str, Any]] = {
    "dv": {"name": "a.dv", "codec": "dvvideo", "first_row": 1},
    "mpeg2": {"name": "a.mpg", "codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "b": "20000000"}},
    "h264": {"name": "a.mp4", "options": {"x264-params": "tff=1", "g": "6"}},
    "h264, bottom first": {"name": "a.mp4", "options": {"x264-params": "bff=1", "g": "6"}, "first_row": 1},
    "not marked": {"name": "a.mp4", "options": {"g": "6"}},
}


@pytest.mark.parametrize("kind", INTERLACED)
def test_interlaced_pictures_have_no_combs(film: Callable[..., Path], kind: str) -> None:
    how = dict(INTERLACED[kind])
    name, first_row = how.pop("name"), how.pop("first_row", 0)
    scenes, facts = read(film(name, [woven(i, first_row) for i in range(30)], **how))
    assert facts.deinterlaced
    assert facts.n_frames_decoded == 30
    assert facts.decoded_duration_s == pytest.approx(1.2, abs=1e-3)
    scene = scenes[0]
    for time_s, rgb in zip(scene.frame_times_s, scene.frames, strict=True):
        number = int(time_s * 25 + 1e-6)
        size = rgb.shape[1::-1]
        near = min(
            difference(rgb, cv2.resize(moving(n), size, interpolation=cv2.INTER_AREA)) for n in (number, number + 0.5)
        )
        combed = difference(rgb, cv2.resize(woven(number, first_row), size, interpolation=cv2.INTER_AREA))
        assert near < 4 < combed


def test_times_pass_through_the_filters(film: Callable[..., Path]) -> None:
    times_s = [0.0, 0.04, 0.05, 0.3, 0.301, 0.9, 1.0]
    path = film("a.mkv", [moving(i) for i in range(7)], times_s=times_s)
    survey = Survey((720, 576), Box(0, 20, 720, 500), (), "all")

    def frames(survey: Survey) -> list[tuple[int | None, int, int, int]]:
        with open_media(path, limit_s=60) as container:
            decoded = decode_pictures(container, container.streams.video[0], Tally(), Deadline(60))
            return [(f.pts, f.duration, f.width, f.height) for f in filtered(decoded, survey)]

    assert [pts for pts, *_ in frames(survey)] == [round(1000 * time_s) for time_s in times_s]
    assert [row[:2] for row in frames(survey)] == [row[:2] for row in frames(Survey())]
    assert {row[2:] for row in frames(survey)} == {(720, 480)}


def test_whole_pictures_marked_as_interlaced_are_left_alone(film: Callable[..., Path]) -> None:
    """Scaled as they are marked, field by field, they would get combs."""
    pictures = [moving(i) for i in range(20)]
    marked, facts = read(film("marked.mp4", pictures, options={"x264-params": "tff=1", "g": "5"}))
    plain, _ = read(film("plain.mp4", pictures, options={"g": "5"}))
    assert not facts.deinterlaced
    assert difference(marked[0].frames, plain[0].frames) < 1
    assert difference(marked[0].flow_frames, plain[0].flow_frames) < 1


def test_combs_are_told_from_fine_detail() -> None:
    grey = cv2.cvtColor(woven(0, 0), cv2.COLOR_RGB2GRAY)
    assert combed_share(np.asarray(grey, np.uint8)) > 0.2
    noise = np.random.default_rng(0).integers(0, 256, (576, 720), np.uint8)
    stripes = np.broadcast_to((np.arange(576) // 2 % 2 * 200)[:, None], (576, 720)).astype(np.uint8)
    for progressive in (moving(0)[..., 0], noise, stripes):
        assert combed_share(progressive) < 0.005


def test_marks_and_combs_together_decide() -> None:
    assert deinterlacing([]) is None
    assert deinterlacing([Weave(True, 0.0)] * 16) is None
    assert deinterlacing([Weave(True, 0.0)] * 10 + [Weave(True, 0.1)] * 6) == "interlaced"
    assert deinterlacing([Weave(False, 0.0)] * 15 + [Weave(False, 0.1)]) is None
    assert deinterlacing([Weave(False, 0.0)] * 8 + [Weave(False, 0.1)] * 8) == "all"


TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def pq(light: Float64) -> Float64:
    """Signal of light in units of 10,000 nits; SMPTE ST 2084."""
    power = light**0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light: Float64) -> Float64:
    """Signal of scene light in units of its peak; ARIB STD-B67."""
    bright = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), bright)


def as_hdr(picture: Picture, transfer: str) -> NDArray[np.uint16]:
    """An ordinary picture as HDR with its white at 203 nits, RGB of 16 bits."""
    light = (picture / 255) ** 2.4 @ TO_BT2020.T * 203
    if transfer == "pq":
        signal = pq(light / 10_000)
    else:
        luminance = light / 1000 @ np.array([0.2627, 0.678, 0.0593])
        signal = hlg(light / 1000 * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1))
    return np.round(signal * 65535).astype(np.uint16)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_tone_mapping_undoes_what_made_the_picture_hdr(transfer: str) -> None:
    picture = texture(5)
    mapped = ToneMapper(transfer, is_wide_gamut=True).rgb(as_hdr(picture, transfer))  # type: ignore[arg-type]
    below = picture.max(axis=2) < 220  # brighter ones are compressed
    error = np.abs(mapped[below].astype(int) - picture[below])
    assert error.mean() < 0.5
    assert error.max() <= 4  # one channel far below the others takes their rounding
    white = ToneMapper(transfer, is_wide_gamut=True).rgb(np.full((2, 2, 3), 65535, np.uint16))  # type: ignore[arg-type]
    assert white.min() >= 250


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_an_hdr_film_looks_like_its_ordinary_twin(tmp_path: Path, transfer: str) -> None:
    picture = np.minimum(texture(5), 210)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx265", rate=25, options={"crf": "8", "x265-params": "log-level=none"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        video.codec_context.color_trc = ColorTrc.SMPTE2084 if transfer == "pq" else ColorTrc.ARIB_STD_B67
        video.codec_context.color_primaries = ColorPrimaries.BT2020
        video.codec_context.colorspace = 9
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(as_hdr(picture, transfer), format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=9)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    scenes, facts = read(path)
    assert facts.tone_mapped == transfer
    twin = cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA)
    # Two quantisations and half the colour resolution.
    assert difference(scenes[0].frames[0], twin) < 3
    luma = cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA) @ np.array([0.2126, 0.7152, 0.0722])
    assert difference(scenes[0].flow_frames[0], luma.astype(np.uint8)) < 3


def test_dolby_vision_without_a_base_layer_is_flagged(film: Callable[..., Path]) -> None:
    path = film("a.mp4", shots(2, WIDTH, HEIGHT), codec="libx265")
    assert "dolby_vision" not in read(path)[1].flags
    data = path.read_bytes()
    assert data.count(b"hev1") == 1
    path.write_bytes(data.replace(b"hev1", b"dvhe"))
    assert "dolby_vision" in read(path)[1].flags


def with_poster(path: Path, poster_codec: str, *, film_codec: str = "libx264", poster_last: bool = False) -> Path:
    """A small film beside a larger still picture that is not marked as one."""
    with av.open(str(path), "w") as out:

        def add(codec: str, size: tuple[int, int], fmt: str) -> VideoStream:
            stream = out.add_stream(codec, rate=25)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = *size, fmt
            return stream

        poster_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}.get(poster_codec, "yuv420p")
        film_fmt = "yuvj420p" if film_codec == "mjpeg" else "yuv420p"
        if poster_last:
            moving_stream, still = add(film_codec, (160, 90), film_fmt), add(poster_codec, (640, 360), poster_fmt)
        else:
            still, moving_stream = add(poster_codec, (640, 360), poster_fmt), add(film_codec, (160, 90), film_fmt)
        still.disposition = Disposition.default
        moving_stream.disposition = Disposition(0)
        for stream, pictures in ((still, [texture(9, 640, 360)]), (moving_stream, shots(3, 160, 90))):
            for i, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = i, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("poster_last", [False, True])
@pytest.mark.parametrize(
    ("name", "poster_codec", "film_codec"),
    [
        ("a.mkv", "mjpeg", "libx264"),
        ("a.mp4", "png", "libx264"),
        ("a.mov", "mjpeg", "mjpeg"),
        ("a.avi", "mjpeg", "mpeg4"),
        ("a.ts", "libx264", "libx264"),
    ],
)
def test_a_poster_is_not_the_film(
    tmp_path: Path, name: str, poster_codec: str, film_codec: str, poster_last: bool
) -> None:
    path = with_poster(tmp_path / name, poster_codec, film_codec=film_codec, poster_last=poster_last)
    with open_media(path, limit_s=60) as container:
        assert choose_picture_stream(container, path).width == 160
    _, facts = read(path)
    assert facts.decoded_duration_s == pytest.approx(1.8, abs=0.05)
