"""Extraction on a Ray cluster: one task per trailer, with retries counted here and not by Ray.

Nodes need the same version of cinegrain and access to the films by the same paths or URLs; each has its own cache of
weights.
"""

import functools
import logging
import os
import signal
import socket
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from types import ModuleType
from typing import Any

from cinegrain import __version__
from cinegrain.errors import CinegrainError, ConfigError
from cinegrain.extras import require
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import (
    HANG_MARGIN_S,
    Lost,
    Outcome,
    Work,
    WorkerSetup,
    bound_memory,
    embedder,
    outcome_of,
    tried_twice,
)
from cinegrain.urls import cache_folder

log = logging.getLogger(__name__)
_TASKS_PER_CPU = 2  # one running and one queued
_MOST_NODES_LOST = 3
_MOST_STARTS_IN_VAIN = 3
_PATIENCE_S = 60.0
_GREETING_S = 10.0


def embed_on_ray(
    jobs: Sequence[Job], setup: WorkerSetup, *, address: str, at_once: int = 0, work: Work | None = None
) -> Iterator[Outcome]:
    """Embeds trailers on a cluster and gives results as they come.

    A trailer whose process dies or hangs is retried once, alone, after all others. Trailers on a machine that dies are
    run elsewhere, at most three times each.

    Args:
        jobs: Jobs.
        setup: What workers load; nodes use their own cache instead of `setup.cache`.
        address: HOST:PORT of a cluster that this machine is part of, `auto` to find it, or `local` for one that exists
            during this call.
        at_once: Maximum number of tasks in flight; 0 for twice the number of processors of the cluster.
        work: Function of a worker; embeds trailers by default.

    Raises:
        ConfigError: If Ray is not installed, or there is no cluster.
        CinegrainError: If workers cannot start, for example because weights are missing.
    """
    with _connected(address) as ray:
        silence_s = setup.media.time_limit_s + HANG_MARGIN_S
        start = ray.remote(num_cpus=1, max_retries=0)(_start)
        embed = ray.remote(num_cpus=1, max_retries=0)(_embed)
        if work is None:
            _check_start(ray, lambda: start.remote(setup, silence_s, __version__))

        def submit(job: Job) -> Any:
            return embed.remote(job, setup, silence_s, work)

        yield from tried_twice(
            jobs,
            together=lambda some: _run(ray, some, submit, at_once),
            alone=lambda some: _run(ray, some, submit, 1),
        )


def _run(ray: ModuleType, jobs: Sequence[Job], submit: Callable[[Job], Any], at_once: int) -> Iterator[Outcome | Lost]:
    """Outcome of every job; those on a machine that dies are submitted again."""
    queue = list(reversed(jobs))
    running: dict[Any, Job] = {}
    n_nodes_lost: Counter[str] = Counter()
    try:
        while queue or running:
            n_cpus = int(ray.cluster_resources().get("CPU", 0))
            most_running = at_once or max(1, _TASKS_PER_CPU * n_cpus)
            while queue and len(running) < most_running:
                job = queue.pop()
                running[submit(job)] = job
            done, _ = ray.wait(list(running), num_returns=1, timeout=_PATIENCE_S)
            if not done and not n_cpus:
                log.warning("the Ray cluster has no processor left; waiting for one")
            for ref in done:
                job = running.pop(ref)
                outcome = _outcome(ray, ref, job)
                if outcome is not None:
                    yield outcome
                    continue
                n_nodes_lost[job.trailer_id] += 1
                if n_nodes_lost[job.trailer_id] == _MOST_NODES_LOST:
                    yield Lost(job, "the machine reading it died", f"{_MOST_NODES_LOST} in a row")
                else:
                    log.warning("%s: the machine reading it died; it is read elsewhere", job.trailer_id)
                    queue.append(job)
    finally:
        for ref in running:
            ray.cancel(ref, force=True)


