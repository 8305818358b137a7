"""Files that are damaged, or no films at all: what can be read is, and what cannot is said plainly."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cinegrain.errors import MediaError
from cinegrain.media.content import DEMUXERS
from cinegrain.media.probe import open_media
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.settings import MediaSettings

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
    assert why(path) == f"{path} is not a video but a text file. Give the film itself."


def test_picture_named_like_a_film(tmp_path: Path, texture: Callable[..., Picture]) -> None:
    import cv2

    path = tmp_path / "film.mp4"
    path.write_bytes(cv2.imencode(".jpg", texture(1))[1].tobytes())
    assert "picture" in why(path)


LISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
    "concat.txt": "ffconcat version 1.0\nfile '{}'\n",
    "plain.ffconcat": "file '{}'\n",
    "film.mpd": '<?xml version="1.0"?>\n<!-- made by -->\n<MPD><BaseURL>{}</BaseURL></MPD>',
    "a.asx": '<ASX version="3.0"><Entry><Ref href="{}"/></Entry></ASX>',
    "a.sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=video 5000 RTP/AVP 96\r\n",
    "a.pls": "[playlist]\nFile1={}\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_points_elsewhere_is_not_followed(name: str, tmp_path: Path) -> None:
    pipe, path = tmp_path / "pipe.ts", tmp_path / name
    os.mkfifo(pipe)  # whoever opened it would wait for ever
    path.write_text(LISTS[name].format(pipe))
    assert "is not a video but a playlist" in why(path)


@pytest.mark.parametrize("name", ["list.m3u8", "concat.txt"])
def test_no_list_is_followed_whose_beginning_tells_nothing(
    film: MakeFilm, name: str, texture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cinegrain.media.probe.other_content", lambda file: None)
    target = film("target.ts", [texture(1)] * 25)
    path = target.with_name(name)
    path.write_text(LISTS[name].format(target.name))
    assert "is not a video" in why(path)


def test_only_demuxers_run_that_open_no_other_file() -> None:
    listed = DEMUXERS.split(",")
    known = {name for form in av.formats_available for name in form.split(",")}
    assert {"mov", "matroska", "mpegts", "mxf", "avi", "wav"} <= set(listed) & known
    assert len(set(listed) & known) > 0.9 * len(listed), "nearly all are spelled as FFmpeg does"
    assert not set(listed) & {
        "hls",
        "dash",
        "concat",
        "sdp",
        "rtsp",
        "image2",
        "imf",
        "tty",
        "webm_dash_manifest",
        "lavfi",
    }


OTHERS = {
    "a web page": b"\r\n<!DOCTYPE HTML>\n<html><body>Please log in</body></html>",
    "an archive (ZIP)": b"PK\x03\x04" + bytes(100),
    "an archive (RAR)": b"Rar!\x1a\x07\x00" + bytes(100),
    "a compressed file": b"\x1f\x8b\x08" + bytes(100),
    "the image of a disc (ISO)": bytes(0x8000) + b"\x01CD001" + bytes(5000),
    "the table of contents of a DVD": b"DVDVIDEO-VTS" + bytes(2000),
    "a document": b"%PDF-1.7\n",
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_else_a_file_is_is_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(OTHERS[what])
    assert f"is not a video but {what}" in why(path)


def test_a_download_that_has_not_finished(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(bytes(100_000))
    assert "begins with zeros" in why(tmp_path / "film.mp4")
    (tmp_path / "film.mp4.part").write_bytes(os.urandom(100_000))
    assert "unfinished download" in why(tmp_path / "film.mp4.part")


KEYS = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
    "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
}


@pytest.mark.parametrize("options", [KEYS, KEYS | {"movflags": "frag_keyframe+empty_moov"}], ids=["plain", "fragments"])
def test_encrypted_mp4(film: MakeFilm, texture: Callable[..., Picture], options: dict[str, str]) -> None:
    pictures = [texture(1)] * 25
    assert "is encrypted" in why(film("film.mp4", pictures, container_options=options))
    film("plain.mp4", pictures, container_options={k: v for k, v in options.items() if k == "movflags"})


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new))
    return path


def test_encrypted_quicktime_matroska_and_streams(film: MakeFilm, texture: Callable[..., Picture]) -> None:
    """Made from plain films by changing what says that they are."""
    pictures = [texture(i) for i in range(50)]
    assert "is encrypted" in why(replaced(film("fairplay.mov", pictures), b"avc1\0\0\0\0", b"drmi\0\0\0\0"))

    path = film("film.mkv", pictures)
    content = path.read_bytes()
    at = content.index(b"\x73\xc5\x88", content.index(b"\x16\x54\xae\x6b"))  # the track's number, as long as this:
    encrypted = bytes.fromhex("6d8088 624085 503582 ec80")
    path.write_bytes(content[:at] + encrypted + content[at + len(encrypted) :])
    assert "is encrypted" in why(path)

    path = film("film.ts", pictures)
    data = bytearray(path.read_bytes())
    for i in range(0, len(data), 188):
        if data[i + 3] & 0x10 and data[i + 1] & 0x1F == 1:  # packets of the film's pictures
            data[i + 3] |= 0x80
    path.write_bytes(data)
    assert "is encrypted" in why(path)

    path = film("film.vob", pictures, codec="mpeg2video")
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"\0\0\1\xe0", at + 1)) >= 0:
        data[at + 6] |= 0x10
    path.write_bytes(data)
    assert "is encrypted" in why(path)


@pytest.mark.parametrize("name", ["film.mov", "film.mkv", "film.ts", "film.vob", "film.avi", "film.wmv", "film.mxf"])
def test_plain_films_are_not_taken_for_encrypted(film: MakeFilm, name: str, texture: Callable[..., Picture]) -> None:
    codec = "libx264" if name[5:] in ("mov", "mkv", "ts") else "mpeg2video" if name[5:] in ("vob", "mxf") else "mpeg4"
    open_media(film(name, [texture(i) for i in range(25)], codec=codec), limit_s=60).close()


def test_media_knows_no_catalogue(tmp_path: Path) -> None:
    assert why(tmp_path / "a.mp4").endswith("a.mp4. Check the path and its spelling.")


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
    assert "No picture in" in why(path)


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
