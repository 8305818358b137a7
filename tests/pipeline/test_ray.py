"""The Ray engine on real clusters of this machine: nodes that die, files that kill, Ctrl-C."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lance
import numpy as np
import pytest
from tests.pipeline.conftest import Cinegrain

from cinegrain.errors import CinegrainError, ConfigError
from cinegrain.experts.runtime import Runtime
from cinegrain.pipeline.extraction import ray_engine
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import Failed, Lost, Work, WorkerSetup
from cinegrain.pipeline.extraction.ray_engine import embed_on_ray
from cinegrain.settings import MediaSettings
from cinegrain.store.schema import EMBEDDINGS, SCENES, TRAILERS, EmbeddedTrailer, TrailerRecord, table_path
from cinegrain_demo.corpus import CorpusFiles

pytestmark = [pytest.mark.timeout(900), pytest.mark.skipif(sys.platform != "linux", reason="starts and kills nodes")]
NAMES = [f"film {i}" for i in range(6)]
_STORE_BYTES = 80 << 20


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    """A cluster whose second node may be killed."""
    with _cluster() as cluster:
        cluster.second = cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
        yield cluster


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of one node."""
    with _cluster() as cluster:
        yield cluster.address


@contextmanager
def _cluster() -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # whatever tokens this machine may hold
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture(scope="module")
def archive(corpus: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the corpus three times over, with a catalogue in it, so that there is time to kill a node."""
    folder = tmp_path_factory.mktemp("archive")
    rows = ["file,genres"]
    for film in corpus.videos.iterdir():
        for copy in "abc":
            (folder / f"{copy}-{film.name}").hardlink_to(film)
            rows.append(f"{copy}-{film.name},Drama")
    (folder / "catalog.csv").write_text("\n".join(rows))
    return folder


def command(archive: Path, out: Path, *more: str) -> list[str]:
    experts = ("--json", "--extract.experts", "motion_flow,audio_yamnet")
    return ["extract", f"{archive}", "--catalog", f"{archive / 'catalog.csv'}", "--out", f"{out}", *experts, *more]


@pytest.fixture(scope="module")
def one(archive: Path, cinegrain: Cinegrain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive's run as one machine makes it."""
    out = tmp_path_factory.mktemp("one") / "run"
    assert cinegrain(*command(archive, out)).json["embedded"] == 48
    return out


def table(run: Path, name: str, *keys: str) -> list[dict[str, Any]]:
    rows = lance.dataset(str(table_path(run / "dataset", name))).to_table().to_pylist()
    return sorted(rows, key=lambda row: [row[key] for key in keys])


def wait_for(run: Path, process: "subprocess.Popen[str]", n_films: int) -> None:
    """Until so many films are in the dataset."""
    path = table_path(run / "dataset", TRAILERS)
    while not path.exists() or not any(path.glob("_versions/*")) or lance.dataset(str(path)).count_rows() < n_films:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def kill_while_it_reads(node: Any, process: "subprocess.Popen[str]") -> None:
    """Kills a node with all that runs on it, as a power cut does, once a worker of it reads a film."""
    raylet = node.all_processes["raylet"][0].process.pid
    while True:
        assert process.poll() is None, "all was done before the node could be killed"
        children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
        with suppress(OSError):
            if any(b"ray::_embed" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children):
                break
        time.sleep(0.01)
    for pid in (raylet, *map(int, children)):  # its daemon first, so that it cannot tell of its workers' deaths
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_interrupted_and_with_a_node_killed_it_gives_what_one_machine_gives(
    archive: Path, one: Path, two_nodes: Any, tmp_path: Path
) -> None:
    many = [sys.executable, "-m", "cinegrain", *command(archive, tmp_path / "many", "--extract.ray", two_nodes.address)]
    with subprocess.Popen(many, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(tmp_path / "many", process, 3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
        assert process.returncode == 130
        assert "run the same command again to continue" in err
        assert "Traceback" not in err

    with subprocess.Popen(many, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        kill_while_it_reads(two_nodes.second, process)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "the machine reading it died" in err, "no film was on the node: the test shows nothing"
    assert '"embedded": 48' in out
    assert out.lstrip().startswith("{"), "only JSON on standard output"
    assert '"new": 48' not in out, "what was done before Ctrl-C was done again"

    assert_same_dataset(tmp_path / "many", one)


def assert_same_dataset(many_: Path, one: Path) -> None:
    assert table(many_, TRAILERS, "trailer_id") == table(one, TRAILERS, "trailer_id")
    assert table(many_, SCENES, "trailer_id", "scene") == table(one, SCENES, "trailer_id", "scene")
    left, right = (table(run, EMBEDDINGS, "trailer_id", "scene", "expert") for run in (one, many_))
    assert len(left) == len(right) > 96
    for a, b in zip(left, right, strict=True):
        assert a["trailer_id"] == b["trailer_id"]
        assert (a["scene"], a["expert"]) == (b["scene"], b["expert"])
        # Stored as float16: one step of it, should another processor add up in another order.
        vector, other = np.asarray(a["vector"], float), np.asarray(b["vector"], float)
        np.testing.assert_allclose(vector, other, rtol=2e-3, atol=1e-4)


def embedded(job: Job) -> EmbeddedTrailer:
    return EmbeddedTrailer(TrailerRecord(job.trailer_id, "", "", 0, 0, 1.0, 0, (), ()), (), {})


def troublesome(job: Job) -> EmbeddedTrailer:
    """Kills or hangs its process, always or the first time, by name."""
    mark, kind = Path(job.path), job.trailer_id.partition(" ")[0]
    first = not mark.exists()
    mark.touch()
    if kind == "bad" or (kind == "once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "hangs":
        ctypes.PyDLL(None).sleep(600)  # gives Python no turn, as a decoder in an endless loop
    if kind == "strange":
        raise ZeroDivisionError("strange\nfile")
    return embedded(job)


def run(folder: Path, address: str, work: Work, names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Ids that were done, sorted, and reasons of those that failed."""
    setup = WorkerSetup((), MediaSettings(time_limit_s=1.0), folder, Runtime())
    jobs = [Job(name, folder / name) for name in names]
    outcomes = list(embed_on_ray(jobs, setup, address=address, work=work))
    done = sorted(o.record.trailer_id for o in outcomes if isinstance(o, EmbeddedTrailer))
    return done, {o.job.trailer_id: o.reason for o in outcomes if isinstance(o, Failed)}


def test_files_that_kill_or_hang_cost_themselves_only(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ray_engine, "HANG_MARGIN_S", 1.0)
    done, failed = run(tmp_path, address, troublesome, ["bad one", "once", "hangs", "strange", *NAMES])
    assert done == sorted([*NAMES, "once"])
    assert sorted(failed) == ["bad one", "hangs", "strange"]
    # This process stays in the cluster, so that news of a dead worker may still come when the run is over.
    printed = capsys.readouterr().out.splitlines()
    said = [line for line in printed if "(raylet)" not in line or "worker died" not in line]
    assert not said, "Ray's own lines would spoil --json"
    assert "died twice" in failed["bad one"]
    assert "media.time_limit_s" in failed["hangs"]
    assert failed["strange"] == r"unexpected ZeroDivisionError: strange\nfile"


def test_what_fails_for_all_ends_the_run(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "__version__", "0.0.other")
    setup = WorkerSetup(("motion_flow",), MediaSettings(), tmp_path, Runtime())
    with pytest.raises(CinegrainError, match=r"this machine has 0\.0\.other"):
        list(embed_on_ray([Job("film", tmp_path / "film")], setup, address=address))


def test_without_ray_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'cinegrain\[ray\]'"):
        run(tmp_path, "auto", embedded, NAMES)


@pytest.mark.parametrize("nowhere", ["127.0.0.1:9", "nonsense", "http://127.0.0.1:9"])
def test_where_no_cluster_is_the_message_says_so_at_once(nowhere: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no Ray cluster to join"):
        run(tmp_path, nowhere, embedded, NAMES)


def test_ray_client_is_refused_before_anything_is_read(cinegrain_here: Cinegrain, tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("file,genres\nfilm.mp4,Drama")
    done = cinegrain_here(*command(tmp_path, tmp_path / "run", "--extract.ray", "ray://head:10001"))
    assert done.code == 2
    assert "on the head node of the cluster, with --extract.ray auto" in " ".join(done.err.split())


class NodeDiedError(Exception): ...


class _OtherError(Exception): ...


class FakeRay:
    """A cluster of two processors on which a job named `node killer` takes its machine along."""

    def __init__(self) -> None:
        others = ("LocalRayletDiedError", "ObjectLostError", "WorkerCrashedError", "TaskCancelledError")
        names = (*others, "OutOfMemoryError", "RayError")
        self.exceptions = SimpleNamespace(NodeDiedError=NodeDiedError, **dict.fromkeys(names, _OtherError))
        self.most_in_flight = 0
        self.submitted: Counter[str] = Counter()

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def wait(self, refs: list[Job], num_returns: int, timeout: float) -> tuple[list[Job], list[Job]]:
        self.most_in_flight = max(self.most_in_flight, len(refs))
        return refs[:num_returns], refs[num_returns:]

    def get(self, ref: Job) -> EmbeddedTrailer:
        if ref.trailer_id == "node killer":
            raise NodeDiedError
        return embedded(ref)

    def submit(self, job: Job) -> Job:
        self.submitted[job.trailer_id] += 1
        return job


def test_few_tasks_are_in_flight_and_retries_are_bounded() -> None:
    fake = FakeRay()
    films = [f"film {i}" for i in range(20)]
    jobs = [Job(name, Path()) for name in ["node killer", *films]]
    outcomes = list(ray_engine._run(fake, jobs, fake.submit, at_once=0))  # type: ignore[arg-type]
    assert fake.most_in_flight == 4, "twice the processors"
    assert [o.job.trailer_id for o in outcomes if isinstance(o, Lost)] == ["node killer"]
    assert fake.submitted == {"node killer": 3, **dict.fromkeys(films, 1)}
    assert sorted(o.trailer_id for o in outcomes if isinstance(o, EmbeddedTrailer)) == sorted(films)
