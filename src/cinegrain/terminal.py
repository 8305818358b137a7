"""Progress on stderr, in a terminal or a notebook; and reliable handling of Ctrl-C."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cinegrain.runs.progress import OnStep, Silent, Watcher

err = Console(stderr=True)
notes = Console(stderr=True)
"""Logger of messages that `--quiet` suppresses."""
_PLAIN_EVERY_S = 10.0


class Interrupt:
    """Reliable Ctrl-C.

    Native code may swallow the KeyboardInterrupt, so it is remembered and raised again at the next progress step.
    """

    heard = False

    @classmethod
    def listen(cls) -> None:
        """Installs the signal handler; main thread only."""
        cls.heard = False
        with suppress(ValueError):
            signal.signal(signal.SIGINT, cls._on_signal)

    @classmethod
    def check(cls) -> None:
        """Raises if Ctrl-C was pressed.

        Raises:
            KeyboardInterrupt: If it was.
        """
        if cls.heard:
            raise KeyboardInterrupt

    @classmethod
    def _on_signal(cls, number: int, frame: object) -> None:
        del number, frame
        cls.heard = True
        raise KeyboardInterrupt


def watcher() -> Watcher:
    """Progress bars on a terminal, plain lines elsewhere, nothing if `notes` is quiet."""
    if notes.quiet:
        return Silent()
    return Bars() if err.is_terminal else Lines()


def watching(progress: bool) -> Watcher:
    """`watcher`, or a silent one."""
    return watcher() if progress else Silent()


class Bars:
    """A progress bar per stage, with rate and remaining time."""

    @contextmanager
    def stage(self, title: str) -> Iterator[OnStep]:
        """Shows a bar while the stage runs."""
        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[line]}", markup=True),
        )
        # Results printed meanwhile go above the bar on a terminal, or to stdout if it is redirected.
        with Progress(*columns, console=err, redirect_stdout=sys.stdout.isatty()) as progress:
            task = progress.add_task(title, total=None, line="")

            def on_step(done: int, total: int, line: str) -> None:
                Interrupt.check()
                progress.update(task, completed=done, total=total, line=line.replace("[", r"\["))

            yield on_step
            total = progress.tasks[0].completed
            progress.update(task, total=total, completed=total)  # a stage may end early

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        err.print(line, markup=False, highlight=False)


class Lines:
    """Plain lines at the start and end of a stage, and at intervals."""

    @contextmanager
    def stage(self, title: str) -> Iterator[OnStep]:
        """Prints at most one line every ten seconds."""
        started = last = time.monotonic()
        shown = ""
        print(f"{title} ...", file=sys.stderr, flush=True)

        def on_step(done: int, total: int, line: str) -> None:
            nonlocal last, shown
            Interrupt.check()
            now = time.monotonic()
            left = (now - started) / max(done, 1) * (total - done)
            shown = f"{title}: {done}/{total}, {line}"
            if now - last >= _PLAIN_EVERY_S:
                last = now
                print(f"{shown}, about {left:.0f} s left", file=sys.stderr, flush=True)

        yield on_step
        print(f"{shown or title}: done in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Prints a line."""
        print(line, file=sys.stderr, flush=True)
