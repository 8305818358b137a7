"""Over two hundred files that are damaged, odd or no films at all, made from a few films of four seconds."""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from tests.media.conftest import texture, tone, write_film

Change = Callable[[bytes], bytes]
SECONDS, FPS = 4, 25
WIDTH, HEIGHT = 128, 72
FILMS: dict[str, dict[str, Any]] = {
    "mp4": {"codec": "libx264", "container_options": {"movflags": "faststart"}},
    "mkv": {"codec": "libx265"},
    "webm": {"codec": "libvpx", "sound_codec": "libopus"},
    "mpg": {"codec": "mpeg2video", "sound_codec": "mp2"},
    "ts": {"codec": "mpeg2video", "sound_codec": "mp2"},
    "avi": {"codec": "mpeg4", "sound_codec": "libmp3lame"},
}
"""The whole films, by ending, and how each is written."""
N_FRAMES = SECONDS * FPS
ROT_DENSITIES = (1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Variant:
    """One file.

    Attributes:
        family: What was done, for example `cut short`.
        name: File name.
        make: Writes it into a folder.
        outcome: "vectors" or "failure" where it is certain; None where both are right.
    """

    family: str
    name: str
    make: Callable[[Path], None]
    outcome: str | None = None

    def write(self, folder: Path) -> Path:
        """The file in `folder`."""
        self.make(folder / self.name)
        return folder / self.name


def shots(width: int = WIDTH, height: int = HEIGHT) -> list[NDArray[np.uint8]]:
    """Three shots, each a slow pan."""
    pictures = []
    for shot, n in enumerate((35, 30, 35)):
        wide = texture(shot, width + 40, height)
        pictures += [np.ascontiguousarray(wide[:, i : i + width]) for i in range(n)]
    return pictures


@cache
def whole(ending: str) -> bytes:
    """The bytes of an undamaged film."""
    with TemporaryDirectory() as folder:
        return film(Path(folder) / f"film.{ending}", **FILMS[ending]).read_bytes()


def film(path: Path, **how: Any) -> Path:
    """A film of four seconds with sound, unless told otherwise."""
    how.setdefault("sound", tone(440, SECONDS, how.get("sound_rate_hz", 48_000)))
    pictures = how.pop("pictures", None)
    return write_film(path, shots() if pictures is None else pictures, **how)


def all_variants() -> list[Variant]:
    """Every variant; names are unique."""
    found = [
        *_whole(),
        *_cut_short(),
        *_rotten(),
        *_holes(),
        *_headers(),
        *_no_films(),
        *_pictures(),
        *_sounds(),
        *_clocks(),
        *_streams(),
    ]
    assert len({variant.name for variant in found}) == len(found)
    return found


def _changed(family: str, label: str, ending: str, change: Change, outcome: str | None = None) -> Variant:
    def make(path: Path) -> None:
        path.write_bytes(change(whole(ending)))

    return Variant(family, f"{family} {label}.{ending}".replace("/", "-"), make, outcome)


def _written(family: str, name: str, outcome: str | None = "vectors", **how: Any) -> Variant:
    """A film by `film(path, **how)`; values that are functions are called first, so that listing costs nothing."""

    def make(path: Path) -> None:
        film(path, **{key: value() if callable(value) else value for key, value in how.items()})

    return Variant(family, name, make, outcome)


def _raw(family: str, name: str, content: bytes | Callable[[], bytes], outcome: str | None = "failure") -> Variant:
    def make(path: Path) -> None:
        path.write_bytes(content() if callable(content) else content)

    return Variant(family, name, make, outcome)


def _whole() -> list[Variant]:
    return [_changed("whole", ending, ending, lambda b: b, "vectors") for ending in FILMS]


def _cut_short() -> list[Variant]:
    def to(share: float) -> Change:
        return lambda b: b[: int(len(b) * share)]

    return [
        _changed("cut short", f"{share:.3f}", ending, to(share))
        for ending in FILMS
        for share in (np.arange(20) + 0.5) / 20
    ]


def _rotten() -> list[Variant]:
    def rot(seed: int, density: float) -> Change:
        def change(content: bytes) -> bytes:
            rng = np.random.default_rng(seed)
            data = np.frombuffer(content, np.uint8).copy()
            where = rng.random(len(data)) < density
            data[where] ^= rng.integers(1, 256, int(where.sum()), np.uint8)
            return data.tobytes()

        return change

    return [
        _changed("bit rot", f"{density:g} {seed}", ending, rot(seed, density))
        for ending in FILMS
        for density in ROT_DENSITIES
        for seed in range(4)
    ]


def _holes() -> list[Variant]:
    def zero(seed: int, n_holes: int) -> Change:
        def change(content: bytes) -> bytes:
            data = bytearray(content)
            for start in np.random.default_rng(seed).integers(0, len(data), n_holes):
                end = min(len(data), int(start) + 512)
                data[int(start) : end] = bytes(end - int(start))
            return bytes(data)

        return change

    return [
        _changed("holes", f"{n_holes} {seed}", ending, zero(seed, n_holes))
        for ending in FILMS
        for seed, n_holes in ((0, 1), (1, 3), (2, 12))
    ]


def _headers() -> list[Variant]:
    """Values in headers that cannot be."""

    def put(mark: bytes, offset: int, value: bytes, after: bytes = b"") -> Change:
        def change(content: bytes) -> bytes:
            at = content.index(mark, content.index(after)) + offset
            return content[:at] + value + content[at + len(value) :]

        return change

    most = 0xFFFFFFFF
    mp4 = {
        "film lasts 49 days": put(b"mvhd", 20, u32(most)),
        "clock of 0 ticks": put(b"mvhd", 16, u32(0)),
        "track lasts for ever": put(b"mdhd", 20, u32(most)),
        "track clock of 0 ticks": put(b"mdhd", 16, u32(0)),
        "track clock of 4 GHz": put(b"mdhd", 16, u32(most)),
        "65535 by 65535": put(b"avc1", 28, u16(65535) + u16(65535), b"stsd"),
        "0 by 0": put(b"avc1", 28, u32(0), b"stsd"),
        "no entries of time": put(b"stts", 8, u32(0)),
        "4 billion entries of time": put(b"stts", 8, u32(most)),
        "each frame lasts 4 billion": put(b"stts", 16, u32(most)),
        "4 billion frames": put(b"stsz", 12, u32(most)),
        "each frame of 2 GB": put(b"stsz", 8, u32(0x7FFFFFFF)),
        "chunks beyond the end": put(b"stco", 12, u32(most)),
        "sound of 0 Hz": put(b"mp4a", 28, u32(0)),
        "sound of 65535 channels": put(b"mp4a", 20, u16(65535)),
        "box larger than the file": put(b"moov", -4, u32(most)),
        "box of no size": put(b"trak", -4, u32(0)),
        "codec unknown": put(b"avc1", 0, b"zzzz", b"stsd"),
        "no moov": put(b"moov", 0, b"junk"),
        "no mdat": lambda b: b[: b.index(b"mdat") - 4],
        "empty mdat": lambda b: b[: b.index(b"mdat") + 4] + bytes(len(b) - b.index(b"mdat") - 4),
    }
    duration, width = b"\x44\x89\x88", b"\xb0\x82"

    def lasts(duration_ms: float) -> Change:
        """The tags of each stream, which would win, are made unknown."""
        change = put(duration, 3, f64(duration_ms))
        return lambda content: change(content).replace(b"DURATION", b"DURATIOX")

    mkv = {
        "lasts for ever": lasts(float("inf")),
        "lasts nan": lasts(float("nan")),
        "lasts 1e300": lasts(1e300),
        "lasts a year": lasts(3.2e10),
        "lasts less than nothing": lasts(-5.0),
        "65535 wide": put(width, 2, u16(65535)),
        "0 wide": put(width, 2, u16(0)),
    }
    avi = {
        "2 billion wide": put(b"strf", 12, struct.pack("<ii", 0x7FFFFFFF, 0x7FFFFFFF)),
        "0 by 0": put(b"strf", 12, bytes(8)),
        "rate of 0": put(b"strh", 28, bytes(8)),
        "rate of 4 billion": put(b"strh", 28, struct.pack("<II", 1, most)),
        "4 billion frames": put(b"avih", 24, struct.pack("<I", most)),
        "no index": put(b"idx1", 0, b"JUNK"),
    }
    return [
        _changed("header", label, ending, change)
        for ending, changes in (("mp4", mp4), ("mkv", mkv), ("avi", avi))
        for label, change in changes.items()
    ]


def u16(value: int) -> bytes:
    return struct.pack(">H", value)


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def f64(value: float) -> bytes:
    return struct.pack(">d", value)


def _no_films() -> list[Variant]:
    """What lies in folders of films and is none."""
    rng = np.random.default_rng(0)
    picture = texture(1)[:, :, ::-1]
    noise = rng.integers(0, 256, 300_000, np.uint8).tobytes()
    found = [
        _raw("no film", "nothing.mp4", b""),
        _raw("no film", "one byte.mkv", b"\0"),
        _raw("no film", "text.mp4", b"A list of films.\n" * 500),
        _raw("no film", "page.mp4", b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>"),
        _raw("no film", "archive.mp4", b"PK\x03\x04" + noise[:5000]),
        _raw("no film", "document.avi", b"%PDF-1.7\n" + noise[:5000]),
        _raw("no film", "script.mpg", b"#!/bin/sh\necho film\n" * 50),
        _raw("no film", "jpeg.mp4", lambda: bytes(cv2.imencode(".jpg", picture)[1].tobytes())),
        _raw("no film", "png.mkv", lambda: bytes(cv2.imencode(".png", picture)[1].tobytes())),
        _raw("no film", "playlist.ts", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nx.ts\n#EXT-X-ENDLIST\n"),
        _raw("no film", "list.mp4", b"ffconcat version 1.0\nfile '/etc/passwd'\nfile 'film.mp4'\n"),
        _raw("no film", "subtitles.mkv", b"1\n00:00:00,000 --> 00:00:02,000\nHello.\n\n" * 20),
        _raw("no film", "noise.mpg", noise, None),
        _raw("no film", "noise.ts", noise, None),
        _raw("no film", "zeros.mp4", bytes(300_000)),
        _raw("no film", "ones.avi", b"\xff" * 300_000, None),
        _raw("no film", "sync bytes.ts", b"\x47" * 300_000, None),
        Variant("no film", "folder.mp4", lambda path: path.mkdir(), "failure"),
        Variant("no film", "pipe.mp4", os.mkfifo, "failure"),
        Variant("no film", "link to itself.mp4", lambda path: path.symlink_to(path.name), "failure"),
        Variant("no film", "link to nowhere.mp4", lambda path: path.symlink_to("gone"), "failure"),
        Variant("no film", "device.mp4", lambda path: path.symlink_to("/dev/zero"), "failure"),
        Variant("no film", "sparse tebibyte.mp4", lambda path: _sparse(path, b"", 1 << 40), "failure"),
    ]
    for ending, other in zip(FILMS, [*list(FILMS)[1:], "mp4"], strict=True):
        found += [
            _changed("header only", "32", ending, lambda b: b[:32]),
            _changed("header only", "600", ending, lambda b: b[:600]),
            _raw("wrong ending", f"{ending} named.{other}", partial(whole, ending), "vectors"),
            _changed("zero tail", "64 KB", ending, lambda b: b + bytes(65_536), "vectors"),
            _changed("zero head", "4 KB", ending, lambda b: bytes(4096) + b),
            _changed("twice", "joined", ending, lambda b: b + b, "vectors"),
        ]
    return found


def _sparse(path: Path, content: bytes, size: int) -> None:
    path.write_bytes(content)
    os.truncate(path, size)


def _pictures() -> list[Variant]:
    ffv1: dict[str, Any] = {"codec": "ffv1"}
    formats = ("yuv444p", "yuv422p10le", "gray", "gray10le", "yuva420p", "bgr0", "yuv410p", "yuv420p16le")
    sizes = ((1, 1), (2, 2), (3, 5), (33, 17), (2, 401), (401, 1))
    found = [_written("pixels", f"{f}.mkv", codec="ffv1", pix_fmt=f) for f in formats]
    found += [_written("pixels", f"h264 {f}.mp4", pix_fmt=f) for f in ("yuv444p", "yuv420p10le", "yuv422p", "gray")]
    found += [_written("size", f"{w} by {h}.mkv", **ffv1, pix_fmt="bgr0", pictures=_sized(w, h, 50)) for w, h in sizes]
    found += [
        _written("size", "8K.mp4", pictures=_sized(7680, 4320, 2), options={"crf": "40"}),
        _written("size", "single picture.mp4", pictures=_sized(WIDTH, HEIGHT, 1)),
        _written("size", "two pictures.avi", codec="mpeg4", sound=None, pictures=_sized(WIDTH, HEIGHT, 2)),
        _written("size", "animated.gif", codec="gif", pix_fmt="rgb8", sound=None, outcome=None),
    ]
    found += [_written("turned", f"by {deg}.mp4", rotation_deg=deg) for deg in (90, 180, -90, 45)]
    found += [
        _written("pixel shape", f"{aspect.numerator} to {aspect.denominator}.mkv", pixel_aspect=aspect)
        for aspect in (Fraction(4, 3), Fraction(1, 200), Fraction(200), Fraction(16, 15))
    ]
    changes = (("ts", "mpeg2video"), ("ts", "libx264"), ("mpg", "mpeg2video"))
    found += [_raw("new size", f"{codec}.{e}", partial(_two_sizes, e, codec), "vectors") for e, codec in changes]
    return found


def _sized(width: int, height: int, n: int) -> Callable[[], list[NDArray[np.uint8]]]:
    return lambda: [texture(1, width, height)] * n


def _two_sizes(ending: str, codec: str) -> bytes:
    with TemporaryDirectory() as folder:
        parts = [
            write_film(Path(folder) / f"{width}.{ending}", shots(width, height), codec=codec)
            for width, height in ((WIDTH, HEIGHT), (96, 96))
        ]
        return b"".join(part.read_bytes() for part in parts)


def _sounds() -> list[Variant]:
    pcm: dict[str, Any] = {"sound_codec": "pcm_s16le"}
    layouts = ("mono", "stereo", "2.1", "4.0", "5.1", "6.1", "7.1")
    rates = (8_000, 11_025, 22_050, 32_000, 44_100, 96_000, 192_000)
    found = [_written("channels", f"{layout}.mkv", sound_layout=layout, **pcm) for layout in layouts]
    found += [_written("rate", f"{rate} Hz.mkv", sound_rate_hz=rate, **pcm) for rate in rates]
    return [
        *found,
        _written("channels", "7.1 aac.mp4", sound_layout="7.1"),
        _written("sound", "none.mp4", sound=None),
        _written("sound", "silent.mp4", sound=np.zeros(SECONDS * 48_000, np.float32)),
        _written("sound", "late by ten hours.mkv", sound_start_s=36_000.0),
        _written("sound", "of half a second.mkv", sound=lambda: tone(440, 0.5)),
        _written("sound", "longer than the film.mkv", sound=lambda: tone(440, 20)),
        _written("sound", "with holes.mkv", sound_holes_s=[(0.5, 1.5), (2, 3)]),
        _written("sound", "only.mp4", "failure", pictures=[]),
        _written("sound", "only with a cover.mp4", "failure", pictures=[], cover=texture(1)),
    ]


def _clocks() -> list[Variant]:
    steps_s = np.random.default_rng(3).choice([0.008, 0.04, 0.11], N_FRAMES)
    varying = np.cumsum(steps_s).round(3)
    far = [i / FPS + (0 if i < 50 else 100_000) for i in range(N_FRAMES)]
    return [
        _written("clock", "varying rate.mkv", times_s=varying.tolist()),
        _written("clock", "varying rate.mp4", times_s=varying.tolist()),
        _written("clock", "starts at ten hours.mkv", times_s=[36_000 + i / FPS for i in range(N_FRAMES)]),
        _written("clock", "starts below zero.mkv", times_s=[i / FPS - 3 for i in range(N_FRAMES)], sound=None),
        _written("clock", "starts below zero.mp4", times_s=[i / FPS - 3 for i in range(N_FRAMES)], sound=None),
        _written("clock", "leaps by a day.mkv", times_s=far, sound=None),
        _written("clock", "pauses for four minutes.mkv", times_s=[t if t < 2 else t + 240 for t in varying.tolist()]),
        _written("clock", "one a minute.mkv", times_s=[60.0 * i for i in range(10)], pictures=lambda: shots()[::10]),
        _written("clock", "thousand a second.mkv", times_s=[i / 1000 for i in range(N_FRAMES)]),
        _raw("clock", "no stamps.h264.mpg", lambda: _elementary("libx264", "h264"), "vectors"),
        _raw("clock", "no stamps.m2v", lambda: _elementary("mpeg2video", "mpeg2video"), "vectors"),
    ]


def _elementary(codec: str, form: str) -> bytes:
    """Nothing but the codec's own bytes: no container, so no time stamps."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        with av.open(str(path), "w", format=form) as out:
            stream: Any = out.add_stream(codec, rate=FPS)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for i, picture in enumerate(shots()):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = i, Fraction(1, FPS)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return path.read_bytes()


def _streams() -> list[Variant]:
    return [
        _written("streams", "cover art.mp4", cover=texture(9, 640, 640)),
        _raw("streams", "moov at the end.mp4", _moov_last, "vectors"),
        _raw("streams", "moov at the end, cut.mp4", lambda: _moov_last()[:-600], None),
        _raw("streams", "fragments.mp4", _fragments, "vectors"),
        _raw("streams", "fragments, cut.mp4", lambda: _fragments()[:-20_000], "vectors"),
    ]


def _moov_last() -> bytes:
    with TemporaryDirectory() as folder:
        return film(Path(folder) / "film.mp4").read_bytes()


def _fragments() -> bytes:
    options = {"movflags": "frag_keyframe+empty_moov"}
    with TemporaryDirectory() as folder:
        return film(Path(folder) / "film.mp4", options={"g": "20"}, container_options=options).read_bytes()
