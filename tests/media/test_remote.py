"""Films by address, from a web server of this machine."""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest

from cinegrain.errors import ConfigError, MediaError
from cinegrain.media.remote import find_remote_videos, local_copy, source, source_name, source_stamp, source_text
from cinegrain.types import Url

CONTENT = bytes(range(256)) * 40_000  # ten MB, more than two blocks


class Served:
    """A folder on the web; with `grow` its film grows between being looked at and being read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url, self.grow = folder, "", False


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, served: Served, *args: object) -> None:
        self.served = served
        super().__init__(*args, directory=str(served.folder))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.served.grow:
            (self.served.folder / "film.mp4").write_bytes(CONTENT + b"more")
        super().do_GET()

    def end_headers(self) -> None:
        path = Path(self.translate_path(self.path))
        self.send_header("ETag", f'"{path.stat().st_size if path.exists() else 0}"')
        super().end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "film.mp4").write_bytes(CONTENT)
    place = Served(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, place)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place.url = f"http://127.0.0.1:{server.server_port}"
        yield place
        server.shutdown()


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def read(url: str, limit_bytes: int = 10**9, limit_s: float = 60.0) -> bytes:
    with local_copy(Url(url), limit_bytes=limit_bytes, limit_s=limit_s, on_progress=lambda: None) as path:
        return path.read_bytes()


def test_a_copy_is_whole_and_has_no_name_that_a_kill_could_leave_behind(served: Served, copies: Path) -> None:
    signs: list[None] = []
    url = Url(f"{served.url}/film.mp4")
    with local_copy(url, limit_bytes=10**9, limit_s=60, on_progress=lambda: signs.append(None)) as path:
        assert path.read_bytes() == CONTENT
        assert path.read_bytes() == CONTENT, "it can be opened again"
        if sys.platform == "linux":
            assert list(copies.iterdir()) == []
    assert len(signs) >= 3, "a sign of life for each block"
    assert list(copies.iterdir()) == []


def test_what_is_too_large_late_or_gone_is_refused(served: Served, copies: Path) -> None:
    url = f"{served.url}/film.mp4"
    with pytest.raises(MediaError, match=r"download_limit_gb"):
        read(url, limit_bytes=1_000_000)
    with pytest.raises(MediaError, match=r"media\.time_limit_s"):
        read(url, limit_s=-1.0)
    with pytest.raises(MediaError, match=rf"nothing at {served.url}/gone\.mp4"):
        read(f"{served.url}/gone.mp4")
    assert list(copies.iterdir()) == []


def test_no_room_is_said_before_the_disk_is_full(served: Served, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": (1 << 30) + 5_000_000}))
    with pytest.raises(MediaError, match="TMPDIR"):
        read(f"{served.url}/film.mp4")


def test_a_film_that_grows_meanwhile_is_refused(served: Served, copies: Path) -> None:
    served.grow = True
    with pytest.raises(MediaError, match="changed while it was read"):
        read(f"{served.url}/film.mp4")


def test_errors_name_the_address_and_not_the_copy(served: Served, copies: Path) -> None:
    url = Url(f"{served.url}/film.mp4")
    with (
        pytest.raises(MediaError, match=rf"^{url} is no film"),
        local_copy(url, limit_bytes=10**9, limit_s=60, on_progress=lambda: None) as path,
    ):
        raise MediaError(f"{path} is no film")


def test_objects_are_told_by_content_where_the_ending_is_unknown(
    film: Callable[..., Path], tone: Callable[..., Any], texture: Callable[..., Any]
) -> None:
    files = fsspec.filesystem("memory")
    made = film("a.mkv", [texture(1)] * 5)
    for name in ("films/no ending", "films/b.mp4", "films/c.jpg"):
        files.pipe_file(f"/{name}", made.read_bytes())
    files.pipe_file("/films/sound", film("a.mp4", None, sound=tone(440, 1)).read_bytes())
    files.pipe_file("/films/README", b"text")
    assert [source_name(url) for url in find_remote_videos(Url("memory://films"))] == ["b.mp4", "no ending"]
    files.rm("/films", recursive=True)


def test_another_content_has_another_stamp(served: Served) -> None:
    url = Url(f"{served.url}/film.mp4")
    before = source_stamp(url)
    assert before == source_stamp(url)
    (served.folder / "film.mp4").write_bytes(CONTENT + b"more")
    assert source_stamp(url) != before


@pytest.mark.parametrize(
    "text", ["s3://bucket/a//b ä.mp4", "https://h/x.mp4?token=a%2Fb", "ftp://h:2121/a b.mp4", "/films/a.mp4", "a b.mp4"]
)
def test_sources_come_back_as_they_were(text: str) -> None:
    assert source_text(source(text)) == text
    assert source_name(source(text)).endswith(".mp4")


@pytest.mark.parametrize("text", ["zip://x.mp4::s3://a/b.zip", "reference://a/x.mp4", "s3://a/b::file:///c.mp4"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"Films cannot be read from"):
        source(text)
