"""Work that stands in for embedding, in real worker processes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from cinegrain.pipeline.extraction.embed import EmbeddedTrailer, Job
from cinegrain.pipeline.extraction.jobs import Outcome, outcome_of

Embed: TypeAlias = Callable[[Job], EmbeddedTrailer]


@dataclass(frozen=True)
class OneByOne:
    """Each job is done before the next is asked for."""

    work: Embed

    def __call__(self, jobs: Iterator[Job]) -> Iterator[Outcome]:
        for job in jobs:
            found: EmbeddedTrailer | Exception
            try:
                found = self.work(job)
            except Exception as error:
                found = error
            yield outcome_of(job, found)
