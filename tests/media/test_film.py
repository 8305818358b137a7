"""A film in several files is one film."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cinegrain.errors import MediaError
from cinegrain.media.facts import MediaFacts
from cinegrain.media.film import FilmReader
from cinegrain.types import SOUND_RATE_HZ, Scene

MakeFilm = Callable[..., Path]
Tone = Callable[..., NDArray[np.float32]]
Texture = Callable[..., NDArray[np.uint8]]


def read(*paths: Path) -> tuple[list[Scene], MediaFacts]:
    with FilmReader(paths) as reader:
        return list(reader.scenes()), reader.facts()


def loudest_hz(sound: NDArray[np.float32]) -> float:
    return float(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))).argmax() * SOUND_RATE_HZ / len(sound))


def test_parts_follow_one_another(film: MakeFilm, texture: Texture, tone: Tone) -> None:
    first = film("cd1.mp4", [texture(i // 50) for i in range(100)], sound=tone(440, 4))
    second = film("cd2.mkv", [texture(7 + i // 50) for i in range(150)], sound=tone(880, 6))
    scenes, facts = read(first, second)
    assert [scene.index for scene in scenes] == [0, 1, 2, 3, 4]
    assert [scene.start_s for scene in scenes] == pytest.approx([0, 2, 4, 6, 8], abs=0.05)
    assert [scene.end_s for scene in scenes[:-1]] == [scene.start_s for scene in scenes[1:]]
    for scene, hz in zip(scenes, (440, 440, 880, 880, 880), strict=True):
        assert scene.sound is not None
        assert loudest_hz(scene.sound) == pytest.approx(hz, abs=2)
        assert ((scene.frame_times_s >= scene.start_s) & (scene.frame_times_s < scene.end_s)).all()
    alone = [read(path)[1] for path in (first, second)]
    assert facts.decoded_duration_s == pytest.approx(10, abs=0.05)
    assert facts.n_frames_decoded == 250
    assert facts.n_scenes == 5
    assert facts.audible_s == pytest.approx(sum(part.audible_s for part in alone))
    assert facts.flags == ()


def test_pictures_and_sound_in_files_of_their_own(film: MakeFilm, texture: Texture, tone: Tone) -> None:
    pictures = film("film.mp4", [texture(i // 50) for i in range(100)])
    sound = film("film.mka", None, sound=tone(440, 4), sound_codec="flac")
    for order in ((pictures, sound), (sound, pictures)):
        scenes, facts = read(*order)
        assert len(scenes) == 2
        for scene in scenes:
            assert scene.sound is not None
            assert len(scene.sound) == 2 * SOUND_RATE_HZ
            assert loudest_hz(scene.sound) == pytest.approx(440, abs=2)
        assert facts.flags == ()
        assert facts.audio_codec == "flac"


def test_a_sound_file_comes_before_the_pictures_own_sound(film: MakeFilm, texture: Texture, tone: Tone) -> None:
    pictures = film("film.mp4", [texture(i // 50) for i in range(100)], sound=tone(220, 4))
    scenes, _ = read(pictures, film("film.mka", None, sound=tone(440, 4), sound_codec="flac"))
    assert scenes[0].sound is not None
    assert loudest_hz(scenes[0].sound) == pytest.approx(440, abs=2)


def test_sound_that_belongs_to_no_pictures_is_refused(film: MakeFilm, texture: Texture, tone: Tone) -> None:
    pictures = [film(f"{i}.mp4", [texture(i)] * 50) for i in range(2)]
    sound = film("film.mka", None, sound=tone(440, 4), sound_codec="flac")
    with pytest.raises(MediaError, match="one sound file for each picture file"):
        read(*pictures, sound)


def test_one_file_is_as_it_is(film: MakeFilm, texture: Texture, tone: Tone) -> None:
    scenes, facts = read(film("a.mp4", [texture(i // 50) for i in range(100)], sound=tone(440, 4)))
    assert len(scenes) == facts.n_scenes == 2
    with FilmReader([film("b.mp4", [texture(1)] * 50)]) as reader, pytest.raises(MediaError, match="all its scenes"):
        reader.facts()
