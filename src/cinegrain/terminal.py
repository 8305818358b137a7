"""Progress on stderr, for a terminal or a notebook; and Ctrl-C, which must not get lost."""

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
"""For what `--quiet` leaves out."""
_PLAIN_EVERY_S = 10.0


class Interrupt:
    """Ctrl-C that cannot get lost.

    Native code may swallow the exception that a signal raises; so it is remembered, and raised again at the next
    step of whatever is under way.
    """

    heard = False

    @classmethod
    def listen(cls) -> None:
        """Takes the signal over; only the main thread may."""
        cls.heard = False
        with suppress(ValueError):
            signal.signal(signal.SIGINT, cls._on_signal)

    @classmethod
    def check(cls) -> None:
        """Stops the work if Ctrl-C was pressed.

        Raises:
            KeyboardInterrupt: If so.
        """
        if cls.heard:
            raise KeyboardInterrupt

    @classmethod
    def _on_signal(cls, number: int, frame: object) -> None:
        del number, frame
        cls.heard = True
        raise KeyboardInterrupt


def watcher() -> Watcher:
    """Bars on a terminal, plain lines elsewhere, nothing if `notes` is quiet."""
    if notes.quiet:
        return Silent()
    return Bars() if err.is_terminal else Lines()


def watching(progress: bool) -> Watcher:
    """`watcher`, or a silent one."""
    return watcher() if progress else Silent()


class Bars:
    """A progress bar a stage, with rate and time left."""

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
        # Results that are printed meanwhile go above the bar on a terminal, and where stdout leads elsewhere.
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
    """A plain line when a stage begins, now and then, and when it ends."""

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