def _outcome(ray: ModuleType, ref: Any, job: Job) -> Outcome | Lost | None:
    """Outcome of a task; None if its machine died.

    Raises:
        CinegrainError: If no task can run.
    """
    errors = ray.exceptions
    try:
        outcome: Outcome = ray.get(ref)
    except (errors.NodeDiedError, errors.LocalRayletDiedError, errors.ObjectLostError):
        return None
    except (errors.WorkerCrashedError, errors.TaskCancelledError):
        details = "a crash, out of memory, or no sign of life for longer than media.time_limit_s"
        return Lost(job, "the process reading it died", details)
    except errors.OutOfMemoryError:
        return Lost(job, "the process reading it was stopped", "its machine was short of memory")
    except errors.RayError as error:
        raise _no_start(errors, error) from error
    return outcome


def _check_start(ray: ModuleType, start: Callable[[], Any]) -> None:
    """Starts one worker, so that errors that would affect every trailer end the run.

    Raises:
        CinegrainError: If it cannot start.
    """
    errors = ray.exceptions
    for _ in range(_MOST_STARTS_IN_VAIN):
        try:
            ray.get(start())
        except (errors.NodeDiedError, errors.LocalRayletDiedError, errors.WorkerCrashedError) as error:
            failure = error
        except errors.RayError as error:
            raise _no_start(errors, error) from error
        else:
            return
    raise CinegrainError(
        f"Worker processes on the Ray cluster die while they start ({_MOST_STARTS_IN_VAIN} times). "
        "Do its nodes have enough memory for the experts? See `cinegrain doctor` on one of them."
    ) from failure


def _no_start(errors: Any, error: Exception) -> CinegrainError:
    cause = error.cause if isinstance(error, errors.RayTaskError) else error
    if isinstance(cause, CinegrainError):
        return cause
    return CinegrainError(
        f"Tasks cannot run on the Ray cluster: {type(cause).__name__}: {str(cause).strip().splitlines()[-1]} "
        f"Install cinegrain {__version__} with the same Python on every node, and run the same command again."
    )


def _start(setup: WorkerSetup, silence_s: float, version: str) -> None:
    """Loads the networks of a node's worker.

    Raises:
        ConfigError: If the node has another version.
        WeightsError: If weights cannot be had there.
    """
    if version != __version__:
        raise ConfigError(
            f"A Ray node has cinegrain {__version__}, this machine has {version}. Install the same version on all."
        )
    _loaded(setup, silence_s)


def _embed(job: Job, setup: WorkerSetup, silence_s: float, work: Work | None) -> Outcome:
    """One task; the kernel kills the process if it shows no sign of life."""
    work = work or _loaded(setup, silence_s)
    _allow(silence_s)
    try:
        return outcome_of(work, job)
    finally:
        _allow(0.0)


@functools.lru_cache(maxsize=1)
def _loaded(setup: WorkerSetup, silence_s: float) -> Work:
    bound_memory()
    return embedder(replace(setup, cache=cache_folder()), on_progress=lambda: _allow(silence_s))


def _allow(seconds: float) -> None:
    """Kills this process after so many seconds; 0 for never."""
    signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM has no handler, so native code cannot delay it


@contextmanager
def _connected(address: str) -> Iterator[ModuleType]:
    """Ray, connected to the cluster; disconnected afterwards if it was connected here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # do not start a new cluster if one is lost
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    require("A Ray cluster", "ray")
    import ray

    with redirect_stdout(sys.stderr):  # Ray's threads print to standard output, which is for results
        joined = not ray.is_initialized()
        if joined:
            _join(ray, address)
        try:
            yield ray
        finally:
            if joined:
                ray.shutdown()


def _join(ray: ModuleType, address: str) -> None:
    alone = {"include_dashboard": False} if address == "local" else {}
    try:
        if address not in ("auto", "local"):  # Ray would try for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=_GREETING_S).close()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "lance is not fork-safe")  # only other programs are forked here
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **alone)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ConfigError(
            f"There is no Ray cluster to join at {address!r} ({reason[:200]}). "
            "Start one with `ray start --head`, and see docs/archive.md."
        ) from error
