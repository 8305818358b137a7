"""Answers about many films: a list, a folder, or a folder that is watched. Imports nothing that needs PyTorch."""

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
    """Reads films in workers, and asks a model about each.

    Attributes:
        workers: Read and embed films; what a file does to its worker costs that film alone. None without files.
        answer: The model's answer to an embedded film.
        model: Key of the model: equal keys, equal answers.
        named: The answer to a film of the run, by id or title, where no file has that name.
    """

    workers: WorkerPool[EmbeddedTrailer] | None
    answer: Answer
    model: str
    named: Callable[[str], Prediction] | None = None

    def each(self, places: Sequence[Source]) -> Iterator[Prediction | Failure]:
        """The answer to each film as it comes, or why there is none.

        Args:
            places: Each once; one that is no file may name a film of the run.

        Raises:
            ConfigError: If nothing here can make the vectors that the model takes.
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
        """The answer to one film; as `each`."""
        (found,) = self.each([place])
        return found

    def _answer(self, found: EmbeddedTrailer) -> Prediction | Failure:
        record = found.record
        try:
            answer = self.answer(found)
            return replace(answer, size_bytes=record.size_bytes, modified_ns=record.modified_ns, model=self.model)
        except (ConfigError, StoreError):
            raise  # the model's fault, not the film's
        except CinegrainError as error:
            return Failure(record.path, str(error))
        except Exception as error:  # one strange film must not cost the others their answers
            log.exception("unexpected error in %s", found.trailer_id)
            return Failure(record.path, plain_text(f"unexpected {type(error).__name__}: {error}"))


def is_file(place: Source) -> bool:
    """Whether a place is a file or an address, not the name of a film."""
    return not isinstance(place, Path) or place.exists()


@contextmanager
def run_predictor(run: Run, *, n_films: int, top_k: int, new_only: bool = False) -> Iterator[Predictor]:
    """Answers of a run's models; its workers load while PyTorch does.

    Args:
        run: A finished run.
        n_films: How many files will be asked about at a time; with none, no workers start.
        top_k: Neighbours of each.
        new_only: Every place is a file, and none a film of the run.

    Raises:
        ConfigError: If the run was made from vectors computed elsewhere.
        StoreError: If it is not finished.
    """
    with film_workers(run, n_films) if n_films else nullcontext() as workers:
        if workers:
            workers.start(n_films)
        from cinegrain.pipeline.answers.answer import Answers  # brings PyTorch

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
    """Answers for each film that comes into a folder, for ever; those there already come first.

    A file is read once its size and time have stayed the same from one look to the next. One that cannot be read is
    reported, and tried again when it changes. What `out` holds already is not done again unless the file has changed.

    Args:
        folder: Where films arrive.
        ask: Gives the answer to a film.
        out: Where each answer is added when it is there.
        every_s: Seconds between looks.
        sleep: Waits.

    Raises:
        MediaError: If there is no such folder.
        StoreError: If `out` cannot be written.
    """
    find_videos(folder)  # a wrong folder is refused at once
    before: dict[Path, tuple[int, int]] = {}
    done: dict[Path, tuple[int, int]] = {}
    while True:
        now: dict[Path, tuple[int, int]] = {}
        with suppress(CinegrainError):  # a network drive may be away for a while
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
