"""Finding files, their digests, and refusing what is none."""

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cinegrain.errors import MediaError
from cinegrain.media.files import VIDEO_SUFFIXES, file_sha256, find_videos, is_video_name


def test_names() -> None:
    assert is_video_name(Path("A film.MP4"))
    assert is_video_name(Path("ä/Übung.webm"))
    assert not is_video_name(Path("titles.csv"))
    assert not is_video_name(Path(".hidden.mp4"))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in VIDEO_SUFFIXES)


def test_videos_are_found_sorted_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.mkv", "a/z.mp4", "a/é ü.MOV", "a/notes.txt", ".cache/x.mp4", "a/.y.mp4", "c.mp4/inside.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_videos(tmp_path)]
    assert found == ["a/z.mp4", "a/é ü.MOV", "b.mkv", "c.mp4/inside.avi"]


def test_videos_are_told_by_content_where_the_ending_is_unknown(
    film: Callable[..., Path], tone: Callable[..., Any], texture: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    pictures = [texture(i) for i in range(10)]
    for name, codec in {"a.mkv": "libx264", "a.ts": "libx264", "a.vob": "mpeg2video", "a.avi": "mpeg4"}.items():
        made = film(name, pictures, codec=codec)
        made.rename(folder / f"no ending {name[2:]}")
    film("a.h264", pictures).rename(folder / "tt0133093.old")
    film("sound.mp4", None, sound=tone(440, 1)).rename(folder / "sound")
    film("sound.ogg", None, sound=tone(440, 1), sound_codec="libopus").rename(folder / "sound.ogg")
    (folder / "README").write_text("text")
    (folder / "data").write_bytes(os.urandom(5000))
    (folder / "cut").write_bytes(b"\x00\x00\x00\x20ftypisom")
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.mp4")
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        found = [path.name for path in find_videos(folder)]
    assert found == ["no ending avi", "no ending mkv", "no ending ts", "no ending vob", "tt0133093.old"]


def test_sidecar_files_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("cinegrain.media.files.holds_film", lambda file: opened.append(Path(file.name).name))
    for name in ("a.jpg", "a.SRT", "a.nfo", "a.mp4", "a.wav", "a.zip", "a.mp4.part", ".hidden", "a.odd", "LICENSE"):
        (tmp_path / name).touch()
    assert [path.name for path in find_videos(tmp_path)] == ["a.mp4"]
    assert sorted(opened) == ["LICENSE", "a.odd"]


def test_links_in_a_circle_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "film.mp4").touch()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "a" / "gone.mp4").symlink_to(tmp_path / "nowhere")
    assert [path.name for path in find_videos(tmp_path)] == ["film.mp4"]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is not a folder"):
        find_videos(tmp_path / "missing")


def test_digest(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "x.mp4").write_bytes(content)
    assert file_sha256(tmp_path / "x.mp4") == hashlib.sha256(content).hexdigest()


def test_digest_of_a_pipe_does_not_wait_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match="is a pipe"):
        file_sha256(tmp_path / "pipe.mp4")
