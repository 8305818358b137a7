"""Workers that are killed, hang, run out of memory or cannot start, with real processes."""

import ctypes
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from cinegrain.errors import CinegrainError
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import Failed, OnProgress, Work
from cinegrain.pipeline.extraction.workers import WorkerPool
from cinegrain.store.schema import EmbeddedTrailer, SceneRow, TrailerRecord

pytestmark = [pytest.mark.timeout(120)]
NAMES = [f"film {i}" for i in range(6)]


def embedded(job: Job, thumbnail: bytes | None = None) -> EmbeddedTrailer:
    record = TrailerRecord(job.trailer_id, str(os.getpid()), "", 0, 0, 1.0, 1, (), ())
    return EmbeddedTrailer(record, (SceneRow(0, 0.0, 1.0, thumbnail),), {})


def first_time(job: Job) -> bool:
    """Whether nobody has begun this job before; the file at its path is the mark."""
    mark = Path(job.path)
    if mark.exists():
        return False
    mark.write_text(str(os.getpid()))
    return True


def without_networks(work: Work, on_progress: OnProgress) -> Work:
    """What a worker loads whose work needs nothing."""
    del on_progress
    return work


def run(folder: Path, work: Work, names: list[str], *, silence_s: float = 600.0) -> tuple[list[str], dict[str, str]]:
    """Ids that were done, sorted, and reasons of those that failed."""
    with WorkerPool(functools.partial(without_networks, work), n_workers=2, silence_s=silence_s) as pool:
        outcomes = list(pool.each([Job(name, folder / name) for name in names]))
    done = sorted(o.record.trailer_id for o in outcomes if isinstance(o, EmbeddedTrailer))
    return done, {o.job.trailer_id: o.reason for o in outcomes if isinstance(o, Failed)}


def waits_to_be_killed(job: Job) -> EmbeddedTrailer:
    if job.trailer_id == "film 2" and first_time(job):
        time.sleep(600)
    return embedded(job)


def test_a_worker_killed_from_outside_costs_nothing(tmp_path: Path) -> None:
    def kill() -> None:
        mark = tmp_path / "film 2"
        while not mark.exists() or not mark.read_text():
            time.sleep(0.01)
        os.kill(int(mark.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert run(tmp_path, waits_to_be_killed, NAMES) == (NAMES, {})
    killer.join()


def hangs_inside_a_library(job: Job) -> EmbeddedTrailer:
    """Sleeps in C without giving Python a turn, as a decoder in an endless loop does."""
    if "always" in job.trailer_id or ("once" in job.trailer_id and first_time(job)):
        ctypes.PyDLL(None).sleep(600)
    return embedded(job)


def test_what_hangs_is_stopped_and_tried_once_more(tmp_path: Path) -> None:
    done, failed = run(tmp_path, hangs_inside_a_library, [*NAMES, "hangs always", "hangs once"], silence_s=1.0)
    assert done == [*NAMES, "hangs once"]
    assert failed == {"hangs always": failed["hangs always"]}
    assert "took longer than 1 s" in failed["hangs always"]


def dies_while_telling(job: Job) -> EmbeddedTrailer:
    """Half of the result is on its way when the process goes."""
    if job.trailer_id == "film 3" and first_time(job):

        def send_half(pipe: Connection, content: bytes) -> None:
            os.write(pipe.fileno(), content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        Connection._send = send_half  # type: ignore[attr-defined]
    return embedded(job, thumbnail=bytes(50_000))


def test_half_a_result_is_none(tmp_path: Path) -> None:
    assert run(tmp_path, dies_while_telling, NAMES) == (NAMES, {})


def wants_all_memory(job: Job) -> EmbeddedTrailer:
    if job.trailer_id == "film 1":
        np.empty(int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 0.9), np.uint8)
    return embedded(job)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are set on Linux only")
def test_out_of_memory_is_a_failure_of_that_trailer(tmp_path: Path) -> None:
    done, failed = run(tmp_path, wants_all_memory, NAMES)
    assert failed == {"film 1": "not enough memory to read it"}
    assert len(done) == len(NAMES) - 1


class _DiesOnArrival:
    def __call__(self, job: Job) -> EmbeddedTrailer:
        raise AssertionError

    def __reduce__(self) -> tuple[Callable[[int], object], tuple[int]]:
        return os._exit, (3,)


def test_workers_that_cannot_start_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(CinegrainError, match=r"die while they start .*exit code 3"):
        run(tmp_path, _DiesOnArrival(), NAMES)


def fails_unexpectedly(job: Job) -> EmbeddedTrailer:
    if job.trailer_id == "film 4":
        raise ZeroDivisionError("strange\nfile \udcff")
    return embedded(job)


def test_an_unforeseen_error_costs_one_trailer(tmp_path: Path) -> None:
    done, failed = run(tmp_path, fails_unexpectedly, NAMES)
    assert len(done) == len(NAMES) - 1
    assert failed == {"film 4": r"unexpected ZeroDivisionError: strange\nfile \udcff"}


def sleeps(job: Job) -> EmbeddedTrailer:
    first_time(job)
    time.sleep(600)
    return embedded(job)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_go_when_the_run_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.robust import test_lost_workers as t\n"
        "if __name__ == '__main__': t.run(Path(sys.argv[1]), t.sleeps, ['a', 'b'])"
    )
    (tmp_path / "script.py").write_text(script)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"}
    with subprocess.Popen([sys.executable, tmp_path / "script.py", tmp_path], cwd=root, env=environment) as driver:
        marks = [tmp_path / "a", tmp_path / "b"]
        while not all(mark.exists() and mark.read_text() for mark in marks):
            assert driver.poll() is None
            time.sleep(0.02)
        driver.send_signal(how)
        driver.wait(timeout=20)
    pids = [int(mark.read_text()) for mark in marks]
    until_s = time.monotonic() + 20
    while any(_lives(pid) for pid in pids):
        assert time.monotonic() < until_s, "workers outlive the run"
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
