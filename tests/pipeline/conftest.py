"""What tests of this folder name of the small finished run."""

from tests.finished_run import FAST, Cinegrain, Done

__all__ = ["FAST", "Cinegrain", "Done"]
