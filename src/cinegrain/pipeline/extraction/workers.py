"""Worker processes that read films, so that a file that crashes or hangs its process affects no other film.

Jobs go in, outcomes come out. Workers are kept between calls, and lost ones are replaced.
"""

import ctypes
import functools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeAlias

from cinegrain.errors import CinegrainError, MediaError
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import (
    HANG_MARGIN_S,
    Failed,
    Lost,
    OnProgress,
    Read,
    Result,
    Value,
    WorkerSetup,
    bound_memory,
    caller,
    embedder,
    outcome_of,
    tried_twice,
)
from cinegrain.store.schema import EmbeddedTrailer

_PR_SET_PDEATHSIG = 1
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MOST_STARTS_IN_VAIN = 3
_KILL_WAIT_S = 5.0
_OOM_SCORE = 500  # of 1000

Load: TypeAlias = Callable[[OnProgress], Callable[[Job], Result]]
"""Called once in each worker; returns the work, which may call `on_progress` as a sign of life."""


class WorkerPool(Generic[Result]):
    """Worker processes that live until the pool is closed. A context manager; use it in one thread.

    A film whose worker dies (killed, out of memory, a crash in a decoder) or hangs is retried once, alone, after all
    others; if the worker is lost again, it is a failure.
    """

    def __init__(self, load: "Load[Result]", *, n_workers: int, silence_s: float) -> None:
        """Starts no process yet.

        Args:
            load: Called in each worker; must be picklable.
            n_workers: Maximum number of processes, >= 1.
            silence_s: A worker without a sign of life for so long is stopped.
        """
        self._load, self._n_workers, self._silence_s = load, n_workers, silence_s
        self._workers: list[_Worker[Result]] = []

    def __enter__(self) -> "WorkerPool[Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, n_jobs: int) -> None:
        """Starts workers for so many jobs without waiting for them."""
        while len(self._workers) < min(self._n_workers, n_jobs):
            self._workers.append(_Worker(self._load))

    def each(self, jobs: Sequence[Job]) -> Iterator[Result | Failed]:
        """One outcome for each job, as they come, in any order.

        Args:
            jobs: Jobs with different ids.

        Raises:
            CinegrainError: If workers cannot start, for example because weights are missing.
        """
        return tried_twice(
            jobs,
            together=lambda some: self._run(some, self._n_workers),
            alone=lambda some: self._run(some, 1),
        )

    def one(self, job: Job) -> Result:
        """Result of a single job.

        Raises:
            MediaError: If it failed.
            CinegrainError: If the worker cannot start.
        """
        (outcome,) = self.each([job])
        if isinstance(outcome, Failed):
            named = job.trailer_id in outcome.reason
            raise MediaError(outcome.reason if named else f"{job.trailer_id}: {outcome.reason}")
        return outcome

    def close(self) -> None:
        """Stops all workers; they have no state to lose."""
        for worker in self._workers:
            worker.stop()
        self._workers.clear()

    def _run(self, jobs: Sequence[Job], n_workers: int) -> Iterator[Result | Failed | Lost]:
        """Outcome of every job; a worker that dies or hangs is replaced, and its job is lost."""
        queue, crew, n_in_vain = list(reversed(jobs)), self._workers, 0
        while queue and len(crew) > n_workers:
            crew.pop().stop()
        try:
            while queue or any(worker.job for worker in crew):
                self.start(min(n_workers, len(queue) + sum(worker.job is not None for worker in crew)))
                for worker in crew:
                    if queue and worker.started and worker.job is None:
                        worker.give(queue.pop())
                patience_s = min(worker.patience_s(self._silence_s) for worker in crew)
                speaking = wait([w.pipe for w in crew], None if patience_s == float("inf") else max(patience_s, 0.0))
                for worker in list(crew):
                    if worker.pipe in speaking:
                        outcome = worker.listen()
                    elif worker.patience_s(self._silence_s) <= 0:
                        outcome = worker.give_up(self._silence_s)
                    else:
                        continue
                    if worker.stopped:
                        crew.remove(worker)
                        n_in_vain = 0 if worker.started else n_in_vain + 1
                        if n_in_vain >= _MOST_STARTS_IN_VAIN:
                            raise CinegrainError(_no_start(worker))
                    if outcome is not None:
                        yield outcome
        finally:
            for worker in [worker for worker in crew if worker.job]:  # the caller no longer waits for them
                worker.stop()
                crew.remove(worker)


