"""Films at addresses, wherever a film can be named: predict, assign, search."""

import csv
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.pipeline.conftest import Cinegrain

from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.errors import ConfigError
from cinegrain.media.remote import films_at
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.search.library import open_library
from cinegrain_demo.corpus import CorpusFiles

pytestmark = [pytest.mark.xdist_group("run"), pytest.mark.timeout(280)]
NAME = "ein Film é.mp4"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(corpus: CorpusFiles, tmp_path: Path) -> Iterator[str]:
    """The address of a folder with a film and something that is none."""
    folder = tmp_path / "web" / "films"
    folder.mkdir(parents=True)
    source = sorted(corpus.videos.glob("*.mp4"))[1]
    (folder / NAME).write_bytes(source.read_bytes() + b"\x00\x00\x00\x08free")
    (folder / "broken.mp4").write_bytes(b"no film")
    (folder / "notes.txt").write_text("no film either")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/films"
        server.shutdown()


def test_what_is_named_becomes_films_each_once(web: str, tmp_path: Path) -> None:
    film = tmp_path / "a b.mp4"
    film.touch()
    found = films_at([f"{web}/x.mp4", str(film), film.as_uri(), str(tmp_path / "gone.mp4"), web, web])
    assert found[:3] == [f"{web}/x.mp4", film, tmp_path / "gone.mp4"]
    assert [place.rpartition("/")[2] for place in map(str, found[3:])] == ["broken.mp4", "ein%20Film%20%C3%A9.mp4"]
    assert films_at([f"{web}/stream?id=7"]) == [f"{web}/stream?id=7"], "no folder: itself"
    with pytest.raises(ConfigError, match="Films cannot be read from"):
        films_at(["nothing://a/b.mp4"])


def test_predict_film_and_folder(finished: Path, web: str, cinegrain_here: Cinegrain, tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    done = cinegrain_here("predict", finished, web, f"{web}/gone.mp4", "http://127.0.0.1:1/x.mp4", "--out", out)
    assert done.code == 3
    with out.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["path"] == f"{web}/ein%20Film%20%C3%A9.mp4"
    with (tmp_path / "answers.failures.csv").open(encoding="utf-8-sig", newline="") as file:
        failed = {failure["path"]: failure["reason"] for failure in csv.DictReader(file)}
    assert failed.keys() == {f"{web}/broken.mp4", f"{web}/gone.mp4", "http://127.0.0.1:1/x.mp4"}
    assert failed[f"{web}/gone.mp4"] == f"There is nothing at {web}/gone.mp4. Check the URL."
    again = cinegrain_here("predict", finished, row["path"], "--out", out)
    assert (again.code, "1 of 1 films are already in" in again.err) == (0, True)
    here = cinegrain_here("predict", finished, tmp_path / "web" / "films" / NAME, "--json").json[0]
    there = cinegrain_here("predict", finished, row["path"], "--json").json[0]
    assert (here["genres"], here["neighbours"]) == (there["genres"], there["neighbours"])
    assert here["title"] == there["title"] == Path(NAME).stem


def test_search_predict_and_assign(finished: Path, web: str, cinegrain_here: Cinegrain, tmp_path: Path) -> None:
    film = f"{web}/ein%20Film%20%C3%A9.mp4"
    local = tmp_path / "web" / "films" / NAME
    near = [
        [row["trailer_id"] for row in cinegrain_here("search", finished, "--sounds-like", name, "--json").json["films"]]
        for name in (film, local)
    ]
    assert near[0] == near[1]
    assert cinegrain_here("predict", finished, film, "--json").json[0]["path"] == film
    gone = cinegrain_here("search", finished, "--like", f"{web}/gone.mp4")
    assert (gone.code, "There is nothing at" in gone.err) == (1, True)
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    done = cinegrain_here("assign", run, web, "--json")
    assert [row["trailer_id"] for row in done.json["films"]] == [NAME]
    assert [failure["path"] for failure in done.json["failures"]] == [f"{web}/broken.mp4"]
    assert NAME in open_atlas(Run.open(run)).trailer_ids
    again = cinegrain_here("assign", run, film, local, "--json").json
    assert again["films"] == []
    assert again["there"] == [{"path": film, "trailer_id": NAME}, {"path": str(local), "trailer_id": NAME}]
    (later,) = [one for one in open_library(Run.open(run), Silent()).films if one.trailer_id == NAME]
    assert later.path == film
