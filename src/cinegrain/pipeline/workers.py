"""A pool of single-threaded processes, one task a trailer, that survives a file which kills its worker."""

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from cinegrain.errors import CinegrainError
from cinegrain.experts.registry import load_networks
from cinegrain.media.settings import MediaSettings
from cinegrain.pipeline.embed import EmbeddedTrailer, embed_trailer

log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """One trailer to embed."""

    trailer_id: str
    path: Path


@dataclass(frozen=True)
class Failed:
    """A trailer that could not be embedded, and why in plain words."""

    job: Job
    reason: str


@dataclass(frozen=True)
class WorkerSetup:
    """What every worker loads once."""

    experts: tuple[str, ...]
    media: MediaSettings
    cache: Path


Work: TypeAlias = Callable[[Job], EmbeddedTrailer | Failed]

_networks: list[Any] = []
_setup: list[WorkerSetup] = []


def embed_all(
    jobs: Sequence[Job], setup: WorkerSetup, *, workers: int, work: Work | None = None
) -> Iterator[EmbeddedTrailer | Failed]:
    """Embeds trailers in parallel and gives each result as it comes.

    A worker that dies (killed, out of memory, a crash inside a decoder) costs the trailers it might have been
    working on one more try, each alone in a fresh process; one that kills its process again is a failure.

    Args:
        jobs: What to do.
        setup: What workers load.
        workers: Processes.
        work: Done in a worker for each job; embeds the trailer unless told otherwise.
    """
    work = work or _embed
    suspects: list[Job] = []
    queue = list(reversed(jobs))
    while queue:
        for outcome in _one_pool(queue, setup, min(workers, len(queue)), work):
            if isinstance(outcome, Suspects):
                suspects += outcome.jobs
            else:
                yield outcome
    for job in suspects:
        for outcome in _one_pool([job], setup, 1, work):
            if isinstance(outcome, Suspects):
                yield Failed(job, "the process reading it died twice (crash, or out of memory)")
            else:
                yield outcome


@dataclass(frozen=True)
class Suspects:
    """Jobs that were under way when a worker died."""

    jobs: tuple[Job, ...]


def _one_pool(
    queue: list[Job], setup: WorkerSetup, workers: int, work: Work
) -> Iterator[EmbeddedTrailer | Failed | Suspects]:
    """Takes jobs off the end of `queue` until it is empty or a worker dies."""
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, "1")  # read by the children when they import numpy
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(setup, os.getpid()),
    )
    pending: dict[Future[EmbeddedTrailer | Failed], Job] = {}
    try:
        while queue or pending:
            while queue and len(pending) < 2 * workers:
                job = queue.pop()
                pending[pool.submit(work, job)] = job
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                del pending[future]
                yield outcome
    except BrokenProcessPool:
        # What had finished in the same moment is whole; everything else under way is suspect.
        finished = [f for f in pending if f.done() and not f.cancelled() and f.exception() is None]
        for future in finished:
            del pending[future]
            yield future.result()
        log.warning("a worker died; trying %d trailers again one by one", len(pending))
        yield Suspects(tuple(pending.values()))
    finally:
        _stop(pool)


def _stop(pool: ProcessPoolExecutor) -> None:
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(timeout=5)
        if process.is_alive():
            process.kill()


def _start_worker(setup: WorkerSetup, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and stops us
    _die_with_parent(parent)
    _setup[:] = [setup]
    _networks[:] = load_networks(setup.experts, setup.cache, threads=1)


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        os._exit(1)


def _embed(job: Job) -> EmbeddedTrailer | Failed:
    setup = _setup[0]
    try:
        return embed_trailer(job.trailer_id, job.path, _networks, setup.experts, setup.media)
    except CinegrainError as error:
        return Failed(job, str(error))
    except MemoryError:
        return Failed(job, "not enough memory to read it")
    except Exception as error:  # one strange file must not stop an archive's run
        log.exception("unexpected error in %s", job.path)
        return Failed(job, f"unexpected {type(error).__name__}: {error}")
