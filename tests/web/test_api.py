"""The HTTP API: who is let in, what is refused, what files can be had, and edits that cross."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from tests.web.conftest import Serve, decoded

from cinegrain.atlas.edit import Editor
from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.layout import Run
from cinegrain.web.api import openapi
from cinegrain.web.explorer import Explorer
from cinegrain.web.server import make_app

HERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def client(demo: Path) -> Iterator[TestClient]:
    with TestClient(make_app(Run.open(demo)), base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def film(client: TestClient) -> str:
    return str(client.get("/api/v1/points").json()["id"][0])


def edit(client: TestClient, version: int, **what: object) -> Any:
    wish = {"version": version, "by": "Ada", "edit": what}
    return client.post("/api/v1/edits", json=wish)


def test_other_names_of_this_machine_are_refused(client: TestClient) -> None:
    assert client.get("/api/v1/run", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/", headers={"host": "127.0.0.1.evil.example:8765"}).status_code == 403
    assert client.get("/api/v1/run", headers={"host": "localhost:8765"}).status_code == 200
    assert client.head("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:2"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_change_nothing(client: TestClient, headers: dict[str, str]) -> None:
    before = client.get("/api/v1/run").json()["version"]
    asked = {"version": before, "by": "Eve", "edit": {"do": "lock", "subgenre": "S01"}}
    assert client.post("/api/v1/edits", json=asked, headers=headers).status_code == 403
    assert client.post("/api/v1/uploads?name=a.mp4", content=b"x", headers=headers).status_code == 403
    assert client.get("/api/v1/run").json()["version"] == before
    assert client.get("/api/v1/uploads").json() == []


def test_beyond_this_machine_a_token_is_needed_and_leaves_the_address(demo: Path) -> None:
    with TestClient(make_app(Run.open(demo), token="s3cret-t0ken"), base_url="http://archive:8765") as client:
        assert client.get("/api/v1/run").status_code == 401
        assert client.get("/").status_code == 401
        assert client.get("/assets/x.js").status_code == 401
        assert client.get("/?token=s3cret", follow_redirects=False).status_code == 401
        assert client.get("/api/v1/run?token=s3cret-t0ken").status_code == 401, (
            "not in an API address: those get shared"
        )
        assert client.get("/api/v1/run", headers={"authorization": "Bearer s3cret-t0ken"}).status_code == 200
        welcome = client.get("/?token=s3cret-t0ken&x=1", follow_redirects=False)
        assert welcome.status_code == 303
        assert welcome.headers["location"] == "/?x=1"
        cookie = welcome.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert client.get("/api/v1/run").status_code == 200, "the cookie"


def test_the_real_server_asks_for_a_token_beyond_loopback_and_logs_none(demo: Path, serve: Serve) -> None:
    address = serve(demo, "--host", "0.0.0.0")
    token = address.partition("token=")[2]
    port = address.split(":")[2].split("/")[0]
    assert len(token) >= 32
    base = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{base}/api/v1/run").status_code == 401
    assert httpx.get(f"{base}/api/v1/run", headers={"authorization": f"Bearer {token}"}).status_code == 200
    for path in (demo / name for name in ("provenance.json", "metrics.json", "atlas.json") if (demo / name).exists()):
        assert token not in path.read_text()


def test_pages_may_load_nothing_from_elsewhere_and_run_nothing_inline(client: TestClient) -> None:
    page = client.get("/")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<style" not in page.text
    assert "<script>" not in page.text
    assert "http" not in page.text
    for name in ("nothing", "../../atlas.json", "%2e%2e/%2e%2e/server.py"):
        assert client.get(f"/assets/{name}").status_code == 404


@pytest.mark.parametrize(
    "id_",
    ["../atlas", "..%2fpasswd", "/etc/passwd", "film\x00", "a" * 600, "💥", "S01", "film-0001/../x", " "],
)
def test_odd_ids_are_refused_in_words(client: TestClient, id_: str) -> None:
    for path in ("/film", "/film/video", "/film/thumb", "/film/timeline", "/film/loudness", "/film/similar"):
        refused = client.get(f"/api/v1{path}", params={"id": id_})
        assert refused.status_code in (404, 422), path
        assert refused.json()["message"]


def make_secret_link(path: Path) -> None:
    secret = path.parent / "secret"
    secret.write_text("secret")
    path.symlink_to(secret)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("gone.mp4", lambda path: None),
        ("folder.mp4", Path.mkdir),
        ("fifo.mp4", os.mkfifo),
        ("secret.txt", lambda path: path.write_text("secret")),
        ("link.mp4", make_secret_link),
    ],
)
def test_a_film_whose_file_became_something_else_is_not_served(
    client: TestClient,
    film: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    make: Callable[[Path], None],
) -> None:
    make(tmp_path / name)
    found = Explorer.record
    monkeypatch.setattr(
        Explorer, "record", lambda explorer, id_: replace(found(explorer, id_), path=str(tmp_path / name))
    )
    for path in ("/film/video", "/film/loudness"):
        refused = client.get(f"/api/v1{path}", params={"id": film})
        assert refused.status_code == 404
        assert "not on this machine" in refused.json()["message"]
    monkeypatch.undo()
    assert client.get("/api/v1/film/video", params={"id": film}).status_code == 200


def test_ranges_are_served_one_at_a_time_and_within_the_file(client: TestClient, film: str) -> None:
    whole = client.get("/api/v1/film/video", params={"id": film})
    n = len(whole.content)
    part = client.get("/api/v1/film/video", params={"id": film}, headers={"range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == whole.content[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{n}"
    tail = client.get("/api/v1/film/video", params={"id": film}, headers={"range": "bytes=-5"})
    assert tail.content == whole.content[-5:]
    for odd in (f"bytes={n}-", "bytes=0-1,3-4", "bytes=0-0," * 500 + "0-0"):
        assert client.get("/api/v1/film/video", params={"id": film}, headers={"range": odd}).status_code == 416
    for odd in ("bytes=9-3", "bytes=x-y", "lines=1-2"):
        assert client.get("/api/v1/film/video", params={"id": film}, headers={"range": odd}).status_code in (
            200,
            400,
            416,
        )


def test_films_answers_agree_with_the_runs_own_files(client: TestClient, demo: Path) -> None:
    rows = {row["trailer_id"]: row for row in read_json(demo / "trailers.json")}
    found = client.get("/api/v1/points").json()
    assert set(found["id"]) == set(rows)
    for i, id_ in enumerate(found["id"]):
        assert found["map"][i] == pytest.approx(rows[id_]["map"], abs=1e-4)
        assert found["year"][i] == rows[id_]["year"]
    some = client.get("/api/v1/points", params={"limit": 5}).json()
    assert len(some["id"]) == 5
    assert some["n_wanted"] == len(rows)
    assert some["id"] == client.get("/api/v1/points", params={"limit": 5}).json()["id"]
    (x, y), half = found["map"][0], 1.0
    box = client.get("/api/v1/points", params={"box": [x - half, y - half, x + half, y + half]}).json()
    near = {i for i, (a, b) in zip(found["id"], found["map"], strict=True) if abs(a - x) <= half and abs(b - y) <= half}
    assert set(box["id"]) == near


def test_filters_find_what_a_plain_walk_over_the_rows_finds(client: TestClient, demo: Path) -> None:
    rows = open_atlas(Run.open(demo)).rows
    genre = rows[0].catalog_genres[0]
    subgenre = next(row.sub_genre.id for row in rows if row.sub_genre)
    years = sorted(row.year for row in rows if row.year is not None)
    middle = years[len(years) // 2]
    word = rows[0].title.split()[0]

    def sure(row: Any) -> float:
        of = {each.id: each.membership for each in row.memberships}
        return float(of.get(row.sub_genre.id, 0.0))

    asked: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
        ({}, lambda row: True),
        ({"genre": [genre]}, lambda row: genre in row.catalog_genres),
        ({"genre": ["No such genre"]}, lambda row: False),
        ({"subgenre": [subgenre]}, lambda row: row.sub_genre.id == subgenre),
        ({"year_from": middle}, lambda row: row.year >= middle),
        ({"year_to": middle - 1}, lambda row: row.year < middle),
        ({"text": word.upper()}, lambda row: word.casefold() in row.title.casefold()),
        ({"sure": 0.9}, lambda row: sure(row) >= 0.9),
        ({"genre": [genre], "year_to": middle}, lambda row: genre in row.catalog_genres and row.year <= middle),
    ]
    for params, test in asked:
        found = client.get("/api/v1/points", params=params).json()
        assert set(found["id"]) >= {row.trailer_id for row in rows if test(row)}, params
        if "text" not in params:  # words are looked for in the catalogue's texts as well
            assert set(found["id"]) == {row.trailer_id for row in rows if test(row)}, params
        assert found["n_wanted"] == len(found["id"])


def test_what_a_browser_has_already_is_not_sent_again_until_it_changes(client: TestClient) -> None:
    first = client.get("/api/v1/run")
    tag = {"if-none-match": first.headers["etag"]}
    assert client.get("/api/v1/run", headers=tag).status_code == 304
    subgenre = first.json()["subgenres"][0]["id"]
    decoded(edit(client, first.json()["version"], do="rename", subgenre=subgenre, name="Another name"))
    again = client.get("/api/v1/run", headers=tag)
    assert again.status_code == 200
    assert again.json()["subgenres"][0]["name"] == "Another name"
    decoded(edit(client, again.json()["version"], do="undo"))


def test_of_two_edits_of_the_same_version_one_is_refused_and_none_lost(client: TestClient, demo: Path) -> None:
    run = client.get("/api/v1/run").json()
    subgenre = run["subgenres"][0]["id"]
    decoded(edit(client, run["version"], do="rename", subgenre=subgenre, name="First"))
    late = edit(client, run["version"], do="rename", subgenre=subgenre, name="Second")
    assert late.status_code == 409
    assert "First" in late.json()["message"]
    assert client.get("/api/v1/subgenre", params={"id": subgenre}).json()["name"] == "First"
    Editor(Run.open(demo), "the command line").rename(subgenre, "Third")
    assert client.get("/api/v1/subgenre", params={"id": subgenre}).json()["name"] == "Third", "seen at once"
    late = edit(client, run["version"] + 1, do="undo")
    assert late.status_code == 409
    names = [entry["said"] for entry in client.get("/api/v1/history").json()[:2]]
    assert "Third" in names[0]
    assert "First" in names[1]


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"do": "rename", "subgenre": "S01", "name": " "}, ""),
        ({"do": "rename", "subgenre": "S999", "name": "x"}, "S999"),
        ({"do": "merge", "into": "S01", "others": ["S01"]}, ""),
        ({"do": "move", "trailers": ["nobody"], "to": "S01"}, "nobody"),
        ({"do": "split", "subgenre": "S01", "trailers": []}, "trailers"),
        ({"do": "rm -rf", "subgenre": "S01"}, ""),
        ({"do": "undo", "entries": ["E9999"]}, "E9999"),
    ],
)
def test_an_edit_without_sense_is_refused_in_words(client: TestClient, wish: dict[str, object], says: str) -> None:
    version = client.get("/api/v1/run").json()["version"]
    refused = edit(client, version, **wish)
    assert refused.status_code == 422
    assert says in refused.json()["message"]
    assert client.get("/api/v1/run").json()["version"] == version


def test_the_atlas_comes_as_csv_json_and_turtle(client: TestClient) -> None:
    assert "trailer_id" in client.get("/api/v1/export/csv").text.splitlines()[0]
    assert json.loads(client.get("/api/v1/export/json").content)
    assert "skos:" in client.get("/api/v1/export/ttl").text
    assert client.get("/api/v1/export/exe").status_code == 422


def test_search_by_film_and_by_words(client: TestClient, film: str) -> None:
    found = decoded(client.post("/api/v1/search", json={"film": film, "weights": {"audio": 1.0}, "top_k": 3}))
    assert len(found["films"]) == 3
    assert client.post("/api/v1/search", json={"film": "nobody"}).status_code == 404
    assert client.post("/api/v1/search", json={}).status_code == 422


def test_the_explorers_types_are_generated_from_the_api_as_it_is() -> None:
    kept = Path(__file__).resolve().parents[2] / "web" / "ui" / "openapi.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == openapi(), "run `make ui` and commit what it builds"
