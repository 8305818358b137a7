"""How a stage tells whoever watches what it is doing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

OnStep: TypeAlias = Callable[[int, int, str], None]


class Watcher(Protocol):
    """Somebody who watches: a terminal, a log, a web page."""

    @contextmanager
    def stage(self, title: str) -> Iterator[OnStep]:
        """A stage begins; inside, the function it gives takes (done, total, a line to show)."""
        ...

    def say(self, line: str) -> None:
        """Something worth reading happened."""
        ...


class Silent:
    """Watches nothing."""

    @contextmanager
    def stage(self, title: str) -> Iterator[OnStep]:
        """Gives a function that does nothing."""
        del title
        yield _nothing

    def say(self, line: str) -> None:
        """Says nothing."""
        del line


def _nothing(done: int, total: int, line: str) -> None:
    del done, total, line
