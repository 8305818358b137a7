"""Measures the loudness of films in a worker process, so that a crash of a decoder does not affect the server."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cinegrain.media.loudness import loudness
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import OnProgress
from cinegrain.pipeline.extraction.workers import calling_pool
from cinegrain.settings import AUTO

STEP_S = 0.5
_LIMIT_S, _LONGEST_FILM_S = 60.0, 4 * 3600.0


@dataclass(frozen=True)
class _Listen(Job):
    duration_s: float = 0.0
    track: str = AUTO


class LoudnessWorker:
    """One worker, started with the first film; thread-safe, one film at a time."""

    def __init__(self) -> None:
        self._workers = calling_pool(_levels, limit_s=_LIMIT_S, workers=1)
        # A worker ends with the thread that started it, and the server's threads are short-lived.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ear")

    def loudness(self, path: Path, duration_s: float, track: str = AUTO) -> list[float | None]:
        """Level in dBFS per STEP_S of a film's first four hours; None is silence.

        Args:
            path: The film.
            duration_s: Duration.
            track: Number of its sound track, from 1, or AUTO.

        Raises:
            MediaError: If the file cannot be read.
        """
        job = _Listen(str(path), path, duration_s=min(duration_s, _LONGEST_FILM_S), track=track)
        return self._thread.submit(self._workers.one, job).result().value

    def close(self) -> None:
        """Stops the worker."""
        self._thread.submit(self._workers.close)
        self._thread.shutdown()


def _levels(job: Job, on_progress: OnProgress) -> list[float | None]:
    del on_progress  # limited, so that it ends before users give up
    assert isinstance(job, _Listen)
    return loudness(Path(job.path), duration_s=job.duration_s, step_s=STEP_S, limit_s=_LIMIT_S, track=job.track)
