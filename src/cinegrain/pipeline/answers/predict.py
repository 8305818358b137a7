"""Answers about many films: a list, a folder, or a watched folder. Needs no PyTorch."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from cinegrain.errors import CinegrainError, ConfigError, NotFoundError, StoreError
from cinegrain.media.files import find_videos, plain_text
from cinegrain.media.remote import source_text
from cinegrain.pipeline.answers.answer_file import AnswerFile
from cinegrain.pipeline.answers.film_workers import film_workers, new_job
from cinegrain.pipeline.extraction.jobs import Failed
from cinegrain.pipeline.extraction.sources import stamp_of
from cinegrain.pipeline.extraction.workers import WorkerPool
from cinegrain.results import Failure, Prediction
from cinegrain.runs.layout import Run
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.types import Source

Answer: TypeAlias = Callable[[EmbeddedTrailer], Prediction]
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Predictor:
    """Embeds films in workers and answers each with a model.

    Attributes:
        workers: Embed films; None without files.
        answer: Answers an embedded film.
        model: Key of the model; equal keys give equal answers.
        named: Answers a film of the run by id or title.
    """

    workers: WorkerPool[EmbeddedTrailer] | None
    answer: Answer
    model: str
    named: Callable[[str], Prediction] | None = None

    def each(self, places: Sequence[Source]) -> Iterator[Prediction | Failure]:
        """Answers or failures, as they come.

        Args:
            places: Different files, URLs, or ids or titles of films of the run.

        Raises:
            ConfigError: If the model's vectors cannot be computed here.
            StoreError: If the model is damaged.
        """
        files = [place for place in places if self.named is None or is_file(place)]
        for place in places:
            if self.named is not None and not is_file(place):
                try:
                    yield self.named(source_text(place))
                except NotFoundError as error:
                    yield Failure(source_text(place), str(error))
        for found in self.workers.each([new_job(place) for place in files]) if self.workers else ():
            yield (
                Failure(source_text(found.job.path), found.reason) if isinstance(found, Failed) else self._answer(found)
            )

    def one(self, place: Source) -> Prediction | Failure:
        """The answer to one film; see `each`."""
        (found,) = self.each([place])
        return found

    def _answer(self, found: EmbeddedTrailer) -> Prediction | Failure:
        record = found.record
        try:
            answer = self.answer(found)
            return replace(answer, size_bytes=record.size_bytes, modified_ns=record.modified_ns, model=self.model)
        except (ConfigError, StoreError):
            raise  # caused by the model, not the film
        except CinegrainError as error:
            return Failure(record.path, str(error))
        except Exception as error:  # one film must not prevent the others' answers
            log.exception("unexpected error in %s", found.trailer_id)
            return Failure(record.path, plain_text(f"unexpected {type(error).__name__}: {error}"))


def is_file(place: Source) -> bool:
    """Whether it is a file or a URL, not the name of a film."""
    return not isinstance(place, Path) or place.exists()


@contextmanager
def run_predictor(run: Run, *, n_films: int, top_k: int, new_only: bool = False) -> Iterator[Predictor]:
    """Predictor of a run; its workers start while PyTorch is imported.

    Args:
        run: A finished run.
        n_films: Number of files; no workers start for 0.
        top_k: Number of similar films in an answer.
        new_only: Whether all films are files.

    Raises:
        ConfigError: If the run was made from vectors computed elsewhere.
        StoreError: If it is not finished.
    """
    with film_workers(run, n_films) if n_films else nullcontext() as workers:
        if workers:
            workers.start(n_films)
        from cinegrain.pipeline.answers.answer import Answers  # imports PyTorch

        answers = Answers(run)

        def named(name: str) -> Prediction:
            return answers.predict(answers.film(name), top_k=top_k)

        def of_file(found: EmbeddedTrailer) -> Prediction:
            return answers.predict(answers.as_film(found), top_k=top_k)

        yield Predictor(workers, of_file, answers.key, None if new_only else named)


def watch_folder(
    folder: Path,
    ask: Callable[[Path], Prediction | Failure],
    out: AnswerFile | None,
    *,
    every_s: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Prediction | Failure]:
    """Answers each film that is in a folder or added to it, without end.

    A file is read once its size and time no longer change. One that cannot be read is reported, and tried again when it
    changes. Files that `out` has answers for are skipped unless they changed.

    Args:
        folder: The folder.
        ask: Answers a film.
        out: Answers are added to it.
        every_s: Seconds between checks.
        sleep: Waits for some seconds.

    Raises:
        MediaError: If the folder does not exist.
        StoreError: If `out` cannot be written.
    """
    find_videos(folder)  # check the folder before waiting
    before: dict[Path, tuple[int, int]] = {}
    done: dict[Path, tuple[int, int]] = {}
    while True:
        now: dict[Path, tuple[int, int]] = {}
        with suppress(CinegrainError):  # a network drive may be offline for a while
            now = {path: stamp for path in find_videos(folder) if (stamp := stamp_of(path))[0] > 0}
        for path, stamp in now.items():
            if done.get(path) == stamp or before.get(path) != stamp:
                continue
            done[path] = stamp
            if out is not None and out.answered(path):
                continue
            found = ask(path)
            if out is not None:
                out.put(found)
            yield found
        before = now
        sleep(every_s)
