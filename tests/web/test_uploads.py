"""Videos that people bring: what is taken, what is refused, what is stopped, and what is left behind."""

import asyncio
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from tests.web.conftest import decoded

from cinegrain.runs.layout import Run
from cinegrain.web import uploads as module
from cinegrain.web.replies import UploadView
from cinegrain.web.server import make_app
from cinegrain.web.uploads import Limits, Uploads

pytestmark = [pytest.mark.timeout(400)]
Start = Callable[..., TestClient]


@pytest.fixture
def start(demo: Path) -> Iterator[Start]:
    """Opens the application of the demo run, as often as asked."""
    open_: list[TestClient] = []

    def enter(**limits: Any) -> TestClient:
        client = TestClient(make_app(Run.open(demo), limits=Limits(**limits)), base_url="http://localhost")
        open_.append(client)
        return client.__enter__()

    yield enter
    for client in open_:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def film(demo: Path) -> bytes:
    """A film of the demo, but another file: one more empty box."""
    return next(iter(sorted(demo.rglob("*.mp4")))).read_bytes() + b"\x00\x00\x00\x08free"


def bring(client: TestClient, name: str, content: bytes) -> Any:
    return client.post("/api/v1/uploads", params={"name": name}, content=content)


def wait(client: TestClient, id_: str, *states: str, seconds: float = 120) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found: dict[str, Any] = decoded(client.get(f"/api/v1/uploads/{id_}"))
        if found["state"] in states:
            return found
        time.sleep(0.1)
    raise AssertionError(f"still {found['state']}, not {states}")


