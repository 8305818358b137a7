"""Progress of stages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

OnStep: TypeAlias = Callable[[int, int, str], None]


class Watcher(Protocol):
    """Receives progress: a terminal, a log, a web page."""

    @contextmanager
    def stage(self, title: str) -> Iterator[OnStep]:
        """Begins a stage; yields a function of (done, total, text)."""
        ...

    def say(self, line: str) -> None:
        """Shows a message."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, title: str) -> Iterator[OnStep]:
        """Yields a function that does nothing."""
        del title
        yield _nothing

    def say(self, line: str) -> None:
        """Does nothing."""
        del line


def _nothing(done: int, total: int, line: str) -> None:
    del done, total, line
