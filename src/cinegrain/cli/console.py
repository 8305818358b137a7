"""Terminal output: results on stdout; progress, notes and logs on stderr."""

import json
import logging
import sys
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from cinegrain.results import to_json
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
    """Logs to stderr; only warnings by default."""
    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=err, show_path=False, show_time=False)
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler], force=True)
    for name in ("libav", "lance"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    notes.quiet = False
    if quiet:
        be_quiet()


def be_quiet() -> None:
    """Shows only results and errors from now on."""
    notes.quiet = True
    logging.getLogger().setLevel(logging.ERROR)


def note(text: str) -> None:
    """Prints a note on stderr."""
    say(f"[yellow]note:[/] {escape(text)}")


def say(markup: str) -> None:
    """Prints a line on stderr, unless --quiet."""
    notes.print(markup, highlight=False, soft_wrap=True)


def show_failure(name: str, reason: str) -> None:
    """Prints a failed film on stderr."""
    err.print(f"[bold red]{escape(name)}:[/] {escape(reason)}", highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Prints a result as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=to_json) + "\n")