def tree(folder: Path) -> dict[str, str]:
    """Every file's digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".uploads.lock"
    }


def test_looking_changes_nothing_but_the_uploads_folder(start: Start, demo: Path, film: bytes) -> None:
    around = demo.parent
    before = tree(around)
    client = start()
    taken = decoded(bring(client, "../../outside/../Ein Film.mp4", film))
    assert taken["name"] == "Ein Film.mp4"
    done = wait(client, taken["id"], "done", "failed")
    assert done["state"] == "done", done["message"]
    assert {"genres", "subgenre", "neighbours", "timeline"} <= set(done["answer"])
    assert done["answer"]["path"] == "Ein Film.mp4", "where it lies on this machine is nobody's business"
    after = tree(around)
    new = {name: digest for name, digest in after.items() if before.get(name) != digest}
    assert list(new) == [f"{demo.name}/uploads/{taken['id']}/Ein Film.mp4"]
    assert set(before) <= set(after)
    part = client.get(f"/api/v1/uploads/{taken['id']}/video", headers={"range": "bytes=0-9"})
    assert part.status_code == 206
    assert part.content == film[:10]


def test_what_did_not_join_is_gone_when_the_server_stops(demo: Path, film: bytes) -> None:
    with TestClient(make_app(Run.open(demo)), base_url="http://localhost") as client:
        taken = decoded(bring(client, "a.mp4", film))
        folder = demo / "uploads" / taken["id"]
        assert folder.is_dir()
    assert not folder.exists()


def test_what_a_killed_server_left_is_taken_away_by_the_next_but_not_while_another_works(demo: Path) -> None:
    left = demo / "uploads" / "0123456789abcdef"
    left.mkdir(parents=True)
    (left / "a.mp4.part").write_bytes(b"x")
    with TestClient(make_app(Run.open(demo)), base_url="http://localhost"):
        assert not left.exists()
        left.mkdir()
        with TestClient(make_app(Run.open(demo)), base_url="http://localhost"):
            assert left.exists(), "it may be the other's"


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("film.exe", b"\x00\x00\x00\x18ftypmp42", 415),
        ("film", b"\x00\x00\x00\x18ftypmp42", 415),
        ("film.mp4", b"\x7fELF" + bytes(100), 415),
        ("film.mp4", b"PK\x03\x04" + bytes(100), 415),
        ("film.mp4", b"<!doctype html><script>alert(1)</script>", 415),
        ("film.mp4", b"#!/bin/sh\nrm -rf /\n", 415),
        ("film.mp4", b"just text, nothing else", 415),
        ("film.mp4", b"", 422),
        ("film.mp4", b"\x00\x01" * 3_000_000, 413),
    ],
)
def test_what_is_no_film_or_too_large_is_refused_and_leaves_nothing(
    start: Start, demo: Path, name: str, content: bytes, status: int
) -> None:
    client = start(n_bytes=5_000_000)
    refused = bring(client, name, content)
    assert refused.status_code == status
    assert refused.json()["message"]
    assert client.get("/api/v1/uploads").json() == []
    assert not [path for path in (demo / "uploads").rglob("*") if path.is_file()]


def test_a_body_longer_than_it_says_is_stopped_on_its_way(start: Start, demo: Path) -> None:
    client, sent = start(n_bytes=1_000_000), 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 100_000
            yield b"\x00\x01" * 50_000

    refused = client.post("/api/v1/uploads", params={"name": "a.mp4"}, content=body())
    assert refused.status_code == 413
    assert not [path for path in (demo / "uploads").rglob("*") if path.is_file()]


def test_rubbish_that_looks_like_a_film_fails_in_words(start: Start) -> None:
    client = start()
    taken = decoded(bring(client, "a.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 40))
    found = wait(client, taken["id"], "done", "failed")
    assert found["state"] == "failed"
    assert len(found["message"]) > 10
    assert client.post(f"/api/v1/uploads/{taken['id']}/join").status_code == 409


def test_one_that_takes_too_long_is_stopped_and_the_next_has_its_turn(
    start: Start, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(seconds=0.3)
    taken = decoded(bring(client, "slow.mp4", film))
    found = wait(client, taken["id"], "done", "failed")
    assert found["state"] == "failed"
    assert "longer than 0.3 s" in found["message"]
    again = decoded(bring(client, "next.mp4", film))
    assert wait(client, again["id"], "failed")["message"]


def test_a_process_that_dies_costs_only_its_film(start: Start, film: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    client = start()
    real = sys.executable
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    dead = decoded(bring(client, "dies.mp4", film))
    assert "died" in wait(client, dead["id"], "failed")["message"]
    monkeypatch.setattr(sys, "executable", real)
    taken = decoded(bring(client, "lives.mp4", film))
    assert wait(client, taken["id"], "done", "failed")["state"] == "done"


def films_in(folder: Path) -> list[str]:
    """Names of the videos in and under a folder; unlike `rglob` it bears that folders go while it looks."""
    return [name for _, _, names in os.walk(folder) for name in names if name.endswith(".mp4")]


def test_cancelled_while_waiting_and_while_looked_at(start: Start, demo: Path, film: bytes) -> None:
    client = start()
    first, second = (decoded(bring(client, name, film)) for name in ("1.mp4", "2.mp4"))
    wait(client, first["id"], "looking")
    assert decoded(client.get(f"/api/v1/uploads/{second['id']}"))["state"] == "waiting"
    for taken in (second, first):
        assert decoded(client.delete(f"/api/v1/uploads/{taken['id']}"))["state"] == "cancelled"
    until = time.monotonic() + 10
    while films_in(demo / "uploads") and time.monotonic() < until:
        time.sleep(0.1)
    assert not films_in(demo / "uploads")
    third = decoded(bring(client, "3.mp4", film))
    assert wait(client, third["id"], "done", "failed")["state"] == "done"


@pytest.mark.parametrize("last", [False, True], ids=["on its way", "after its last byte"])
def test_cancelled_while_it_comes_it_stays_in_the_list_and_is_not_looked_at(
    demo: Path, film: bytes, last: bool
) -> None:
    uploads = Uploads(Run.open(demo), Limits())

    async def chunks() -> AsyncIterator[bytes]:
        yield film[:1000]
        if last:
            yield film[1000:]
        uploads.cancel(uploads.all()[0].id)
        if not last:
            yield film[1000:]

    try:
        with ThreadPoolExecutor() as aside:  # a browser's driver may have this thread's event loop
            taken = aside.submit(asyncio.run, uploads.receive("a.mp4", chunks(), None)).result()
        assert taken.state == "cancelled"
        time.sleep(0.3)
        assert [upload.state for upload in uploads.all()] == ["cancelled"]
        assert not (demo / "uploads" / taken.id).exists()
    finally:
        uploads.close()


def test_a_queue_that_is_full_and_a_visitor_in_a_hurry_are_told_to_wait(
    start: Start, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object) -> dict[str, str]:
        time.sleep(1.5)
        return {"reason": "enough"}

    monkeypatch.setattr(module.Uploads, "_ask", ask)
    client = start()
    answers = [bring(client, f"{i}.mp4", film) for i in range(10)]
    assert [answer.status_code for answer in answers].count(429) >= 1
    assert "waiting already" in answers[-1].json()["message"]
    monkeypatch.setattr(module, "MAX_WAITING", 10**6)
    answers = [bring(client, f"again {i}.mp4", film) for i in range(14)]
    assert answers[-1].status_code == 429
    assert "in a minute" in answers[-1].json()["message"]


def test_joining_puts_it_into_the_atlas_and_keeps_its_file(start: Start, demo: Path, film: bytes) -> None:
    client = start()
    n = client.get("/api/v1/run").json()["n_films"]
    taken = decoded(bring(client, "the newcomer.mp4", film))
    wait(client, taken["id"], "done")
    decoded(client.post(f"/api/v1/uploads/{taken['id']}/join"))
    joined = wait(client, taken["id"], "joined", "done")
    assert joined["state"] == "joined", joined["message"]
    assert client.get("/api/v1/run").json()["n_films"] == n + 1
    page = decoded(client.get("/api/v1/film", params={"id": joined["trailer_id"]}))
    assert page["video"] == ".mp4"
    assert page["subgenre"]
    assert client.delete(f"/api/v1/uploads/{taken['id']}").status_code == 409
    assert client.post(f"/api/v1/uploads/{taken['id']}/join").status_code == 409
    with TestClient(make_app(Run.open(demo)), base_url="http://localhost") as later:
        video = later.get("/api/v1/film/video", params={"id": joined["trailer_id"]})
        assert video.content == film


def test_a_client_that_falls_silent_is_let_go(demo: Path) -> None:
    script = (
        "import sys; from cinegrain.web import uploads; uploads._LONGEST_SILENCE_S = 0.5; "
        "from cinegrain.cli.main import app; app(['serve', sys.argv[1], '--port', '0'])"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(demo)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base = httpx.URL(process.stdout.readline().removeprefix("Explorer: ").strip())
        try:
            with socket.create_connection((base.host, base.port or 0), timeout=10) as line:
                head = f"POST /api/v1/uploads?name=a.mp4 HTTP/1.1\r\nHost: {base.host}\r\nContent-Length: 1000\r\n\r\n"
                line.sendall(head.encode() + b"\x00\x00\x00\x18ftypmp42")
                assert b" 408 " in line.recv(4096)
            assert httpx.get(base.join("/api/v1/uploads")).json() == []
        finally:
            process.terminate()


def test_the_process_that_answers_stays_warm_and_is_replaced_when_it_is_gone(demo: Path, film: bytes) -> None:
    uploads = Uploads(Run.open(demo), Limits())

    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        yield content

    def bring_and_wait(content: bytes) -> UploadView:
        with ThreadPoolExecutor() as aside:  # a browser's driver may have this thread's event loop
            id_ = aside.submit(asyncio.run, uploads.receive("a.mp4", chunks(content), None)).result().id
        until = time.monotonic() + 120
        while (found := uploads.get(id_)).state not in ("done", "failed") and time.monotonic() < until:
            time.sleep(0.05)
        return found

    def pid() -> int:
        assert uploads._looking is not None
        return uploads._looking.pid

    try:
        assert bring_and_wait(film).state == "done"
        first = pid()
        rubbish = bring_and_wait(b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 40)
        assert (rubbish.state, pid()) == ("failed", first)
        assert (bring_and_wait(film).state, pid()) == ("done", first)
        os.kill(first, signal.SIGKILL)
        assert bring_and_wait(film).state == "done"
        last = pid()
        assert last != first
    finally:
        uploads.close()
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)
