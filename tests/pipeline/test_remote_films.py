"""Films on a stand-in for S3, and on a web server, against the same films in a folder."""

import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import lance
import pytest
from moto.server import ThreadedMotoServer
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer
from tests.pipeline.conftest import Cinegrain

from cinegrain.errors import ConfigError
from cinegrain.media.remote import source_stamp
from cinegrain.pipeline.match_catalog import match_catalog
from cinegrain.runs.layout import Run
from cinegrain.store.location import Location, dataset_url
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import EMBEDDINGS, SCENES, TRAILERS, table_path
from cinegrain.types import Url
from cinegrain_demo.corpus import CorpusFiles

EXPERTS = ("--extract.experts", "motion_flow,audio_yamnet", "--extract.workers", 1, "--json")
N_FILMS = 3


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of a moto server, which the commands find by their environment."""
    running = ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "NO_PROXY": "*",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="archive")
        yield client
    running.stop()


@pytest.fixture(scope="module")
def films(corpus: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few films, and beside them their catalogue."""
    folder = tmp_path_factory.mktemp("here") / "films"
    folder.mkdir()
    chosen = sorted(corpus.videos.iterdir())[:N_FILMS]
    for film in chosen:
        (folder / f"ä {film.name}").write_bytes(film.read_bytes())
    rows = [f"{path.name},{path.stem},Drama" for path in sorted(folder.iterdir())]
    (folder.parent / "films.csv").write_text("\n".join(["file,trailer_id,genres", *rows]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def here(films: Path, cinegrain_here: Cinegrain) -> Path:
    """The run over the folder, with which all others must agree."""
    out = films.parent / "run"
    assert cinegrain_here("extract", films, "--catalog", films.parent / "films.csv", "--out", out, *EXPERTS).code == 0
    return out


def rows(run: Path, table: str) -> list[dict[str, Any]]:
    found = lance.dataset(str(table_path(run / "dataset", table))).to_table().to_pylist()
    return sorted(found, key=lambda row: (row["trailer_id"], row.get("scene", 0), row.get("expert", "")))


def assert_same(run: Path, other: Path) -> None:
    """Everything but where the films were, and when."""
    assert rows(run, SCENES) == rows(other, SCENES)
    assert rows(run, EMBEDDINGS) == rows(other, EMBEDDINGS)
    place = {"path": "", "modified_ns": 0}
    assert [{**row, **place} for row in rows(run, TRAILERS)] == [{**row, **place} for row in rows(other, TRAILERS)]


def test_a_bucket_gives_what_the_folder_gives(
    films: Path, here: Path, s3: Any, cinegrain_here: Cinegrain, tmp_path: Path
) -> None:
    catalog = films.parent / "films.csv"
    for film in films.iterdir():
        s3.upload_file(str(film), "archive", f"trailers/deep/{film.name}")
    s3.put_object(Bucket="archive", Key="trailers/notes.txt", Body=b"no film")
    run = ("extract", "s3://archive/trailers", "--catalog", catalog, "--out", tmp_path / "b", *EXPERTS)
    done = cinegrain_here(*run)
    assert done.code == 0, done.err
    assert done.json["new"] == N_FILMS
    assert_same(here, tmp_path / "b")
    paths = [row["path"] for row in rows(tmp_path / "b", TRAILERS)]
    assert all(path.startswith("s3://archive/trailers/deep/ä ") for path in paths)

    assert cinegrain_here(*run).json["new"] == 0
    again, other = sorted(films.iterdir())[:2]
    s3.upload_file(str(again), "archive", f"trailers/deep/{again.name}")  # the same, at another time
    s3.put_object(Bucket="archive", Key=f"trailers/deep/{other.name}", Body=again.read_bytes())
    assert cinegrain_here(*run).json["new"] == 1
    digests = {row["trailer_id"]: row["sha256"] for row in rows(tmp_path / "b", TRAILERS)}
    assert digests[again.stem] == digests[other.stem]

    def verified() -> tuple[int, int, int, list[str]]:
        done = cinegrain_here("dataset", "verify", tmp_path / "b", "--json")
        faults = [fault["where"] for fault in done.json["faults"]]
        return done.code, done.json["n_files_checked"], done.json["n_files_gone"], faults

    assert verified() == (0, N_FILMS, 0, [])
    s3.delete_object(Bucket="archive", Key=f"trailers/deep/{again.name}")
    time.sleep(1.1)  # an object's time is in whole seconds, and at an address size and time come before content
    s3.put_object(Bucket="archive", Key=f"trailers/deep/{other.name}", Body=again.read_bytes()[::-1])  # the same size
    assert verified() == (1, N_FILMS - 1, 1, [other.stem])


def test_what_cannot_be_had_is_a_failure_with_a_reason(
    films: Path, s3: Any, cinegrain: Cinegrain, tmp_path: Path
) -> None:
    film = next(films.iterdir())
    s3.upload_file(str(film), "archive", "some/good.mp4")
    s3.put_object(Bucket="archive", Key="some/broken.mp4", Body=b"no film at all" * 100)
    s3.put_object(Bucket="archive", Key="some/large.mp4", Body=bytes(3_000_000))
    names = ("good.mp4", "broken.mp4", "large.mp4", "gone.mp4")
    lines = ["file,trailer_id,genres", *(f"s3://archive/some/{name},{name},Drama" for name in names)]
    (tmp_path / "addresses.csv").write_text("\n".join([*lines, "s3://nowhere/x.mp4,nowhere,Drama"]))
    (tmp_path / "empty").mkdir()
    copies = tmp_path / "copies"
    copies.mkdir()
    run = ("extract", tmp_path / "empty", "--catalog", tmp_path / "addresses.csv", "--out", tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(copies))
        done = cinegrain(*run, *EXPERTS, "--extract.download_limit_gb", "0.002")
    assert done.code == 3
    assert done.json["embedded"] == 1
    reasons = {failure["trailer_id"]: failure["reason"] for failure in done.json["failures"]}
    assert "s3://archive/some/broken.mp4" in reasons["broken.mp4"]
    assert "/proc/" not in reasons["broken.mp4"]
    assert "extract.download_limit_gb" in reasons["large.mp4"]
    assert "There is nothing at s3://archive/some/gone.mp4" in reasons["gone.mp4"]
    assert "s3://nowhere" in reasons["nowhere"]
    left = [path for path in copies.iterdir() if path.stat().st_size > 10_000]
    assert not left, "copies are gone"


def test_a_web_server_gives_what_the_folder_gives(
    films: Path, here: Path, cinegrain_here: Cinegrain, tmp_path: Path
) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(films))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        lines = [f"{place}/{path.name},{path.stem},Drama" for path in sorted(films.iterdir())]
        (tmp_path / "web.csv").write_text("\n".join(["file,trailer_id,genres", *lines]), encoding="utf-8")
        (tmp_path / "empty").mkdir()
        run = ("extract", tmp_path / "empty", "--catalog", tmp_path / "web.csv", "--out", tmp_path / "b")
        done = cinegrain_here(*run, *EXPERTS)
        server.shutdown()
    assert done.code == 0, done.err
    assert_same(here, tmp_path / "b")


@pytest.fixture
def ftp(films: Path) -> Iterator[str]:
    """The films on an FTP server of this machine: a protocol that fsspec knows and nothing here was written for."""
    guests = DummyAuthorizer()
    guests.add_anonymous(str(films.parent), perm="elr")
    handler = type("Handler", (FTPHandler,), {"authorizer": guests})
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"ftp://127.0.0.1:{server.address[1]}"
    server.close_all()
    thread.join(10)


def test_an_ftp_server_gives_what_the_folder_gives(
    films: Path, here: Path, ftp: str, cinegrain_here: Cinegrain, tmp_path: Path
) -> None:
    catalog = films.parent / "films.csv"
    done = cinegrain_here("extract", f"{ftp}/films", "--catalog", catalog, "--out", tmp_path / "b", *EXPERTS)
    assert done.code == 0, done.err
    assert_same(here, tmp_path / "b")
    for row in rows(tmp_path / "b", TRAILERS):
        assert source_stamp(row["path"]) == (row["size_bytes"], row["modified_ns"]), "it counts as unchanged"
    assert [row["path"] for row in rows(tmp_path / "b", TRAILERS)] == [
        f"{ftp}/films/{p.name}" for p in sorted(films.iterdir())
    ]


OTHER_KINDS = (
    *("zip://x.mp4::s3://a/b.zip", "s3://a/b::file:///c.mp4", "simplecache::http://a/b.mp4", "local:///a.mp4"),
    *("reference://a/x.mp4", "dask://a/x.mp4", "nothing://a/x.mp4", "memory://a/x.mp4"),
)


@pytest.mark.parametrize("address", OTHER_KINDS)
def test_other_kinds_of_addresses_are_refused(address: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(f"file,genres\n{address},Drama")
    with pytest.raises(ConfigError, match=r"ilms (cannot be read from|are read by others)"):
        match_catalog(tmp_path, tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("address", "package"),
    [("az://archive/films", "adlfs"), ("sftp://host/films", "paramiko"), ("webdav://host/films", "webdav4")],
)
def test_a_missing_package_is_named(
    address: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.csv").write_text("file,genres\na.mp4,Drama")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=f"one more package.*{package}"):
        match_catalog(Url(address), tmp_path / "c.csv")


def test_a_dataset_on_an_object_store_is_the_same_and_resumes(
    films: Path, here: Path, s3: Any, cinegrain_here: Cinegrain, tmp_path: Path
) -> None:
    catalog = films.parent / "films.csv"
    command = ("extract", films, "--catalog", catalog, *EXPERTS)
    away = (*command, "--out", tmp_path / "b", "--extract.dataset", "s3://archive/sets/one")
    assert cinegrain_here(*away).json["new"] == N_FILMS
    assert not (tmp_path / "b" / "dataset").exists()
    for table in (TRAILERS, SCENES, EMBEDDINGS):
        ours, theirs = (
            lance.dataset(f"{place}/{table}.lance") for place in (here / "dataset", "s3://archive/sets/one")
        )
        key = lambda row: (row["trailer_id"], row.get("scene", 0), row.get("expert", ""))  # noqa: E731
        assert sorted(ours.to_table().to_pylist(), key=key) == sorted(theirs.to_table().to_pylist(), key=key)

    lance.dataset(f"s3://archive/sets/one/{TRAILERS}.lance").delete(f"trailer_id = '{min(films.iterdir()).stem}'")
    again = cinegrain_here(*command, "--out", tmp_path / "b")  # the run remembers where its dataset is
    assert again.json["new"] == 1, again.err
    checked = cinegrain_here("dataset", "verify", tmp_path / "b", "--json")
    assert (checked.code, checked.json["n_trailers"]) == (0, N_FILMS), "orphans were swept, nothing is doubled"
    assert Location(Url("s3://archive/sets/one")).size_bytes() > 10_000
    alone = cinegrain_here("dataset", "info", "s3://archive/sets/one", "--json")
    assert (alone.code, alone.json["trailers"]) == (0, N_FILMS), "a dataset can be named by its address"


def test_a_run_keeps_its_dataset_in_one_place(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", create=True)
    run.place_dataset(dataset_url("s3://archive/one/"))
    run.place_dataset(dataset_url("s3://archive/one"))
    assert Run.open(run.folder).dataset == "s3://archive/one"
    with pytest.raises(ConfigError, match="Choose another --out"):
        run.place_dataset(dataset_url("s3://archive/other"))
    for address in ("https://example.org/set", "data/set", "ftp://host/set", "sftp://host/set", "memory://set"):
        with pytest.raises(ConfigError, match=r"s3://bucket/dataset.*mount it and name the folder"):
            dataset_url(address)
    with pytest.raises(ConfigError, match="without chains"):
        dataset_url("s3://a::gs://b")
    with pytest.raises(ConfigError, match="mount it"):
        EmbeddingDataset(Url("webdav://host/set"))
