"""What a person at the terminal sees: results on stdout, progress and logs on stderr."""

import json
import logging
import sys
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from cinegrain.results import to_json
from cinegrain.terminal import Interrupt, err, watcher

__all__ = ["Interrupt", "err", "out", "print_json", "set_up_logging", "watcher"]
_PIPE_WIDTH = 140
out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def set_up_logging(*, verbose: bool) -> None:
    """Logs go to stderr; only warnings unless asked for more."""
    level = logging.INFO if verbose else logging.WARNING
    handler = RichHandler(console=err, show_path=False, show_time=False)
    logging.basicConfig(level=level, format="%(message)s", handlers=[handler], force=True)
    for name in ("libav", "lance"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def print_json(value: Any) -> None:
    """Machine-readable result on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=to_json) + "\n")
