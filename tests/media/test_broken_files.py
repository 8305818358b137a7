"""Files that are damaged, or no films at all: what can be read is, and what cannot is said plainly."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cinegrain.errors import MediaError
from cinegrain.media.probe import open_media
from cinegrain.media.reader import TrailerReader
from cinegrain.media.settings import MediaSettings

MakeFilm = Callable[..., Path]
Picture = NDArray[np.uint8]


def why(path: Path, settings: MediaSettings | None = None) -> str:
    """The message of the error that reading a file ends in."""
    with pytest.raises(MediaError) as error, TrailerReader(path, settings) as reader:
        list(reader.scenes())
    message = str(error.value)
    assert path.name in message or settings
    return message


def test_text_named_like_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("This is a list of films.\n" * 500)
    assert "its content is none" in why(path)


def test_picture_named_like_a_film(tmp_path: Path, texture: Callable[..., Picture]) -> None:
    import cv2

    path = tmp_path / "film.mp4"
    path.write_bytes(cv2.imencode(".jpg", texture(1))[1].tobytes())
    assert "picture" in why(path)


def test_a_list_that_points_elsewhere_is_not_followed(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    target = film("target.ts", [texture(1)] * 25)
    playlist = target.with_name("list.m3u8")
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target.name}\n#EXT-X-ENDLIST\n")
    why(playlist)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").touch()
    assert "empty" in why(tmp_path / "film.mp4")


def test_missing_file(tmp_path: Path) -> None:
    assert "There is no file" in why(tmp_path / "film.mp4")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").mkdir()
    assert "folder" in why(tmp_path / "film.mp4")


def test_pipe_does_not_wait_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "film.mp4")
    assert "is a pipe" in why(tmp_path / "film.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_file_that_may_not_be_read(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    path = film("film.mp4", [texture(1)] * 25)
    path.chmod(0)
    assert "permission" in why(path)


def test_sound_only(film: MakeFilm, tone: Callable[..., NDArray[np.float32]]) -> None:
    assert "only sound" in why(film("film.mp4", None, sound=tone(440, 2)))


def test_sound_with_cover_art_only(
    film: MakeFilm, tone: Callable[..., NDArray[np.float32]], texture: Callable[..., Picture]
) -> None:
    assert "only sound" in why(film("film.mp4", None, sound=tone(440, 2), cover=texture(1)))


def test_mp4_without_its_table_of_contents(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    path = film("film.mp4", [texture(i) for i in range(50)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "table of contents" in why(path)


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.ts"])
def test_cut_short(
    film: MakeFilm, name: str, texture: Callable[..., Picture], tone: Callable[..., NDArray[np.float32]]
) -> None:
    pictures = [texture(i // 50) for i in range(250)]
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    path = film(name, pictures, sound=tone(440, 10), options={"g": "25"}, container_options=options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    with TrailerReader(path) as reader:
        scenes = list(reader.scenes())
        facts = reader.facts()
    assert 4.0 < facts.decoded_duration_s < 8.0
    assert scenes[-1].end_s == facts.decoded_duration_s
    assert [scene.start_s for scene in scenes[:2]] == pytest.approx([0, 2.0], abs=0.001)
    if not name.endswith("ts"):  # a transport stream announces no duration
        assert "shorter_than_announced" in facts.flags


def test_hole_in_the_middle(
    film: MakeFilm, texture: Callable[..., Picture], tone: Callable[..., NDArray[np.float32]]
) -> None:
    path = film("film.mkv", [texture(i // 50) for i in range(250)], sound=tone(440, 10), options={"g": "25"})
    content = bytearray(path.read_bytes())
    size = len(content)
    content[int(size * 0.45) : int(size * 0.5)] = bytes(int(size * 0.5) - int(size * 0.45))
    path.write_bytes(content)
    with TrailerReader(path) as reader:
        scenes = list(reader.scenes())
        facts = reader.facts()
    assert "damaged" in facts.flags
    assert facts.decoded_duration_s == pytest.approx(10.0, abs=0.5)
    assert facts.n_frames_decoded > 150
    assert {8.0, 2.0} <= {round(scene.start_s, 2) for scene in scenes}


def test_nothing_decodable(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    path = film("film.mp4", [texture(i) for i in range(50)])
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    assert "none could be decoded" in why(path)


def test_time_limit(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    path = film("film.mp4", [texture(i) for i in range(100)])
    assert "time_limit_s" in why(path, MediaSettings(time_limit_s=0.001))


def test_a_file_whose_opening_takes_too_long_is_not_called_broken(
    film: MakeFilm, texture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = av.open
    monkeypatch.setattr("cinegrain.media.probe.av.open", lambda *a, **o: opened(*a, **{**o, "timeout": (1e-9, 1e-9)}))
    path = film("film.mp4", [texture(i) for i in range(100)])
    with pytest.raises(MediaError, match="time_limit_s"):
        open_media(path, limit_s=1e-9)


def test_the_reader_waits_without_time_passing(
    film: MakeFilm, texture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time that the user of the scenes takes is not the trailer's."""
    now_s = [0.0]
    monkeypatch.setattr("cinegrain.media.clock.time.monotonic", lambda: now_s[0])
    path = film("film.mp4", [texture(i // 25) for i in range(150)])
    with TrailerReader(path, MediaSettings(time_limit_s=10)) as reader:
        for _ in reader.scenes():
            now_s[0] += 1000
        assert reader.facts().n_scenes == 6


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.ts"])
def test_a_huge_hole_behind_the_film_does_not_cost_it(
    film: MakeFilm, name: str, texture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As downloaders leave that reserve a file's whole size first; the hole takes no room on the disk."""
    monkeypatch.setattr("cinegrain.media.probe.STALL_S", 0.5)
    path = film(name, [texture(i // 50) for i in range(100)])
    os.truncate(path, 1 << 40)
    with TrailerReader(path) as reader:
        assert len(list(reader.scenes())) == 2
        assert reader.facts().decoded_duration_s == pytest.approx(4.0, abs=0.1)
        assert not name.endswith("mkv") or "damaged" in reader.facts().flags