def embedding_pool(setup: WorkerSetup, *, workers: int) -> WorkerPool[EmbeddedTrailer]:
    """Workers that embed films.

    Args:
        setup: What they load.
        workers: Maximum number of processes.
    """
    return WorkerPool(
        functools.partial(embedder, setup), n_workers=workers, silence_s=setup.media.time_limit_s + HANG_MARGIN_S
    )


def calling_pool(
    function: Callable[[Job, OnProgress], Value], *, limit_s: float, workers: int
) -> WorkerPool[Read[Value]]:
    """Workers that call a function with each film; without networks, they start in half a second.

    Args:
        function: Called with a job and a function to call as a sign of life. It and its results must be picklable.
        limit_s: Maximum time without a sign of life.
        workers: Maximum number of processes.
    """
    return WorkerPool(functools.partial(caller, function), n_workers=workers, silence_s=limit_s + HANG_MARGIN_S)


class _Worker(Generic[Result]):
    """The parent's end of a process: its job, and the time of its last sign of life."""

    def __init__(self, load: "Load[Result]") -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(far_end, load, os.getpid()), daemon=True)
        with _one_thread_each(), _deaf_to_ctrl_c(), _without_script():
            self.process.start()
        far_end.close()  # so that the pipe closes when the worker ends
        self.started, self.stopped = False, False
        self.job: Job | None = None
        self._heard_s = time.monotonic()

    def give(self, job: Job) -> None:
        """Sends the next job."""
        self.job, self._heard_s = job, time.monotonic()
        with suppress(OSError):  # it has just died, which `listen` will report
            self.pipe.send(job)

    def patience_s(self, silence_s: float) -> float:
        """Remaining time until its next sign of life is due; infinite without a job, or while it starts."""
        return self._heard_s + silence_s - time.monotonic() if self.job else float("inf")

    def listen(self) -> Result | Failed | Lost | None:
        """Receives a result, or its death, which ends its job; None for a sign of life.

        Raises:
            CinegrainError: If it could not start.
        """
        try:
            message: Result | Failed | CinegrainError | None = self.pipe.recv()
        except (EOFError, OSError):  # possibly while sending a result
            self.stop()
            return self._lose("the process reading it died", f"{self.exit_reason()}: a crash, or out of memory")
        if isinstance(message, CinegrainError):
            raise message
        self.started, self._heard_s = True, time.monotonic()
        if message is not None:
            self.job = None
        return message

    def give_up(self, silence_s: float) -> Lost | None:
        """Stops it during its job."""
        self.stop()
        return self._lose(
            f"it took longer than {silence_s:g} s", "it hung and was stopped; media.time_limit_s sets this"
        )

    def stop(self) -> None:
        """Kills it; it has no state to lose."""
        self.stopped = True
        self.process.kill()
        self.process.join(timeout=_KILL_WAIT_S)  # with a timeout, since a dead network drive can block it
        self.pipe.close()

    def exit_reason(self) -> str:
        """Name of the signal that ended it, or its exit code."""
        code = self.process.exitcode
        known = code is not None and -code in list(signal.Signals)
        return signal.Signals(-(code or 0)).name if known else f"exit code {code}"

    def _lose(self, what: str, details: str) -> Lost | None:
        job, self.job = self.job, None
        return Lost(job, what, details) if job else None


def _no_start(worker: "_Worker[Result]") -> str:
    return (
        f"Worker processes die while they start ({_MOST_STARTS_IN_VAIN} times, {worker.exit_reason()}). "
        "Is there enough memory for the experts? Use fewer workers, and see `cinegrain doctor`."
    )


def _serve(pipe: Connection, load: "Load[Result]", parent: int) -> None:
    """Main function of a worker: loads, then answers each job; None is a sign of life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and stops us
    die_with_parent(parent)
    bound_memory()
    _go_first()
    try:
        work = load(lambda: pipe.send(None))
    except CinegrainError as error:
        pipe.send(error)
        return
    pipe.send(None)
    with suppress(EOFError):
        while True:
            pipe.send(outcome_of(work, pipe.recv()))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside compute with one thread, unless the user has set another number."""
    ours = {name: "1" for name in _THREAD_VARIABLES if name not in os.environ}
    os.environ.update(ours)  # read at the import of numpy
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started inside ignore SIGINT, which a terminal sends to all; this one gets it afterwards."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # otherwise it starts with the process, and resets the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_script() -> Iterator[None]:
    """Processes started inside do not import the user's script as `__main__`.

    That would run it again, unless it is guarded by `if __name__ == "__main__"`.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def die_with_parent(parent: int) -> None:
    """Makes a worker die with the process `parent` that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had died already
        os._exit(1)


def _go_first() -> None:
    """Makes the kernel kill a worker rather than the main process when memory runs out."""
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
