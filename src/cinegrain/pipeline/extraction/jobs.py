"""Jobs, their outcomes, and error handling, shared by all engines of extraction."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeAlias, TypeVar

from cinegrain.errors import CinegrainError
from cinegrain.experts.registry import load_networks
from cinegrain.experts.runtime import Runtime
from cinegrain.media.files import plain_text
from cinegrain.pipeline.extraction.embed import DOWNLOAD_LIMIT_BYTES, Embedder, Job, load_cut_finder
from cinegrain.settings import MediaSettings
from cinegrain.store.schema import EmbeddedTrailer

log = logging.getLogger(__name__)
_MEMORY_SHARE = 0.8

HANG_MARGIN_S = 60.0
"""A worker is stopped if it shows no sign of life for media.time_limit_s plus this."""


class Named(Protocol):
    """Result of one job."""

    @property
    def trailer_id(self) -> str:
        """Id of the job."""
        ...


Value = TypeVar("Value")
Result = TypeVar("Result", bound=Named)


@dataclass(frozen=True)
class Failed:
    """A trailer that could not be read or embedded, with the reason."""

    job: Job
    reason: str

    @property
    def trailer_id(self) -> str:
        """Id of the job."""
        return self.job.trailer_id


@dataclass(frozen=True, eq=False)
class Read(Generic[Value]):
    """Result of a function for one film."""

    job: Job
    value: Value

    @property
    def trailer_id(self) -> str:
        """Id of the job."""
        return self.job.trailer_id


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker loads at its start."""

    experts: tuple[str, ...]
    media: MediaSettings
    cache: Path
    runtime: Runtime
    download_limit_bytes: int = DOWNLOAD_LIMIT_BYTES


OnProgress: TypeAlias = Callable[[], None]
Outcome: TypeAlias = EmbeddedTrailer | Failed
Work: TypeAlias = Callable[[Job], EmbeddedTrailer]


@dataclass(frozen=True)
class Lost:
    """A job whose worker died or was stopped."""

    job: Job
    what: str
    details: str

    def reason(self, how_often: str) -> str:
        """The reason in words."""
        return f"{self.what} {how_often} ({self.details})"


def tried_twice(
    jobs: Sequence[Job],
    together: Callable[[Sequence[Job]], Iterator[Result | Failed | Lost]],
    alone: Callable[[Sequence[Job]], Iterator[Result | Failed | Lost]],
) -> Iterator[Result | Failed]:
    """Outcome of every job; a lost job is retried once at the end, and if lost again is a failure.

    Args:
        jobs: Jobs.
        together: Runs jobs in parallel.
        alone: Runs lost jobs one at a time.
    """
    lost: list[Job] = []
    for outcome in together(jobs):
        if isinstance(outcome, Lost):
            log.warning("%s: %s; it is tried again at the end", outcome.job.trailer_id, outcome.reason("once"))
            lost.append(outcome.job)
        else:
            yield outcome
    for outcome in alone(lost):
        yield Failed(outcome.job, outcome.reason("twice")) if isinstance(outcome, Lost) else outcome


def embedder(setup: WorkerSetup, on_progress: OnProgress) -> Work:
    """Loads the networks into this process.

    Raises:
        WeightsError: If weights cannot be downloaded.
    """
    return Embedder(
        networks=load_networks(setup.experts, setup.cache, setup.runtime),
        experts=setup.experts,
        settings=setup.media,
        cut_finder=load_cut_finder(setup.media, setup.cache, setup.runtime),
        on_progress=on_progress,
        download_limit_bytes=setup.download_limit_bytes,
    ).one


def caller(function: Callable[[Job, OnProgress], Value], on_progress: OnProgress) -> Callable[[Job], Read[Value]]:
    """Makes work that calls a function with each job."""
    return lambda job: Read(job, function(job, on_progress))


def outcome_of(work: Callable[[Job], Result], job: Job) -> Result | Failed:
    """Result of a job, or its error in words; errors never affect other films."""
    try:
        return work(job)
    except CinegrainError as error:
        return Failed(job, plain_text(str(error)))
    except MemoryError:
        return Failed(job, "not enough memory to read it")
    except Exception as error:
        log.exception("unexpected error in %s", job.path)
        return Failed(job, plain_text(f"unexpected {type(error).__name__}: {error}"))


def bound_memory() -> None:
    """Limits a worker's memory, so that a huge film is an error and does not exhaust the machine."""
    if sys.platform != "linux":
        return
    import resource

    n_bytes = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE)
    with suppress(ValueError, OSError):  # there is a lower limit already
        # Data, not address space, since networks map files and runtimes reserve far more than they use.
        resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))
