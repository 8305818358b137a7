"""Sound keeps its pitch and its place in time, whatever its rate, channels and holes."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cinegrain.media.clock import Deadline
from cinegrain.media.facts import MediaFacts
from cinegrain.media.sound import SoundReader
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.settings import MediaSettings
from cinegrain.types import SOUND_RATE_HZ, Scene

MakeFilm = Callable[..., Path]
Samples = NDArray[np.float32]


def still(seconds: float) -> list[NDArray[np.uint8]]:
    return [np.full((64, 96, 3), 100, np.uint8)] * round(25 * seconds)


def burst(at_s: float, seconds: float, rate_hz: int = 48_000, hz: float = 1000) -> Samples:
    """Silence with 0.2 s of tone at `at_s`."""
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    inside = (times_s >= at_s) & (times_s < at_s + 0.2)
    return np.asarray(0.5 * np.sin(2 * np.pi * hz * times_s) * inside, np.float32)


def read(path: Path) -> tuple[list[Scene], MediaFacts]:
    with TrailerReader(path, MediaSettings()) as reader:
        return list(reader.scenes()), reader.facts()


def whole_sound(path: Path) -> Samples:
    """The film's sound in one piece; scenes without are zeros."""
    pieces = []
    for scene in read(path)[0]:
        n = round(scene.end_s * SOUND_RATE_HZ) - round(scene.start_s * SOUND_RATE_HZ)
        assert scene.sound is None or scene.sound.shape == (n,)
        pieces.append(np.zeros(n, np.float32) if scene.sound is None else scene.sound)
    return np.concatenate(pieces)


def loudest_hz(sound: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * SOUND_RATE_HZ / len(sound))


def burst_middle_s(sound: Samples) -> float:
    energy = sound.astype(np.float64) ** 2
    return float((energy * np.arange(len(sound))).sum() / energy.sum() / SOUND_RATE_HZ)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_pitch_place_and_loudness(film: MakeFilm, rate_hz: int, layout: str) -> None:
    path = film("a.mp4", still(4), sound=burst(2.0, 4, rate_hz), sound_rate_hz=rate_hz, sound_layout=layout)
    sound = whole_sound(path)
    assert len(sound) == 4 * SOUND_RATE_HZ
    assert sound.dtype == np.float32
    # Resolution of the spectrum is 5 Hz here; AAC smears the edges of a burst by a few ms.
    assert loudest_hz(sound[32_000:35_200]) == pytest.approx(1000, abs=5)
    assert burst_middle_s(sound) == pytest.approx(2.1, abs=0.005)
    # All channels say the same, so the mix is as loud as one of them; AAC is lossy.
    assert np.abs(sound[32_500:35_000]).max() == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libopus"), ("a.mkv", "libmp3lame"), ("a.mpg", "mp2"), ("a.mov", "aac")]
)
def test_other_codecs_keep_time(film: MakeFilm, name: str, codec: str) -> None:
    video = {"a.webm": "libvpx", "a.mpg": "mpeg2video"}.get(name, "libx264")
    path = film(name, still(3), codec=video, sound=burst(1.5, 3), sound_codec=codec)
    sound = whole_sound(path)
    # The container's stamps may be off by the codec's start-up, at most one packet of mp2 or mp3 (26 ms).
    assert burst_middle_s(sound) == pytest.approx(1.6, abs=0.03)


def test_stamps_that_stand_still_tell_no_time(film: MakeFilm) -> None:
    """RealMedia gives many packets the stamp of the first."""
    sound = burst(1.5, 3, 8_000)
    path = film("a.rm", still(3), codec="rv20", sound=sound, sound_codec="real_144", sound_rate_hz=8_000)
    assert burst_middle_s(whole_sound(path)) == pytest.approx(1.6, abs=0.03)


def test_sound_that_starts_late_stays_late(film: MakeFilm) -> None:
    sound = whole_sound(film("a.mkv", still(5), sound=burst(1.0, 3), sound_start_s=1.5))
    assert burst_middle_s(sound) == pytest.approx(2.6, abs=0.005)
    assert not sound[: round(1.4 * SOUND_RATE_HZ)].any()


def test_sound_that_starts_before_the_pictures_is_cut(film: MakeFilm) -> None:
    times_s = [1.0 + i / 25 for i in range(75)]
    sound = whole_sound(film("a.mkv", still(3), times_s=times_s, sound=burst(2.0, 4)))
    assert burst_middle_s(sound) == pytest.approx(1.1, abs=0.005)


