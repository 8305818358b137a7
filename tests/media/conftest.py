"""Films made on the spot, whose frame numbers, cuts and tones are known."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.audio import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.video import VideoStream
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 320, 180
N_BITS = 10


def texture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A picture of soft coloured patches; another seed gives a quite different one. Shape (height, width, 3)."""
    patches = np.random.default_rng(seed).integers(40, 230, (6, 10, 3), np.uint8)
    return np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def flat(level: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """An even grey picture."""
    return np.full((height, width, 3), level, np.uint8)


def numbered(number: int) -> Picture:
    """A picture that shows its number in binary, as light and dark bars side by side; the top is light."""
    bars = [220 if number >> bit & 1 else 40 for bit in range(N_BITS)]
    picture = np.repeat(np.array(bars, np.uint8), WIDTH // N_BITS)[None, :, None]
    picture = np.broadcast_to(picture, (HEIGHT, WIDTH, 3)).copy()
    picture[: HEIGHT // 4] = 220
    return picture


def read_number(picture: Picture) -> int:
    """The number that `numbered` put into a picture of any size, colour or grey."""
    grey = picture.mean(axis=2) if picture.ndim == 3 else picture.astype(float)
    row = grey[grey.shape[0] * 5 // 8]
    middles = ((np.arange(N_BITS) + 0.5) * len(row) / N_BITS).astype(int)
    return int(sum(1 << bit for bit, x in enumerate(middles) if row[x] > 128))


def tone(hz: float, seconds: float, rate_hz: int = 48_000, amplitude: float = 0.5) -> NDArray[np.float32]:
    """A sine from its zero on, shape (n,)."""
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * times_s)).astype(np.float32)


def write_film(
    path: Path,
    pictures: Iterable[Picture] | None,
    *,
    fps: int = 25,
    times_s: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    rotation_deg: int = 0,
    pixel_aspect: Fraction | None = None,
    sound: NDArray[np.float32] | None = None,
    sound_rate_hz: int = 48_000,
    sound_layout: str = "mono",
    sound_codec: str = "aac",
    sound_start_s: float = 0.0,
    sound_holes_s: Sequence[tuple[float, float]] = (),
    cover: Picture | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a film; `times_s` makes its frame rate vary, `sound` is (n,) and goes to every channel."""
    with av.open(str(path), "w", options=container_options or {}) as out:
        video = None
        shots = list(pictures) if pictures is not None else []
        if shots:
            video = _add_video(out, codec, shots[0], fps, pix_fmt, options, times_s is not None)
            if rotation_deg:
                video.set_display_rotation(rotation_deg)
            if pixel_aspect:
                video.codec_context.sample_aspect_ratio = pixel_aspect
        audio = None
        if sound is not None:
            audio = out.add_stream(sound_codec, rate=sound_rate_hz, layout=sound_layout)
        cover_stream = None
        if cover is not None:
            cover_stream = out.add_stream("png", rate=1)
            assert isinstance(cover_stream, VideoStream)
            cover_stream.width, cover_stream.height = cover.shape[1], cover.shape[0]
            cover_stream.pix_fmt = "rgb24"
            cover_stream.disposition = Disposition.attached_pic
        if video is not None:
            _write_pictures(out, video, shots, fps, pix_fmt, times_s)
        if isinstance(audio, AudioStream) and sound is not None:
            _write_sound(out, audio, sound, sound_rate_hz, sound_layout, sound_start_s, sound_holes_s)
        if cover_stream is not None and cover is not None:
            frame = av.VideoFrame.from_ndarray(cover, format="rgb24")
            out.mux(cover_stream.encode(frame))
            out.mux(cover_stream.encode(None))
    return path


def _add_video(
    out: OutputContainer,
    codec: str,
    first: Picture,
    fps: int,
    pix_fmt: str,
    options: dict[str, str] | None,
    varies: bool,
) -> VideoStream:
    quality = {"crf": "18", "preset": "ultrafast"} if codec in ("libx264", "libx265") else {}
    if codec == "libx265":
        quality["x265-params"] = "log-level=none"
    video = out.add_stream(codec, rate=fps, options=quality | (options or {}))
    assert isinstance(video, VideoStream)
    video.width, video.height, video.pix_fmt = first.shape[1], first.shape[0], pix_fmt
    if codec in ("mpeg2video", "libvpx"):
        video.codec_context.bit_rate = 4_000_000
    if varies:
        video.codec_context.time_base = Fraction(1, 1000)
    return video


def _write_pictures(
    out: OutputContainer,
    video: VideoStream,
    shots: list[Picture],
    fps: int,
    pix_fmt: str,
    times_s: Sequence[float] | None,
) -> None:
    for i, picture in enumerate(shots):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format=pix_fmt)
        if times_s is None:
            frame.pts, frame.time_base = i, Fraction(1, fps)
        else:
            frame.pts, frame.time_base = round(times_s[i] * 1000), Fraction(1, 1000)
        out.mux(video.encode(frame))
    out.mux(video.encode(None))


def _write_sound(
    out: OutputContainer,
    audio: AudioStream,
    sound: NDArray[np.float32],
    rate_hz: int,
    layout: str,
    start_s: float,
    holes_s: Sequence[tuple[float, float]],
) -> None:
    """Stretches of `holes_s` are not written at all, so that packets are missing there."""
    n_channels = av.AudioLayout(layout).nb_channels
    block = 1024
    audio.codec_context.time_base = Fraction(1, rate_hz)
    for at in range(0, len(sound) - block + 1, block):
        frame = av.AudioFrame.from_ndarray(
            np.repeat(sound[at : at + block], n_channels)[None], format="flt", layout=layout
        )
        frame.sample_rate, frame.pts = rate_hz, at + round(start_s * rate_hz)
        frame.time_base = Fraction(1, rate_hz)
        _mux_unless_in_hole(out, audio.encode(frame), holes_s)
    _mux_unless_in_hole(out, audio.encode(None), holes_s)


def _mux_unless_in_hole(out: OutputContainer, packets: list[Any], holes_s: Sequence[tuple[float, float]]) -> None:
    for packet in packets:
        time_s = float((packet.pts or 0) * packet.time_base)
        if not any(begin <= time_s < end for begin, end in holes_s):
            out.mux(packet)


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a film into the test's folder: `film("name.mp4", pictures, ...)`."""

    def make(name: str, pictures: Iterable[Picture] | None, **how: Any) -> Path:
        return write_film(tmp_path / name, pictures, **how)

    return make


@pytest.fixture(name="texture")
def _texture() -> Callable[..., Picture]:
    return texture


@pytest.fixture(name="flat")
def _flat() -> Callable[..., Picture]:
    return flat


@pytest.fixture(name="numbered")
def _numbered() -> Callable[[int], Picture]:
    return numbered


@pytest.fixture(name="read_number")
def _read_number() -> Callable[[Picture], int]:
    return read_number


@pytest.fixture(name="tone")
def _tone() -> Callable[..., NDArray[np.float32]]:
    return tone
