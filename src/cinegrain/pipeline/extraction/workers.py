"""Single-threaded processes, each with trailers of its own, that survive files which kill or hang their process."""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import Enum, auto
from multiprocessing.connection import Connection, wait
from pathlib import Path

from cinegrain.errors import CinegrainError
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import (
    HANG_MARGIN_S,
    Failed,
    Lost,
    Outcome,
    Work,
    WorkerSetup,
    bound_memory,
    embedder,
    tried_twice,
)

_PR_SET_PDEATHSIG = 1
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MOST_STARTS_IN_VAIN = 3
_KILL_WAIT_S = 5.0
_OOM_SCORE = 500  # of 1000


def embed_all(jobs: Sequence[Job], setup: WorkerSetup, *, workers: int, work: Work | None = None) -> Iterator[Outcome]:
    """Embeds trailers in parallel and gives each result as it comes.

    A worker asks for its next trailer when it has read the last one to its end, whose last scenes may still wait
    for a batch to be filled. A trailer whose worker dies (killed, out of memory, a crash inside a decoder) or hangs
    is tried once more when all others are done, with no other beside it, and so are those whose scenes waited there;
    if its process is lost again, it is a failure.

    Args:
        jobs: What to do.
        setup: What workers load.
        workers: Processes.
        work: Done in a worker; embeds trailers unless told otherwise.

    Raises:
        CinegrainError: If workers cannot start, for example because weights are missing.
    """
    return tried_twice(
        jobs,
        together=lambda some: _run(some, setup, workers, work),
        alone=lambda some: _run(some, setup, 1, work, mixed=False),
    )


class _Sign(Enum):
    """What a worker says beside results."""

    ALIVE = auto()
    NEXT = auto()  # it would begin another job, or, told that there is none, end those it has begun


class _Worker:
    """The parent's end of one process: what it works on, and since when it has been silent."""

    def __init__(self, setup: WorkerSetup, work: Work | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(far_end, setup, work, os.getpid()), daemon=True)
        self.process.start()
        far_end.close()  # so that the pipe ends when the worker does
        self.started, self.stopped, self.asks = False, False, False
        self.begun: dict[str, Job] = {}
        self._heard_s = time.monotonic()

    def give(self, job: Job | None) -> None:
        """Hand over the next job, or None: it ends what it has begun."""
        self.asks, self._heard_s = False, time.monotonic()
        if job is not None:
            self.begun[job.trailer_id] = job
        with suppress(OSError):  # it has just died, which listening to it will show
            self.pipe.send(job)

    def patience_s(self, silence_s: float) -> float:
        """How much longer it may be silent; without a job, or while it starts, for ever."""
        return self._heard_s + silence_s - time.monotonic() if self.begun else float("inf")

    def listen(self) -> Sequence[Outcome | Lost]:
        """What it has to say: a result, or its death, which ends all that it has begun; none for a sign of life.

        Raises:
            CinegrainError: If that is what kept it from starting.
        """
        try:
            said: Outcome | CinegrainError | _Sign = self.pipe.recv()
        except (EOFError, OSError):  # perhaps in the middle of a result
            self.stop()
            return self._lose("the process reading it died", f"{self.exit_reason()}: a crash, or out of memory")
        if isinstance(said, CinegrainError):
            raise said
        self.started, self._heard_s = True, time.monotonic()
        if isinstance(said, _Sign):
            self.asks = self.asks or said is _Sign.NEXT
            return []
        del self.begun[said.job.trailer_id if isinstance(said, Failed) else said.record.trailer_id]
        return [said]

    def give_up(self, silence_s: float) -> Sequence[Lost]:
        """Stop it in the middle of its jobs."""
        self.stop()
        return self._lose(
            f"it took longer than {silence_s:g} s", "it hung and was stopped; media.time_limit_s sets this"
        )

    def stop(self) -> None:
        """Kill it; it holds nothing that could be lost."""
        self.stopped = True
        self.process.kill()
        self.process.join(timeout=_KILL_WAIT_S)  # not for ever: a dead network drive holds on to it
        self.pipe.close()

    def exit_reason(self) -> str:
        """The name of the signal that ended it, or its exit code."""
        code = self.process.exitcode
        known = code is not None and -code in list(signal.Signals)
        return signal.Signals(-(code or 0)).name if known else f"exit code {code}"

    def _lose(self, what: str, details: str) -> Sequence[Lost]:
        return [Lost(job, what, details) for job in self.begun.values()]


def _run(
    jobs: Sequence[Job], setup: WorkerSetup, n_workers: int, work: Work | None, *, mixed: bool = True
) -> Iterator[Outcome | Lost]:
    """Every job's outcome; a worker that dies or falls silent is replaced and what it has begun told as lost.

    Unless `mixed`, each job is done before the next is begun.
    """
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, "1")  # read by the children when they import numpy
    silence_s = setup.media.time_limit_s + HANG_MARGIN_S
    queue = list(reversed(jobs))
    crew: list[_Worker] = []
    n_in_vain = 0
    try:
        while queue or any(worker.begun for worker in crew):
            n_wanted = min(n_workers, len(queue) + sum(bool(worker.begun) for worker in crew))
            crew += [_Worker(setup, work) for _ in range(n_wanted - len(crew))]
            patience_s = min(worker.patience_s(silence_s) for worker in crew)
            speaking = wait([w.pipe for w in crew], None if patience_s == float("inf") else max(patience_s, 0.0))
            for worker in list(crew):
                if worker.pipe in speaking:
                    outcomes = worker.listen()
                elif worker.patience_s(silence_s) <= 0:
                    outcomes = worker.give_up(silence_s)
                else:
                    continue
                if worker.stopped:
                    crew.remove(worker)
                    n_in_vain = 0 if worker.started else n_in_vain + 1
                    if n_in_vain >= _MOST_STARTS_IN_VAIN:
                        raise CinegrainError(_no_start(worker))
                elif worker.asks and queue and (mixed or not worker.begun):
                    worker.give(queue.pop())
                elif worker.asks and worker.begun:
                    worker.give(None)
                yield from outcomes
    finally:
        for worker in crew:
            worker.stop()


def _no_start(worker: _Worker) -> str:
    return (
        f"Worker processes die while they start ({_MOST_STARTS_IN_VAIN} times, {worker.exit_reason()}). "
        "Is there enough memory for the experts? Use fewer workers, and see `cinegrain doctor`."
    )


def _serve(pipe: Connection, setup: WorkerSetup, work: Work | None, parent: int) -> None:
    """A worker's life: load the networks, then ask for jobs and give a result for each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and stops us
    die_with_parent(parent)
    bound_memory()
    _go_first()
    try:
        work = work or embedder(setup, on_progress=lambda: pipe.send(_Sign.ALIVE))
    except CinegrainError as error:
        pipe.send(error)
        return
    with suppress(EOFError):
        while True:
            for outcome in work(_asked(pipe)):
                pipe.send(outcome)


def _asked(pipe: Connection) -> Iterator[Job]:
    """Jobs as long as the parent has any."""
    pipe.send(_Sign.NEXT)
    while (job := pipe.recv()) is not None:
        yield job
        pipe.send(_Sign.NEXT)


def die_with_parent(parent: int) -> None:
    """Called in a worker: it will not outlive the process `parent` that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        os._exit(1)


def _go_first() -> None:
    """Where memory runs out, the kernel takes a worker and not the run."""
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