def test_a_hole_is_zeros_and_what_follows_stays_in_place(film: MakeFilm) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(4 * 48_000) / 48_000).astype(np.float32) / 2
    tone[3 * 48_000 :] = 0
    tone[3 * 48_000 :] += burst(0.4, 1.0)
    sound = whole_sound(film("a.mkv", still(4), sound=tone, sound_holes_s=[(1.0, 2.0)]))
    assert np.abs(sound[16_000 + 1_200 : 32_000 - 1_200]).max() < 0.01
    assert np.abs(sound[8_000:15_000]).max() > 0.4
    assert burst_middle_s(sound[3 * 16_000 + 3_200 :]) + 3.2 == pytest.approx(3.5, abs=0.005)


def test_no_sound(film: MakeFilm) -> None:
    scenes, facts = read(film("a.mp4", still(2)))
    assert all(scene.sound is None for scene in scenes)
    assert facts.flags == ("no_audio",)
    assert facts.audio_codec is None


def test_digital_silence(film: MakeFilm) -> None:
    scenes, facts = read(film("a.mp4", still(2), sound=np.zeros(96_000, np.float32)))
    assert all(scene.sound is None for scene in scenes)
    assert facts.flags == ("silent_audio",)
    assert facts.audio_codec == "aac"


def test_quiet_sound_is_not_silence(film: MakeFilm) -> None:
    quiet = burst(0.5, 2) * np.float32(10 ** (-50 / 20))
    scenes, facts = read(film("a.mkv", still(2), sound=quiet, sound_codec="flac"))
    assert any(scene.sound is not None for scene in scenes)
    assert all(scene.audible is None for scene in scenes)
    assert facts.flags == ("quiet_audio",)


def test_broken_sound_does_not_cost_the_pictures(film: MakeFilm) -> None:
    tone = np.sin(np.arange(4 * 48_000) / 10).astype(np.float32) / 2
    path = film("a.mkv", still(4), sound=tone, sound_codec="flac")
    content = bytearray(path.read_bytes())
    # Every FLAC frame begins with this synchronisation code; without it none decodes.
    n_broken = content.count(b"\xff\xf8")
    path.write_bytes(content.replace(b"\xff\xf8", b"\x00\x00"))
    scenes, facts = read(path)
    assert n_broken > 10
    assert facts.n_frames_decoded == 100
    assert facts.decoded_duration_s == pytest.approx(4.0)
    assert all(scene.sound is None for scene in scenes)
    assert facts.flags == ("unreadable_audio", "damaged")


def test_a_leap_of_hours_neither_fills_memory_nor_moves_the_rest(film: MakeFilm) -> None:
    path = film("a.mkv", still(2), sound=burst(1.0, 2), sound_start_s=36_000)
    reader = SoundReader(path, film_zero_s=0.0, silence_dbfs=-80, deadline=Deadline(60))
    sound = reader.take(0, 2)
    reader.close()
    assert reader.n_jumps == 1
    assert sound is not None
    assert burst_middle_s(sound) == pytest.approx(1.1, abs=0.005)


def test_sound_is_taken_piece_by_piece_without_seam(film: MakeFilm) -> None:
    tone = np.sin(2 * np.pi * 300 * np.arange(4 * 48_000) / 48_000).astype(np.float32) / 2
    path = film("a.mkv", still(4), sound=tone, sound_codec="flac")

    def take(bounds_s: list[float]) -> Samples:
        reader = SoundReader(path, film_zero_s=0.0, silence_dbfs=-80, deadline=Deadline(60))
        pieces = [reader.take(a, b) for a, b in pairwise(bounds_s)]
        reader.close()
        return np.concatenate([piece for piece in pieces if piece is not None])

    np.testing.assert_array_equal(take([0, 0.613, 0.614, 2.2, 3.9]), take([0, 3.9]))
    expected = np.sin(2 * np.pi * 300 * np.arange(round(3.9 * 16_000)) / 16_000) / 2
    # 16-bit rounding (3e-5) and the resampler's ripple; its filter runs in at the very start.
    np.testing.assert_allclose(take([0, 3.9])[200:], expected[200:], atol=1e-3)
