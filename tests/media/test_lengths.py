"""Pictures that are held, and sound that goes on without them."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cinegrain.media.facts import MediaFacts
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.settings import MediaSettings
from cinegrain.types import SOUND_RATE_HZ, Scene

MakeFilm = Callable[..., Path]
Tone = Callable[..., NDArray[np.float32]]
Texture = Callable[..., NDArray[np.uint8]]


def read(path: Path, settings: MediaSettings | None = None) -> tuple[list[Scene], MediaFacts]:
    with TrailerReader(path, settings) as reader:
        return list(reader.scenes()), reader.facts()


def heard_s(scenes: list[Scene]) -> float:
    return sum(len(scene.sound) for scene in scenes if scene.sound is not None) / SOUND_RATE_HZ


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_one_picture_with_music_lasts_as_long_as_the_music(
    film: MakeFilm, texture: Texture, tone: Tone, name: str
) -> None:
    scenes, facts = read(film(name, [texture(1)], sound=tone(440, 20)))
    # AAC adds and MP4 cuts a part of a packet.
    assert heard_s(scenes) == pytest.approx(20, abs=0.1)
    assert facts.decoded_duration_s == scenes[-1].end_s == pytest.approx(20, abs=0.1)
    assert facts.audible_s == pytest.approx(20, abs=0.1)
    assert facts.n_frames_decoded == 1
    assert facts.flags == ("uneven_lengths",)
    assert sum(len(scene.frames) for scene in scenes) >= 1


def test_sound_that_outlasts_the_pictures_is_heard_scene_by_scene(film: MakeFilm, texture: Texture, tone: Tone) -> None:
    scenes, facts = read(
        film("a.mkv", [texture(i // 25) for i in range(100)], sound=tone(440, 15)), MediaSettings(max_scene_s=4.0)
    )
    assert heard_s(scenes) == pytest.approx(15, abs=0.1)
    assert max(scene.duration_s for scene in scenes) < 6
    for before, after in pairwise(scenes):
        assert before.end_s == after.start_s
    assert facts.flags == ("uneven_lengths",)


def test_pictures_that_outlast_the_sound_are_flagged(film: MakeFilm, texture: Texture, tone: Tone) -> None:
    scenes, facts = read(film("a.mkv", [texture(i // 25) for i in range(100)], sound=tone(440, 2)))
    assert facts.flags == ("uneven_lengths",)
    assert scenes[-1].end_s == pytest.approx(4)


def test_a_little_difference_is_none(film: MakeFilm, texture: Texture, tone: Tone) -> None:
    for sound_s in (3.3, 4.7):
        scenes, facts = read(film("a.mkv", [texture(i // 25) for i in range(100)], sound=tone(440, sound_s)))
        assert facts.flags == ()
        assert scenes[-1].end_s == pytest.approx(4)


def test_pictures_are_held_as_long_as_the_file_says(film: MakeFilm, texture: Texture) -> None:
    scenes, facts = read(film("a.mp4", [texture(1), texture(2)], fps=Fraction(1, 20)))
    assert facts.announced_duration_s == pytest.approx(40)
    assert facts.decoded_duration_s == scenes[-1].end_s == pytest.approx(40)
    assert [scene.start_s for scene in scenes] == [0.0, 20.0]
    assert facts.flags == ("no_audio",)
