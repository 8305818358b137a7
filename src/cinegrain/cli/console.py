"""What a person at the terminal sees: results on stdout; progress, notes and logs on stderr."""

import json
import logging
import sys
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from cinegrain.terminal import Interrupt, err, notes, watcher

__all__ = [
    "Interrupt",
    "be_quiet",
    "err",
    "note",
    "out",
    "print_json",
    "say",
    "set_up_logging",
    "show_failure",
    "watcher",
]
_PIPE_WIDTH = 140
out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def set_up_logging(*, verbose: bool, quiet: bool) -> None:
    """Logs go to stderr; only warnings unless asked for more."""
    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=err, show_path=False, show_time=False)
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler], force=True)
    for name in ("libav", "lance"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    notes.quiet = False
    if quiet:
        be_quiet()


def be_quiet() -> None:
    """From now on only results and errors: no progress, notes or warnings."""
    notes.quiet = True
    logging.getLogger().setLevel(logging.ERROR)


def note(text: str) -> None:
    """A note on stderr."""
    say(f"[yellow]note:[/] {escape(text)}")


def say(markup: str) -> None:
    """A line on stderr that --quiet leaves out."""
    notes.print(markup, highlight=False, soft_wrap=True)


def show_failure(name: str, reason: str) -> None:
    """A film that could not be read, on stderr."""
    err.print(f"[bold red]{escape(name)}:[/] {escape(reason)}", highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """A result on stdout for machines."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")
