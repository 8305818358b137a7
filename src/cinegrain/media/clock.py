"""Converts time stamps to seconds of film, and limits the time spent."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cinegrain.errors import MediaError

MAX_HOLE_S = 300.0
"""A longer gap between two time stamps is a broken clock, not a pause in the film."""
_MAX_STEP_BACK_S = 1.0


class StreamClock:
    """Converts the time stamps of one stream into seconds since the film's first picture.

    A frame without a time stamp follows the one before. If time stamps jump by more than `MAX_HOLE_S`, or back by more
    than a second, as in joined recordings, the film continues without a gap.

    Attributes:
        zero_s: Time stamp of the first picture, seconds.
        next_s: Expected time of the next frame, seconds of film.
        n_jumps: Number of jumps.
    """

    def __init__(self, zero_s: float) -> None:
        self.zero_s = zero_s
        self.next_s = 0.0
        self.n_jumps = 0
        self._removed_s = 0.0
        self._started = False

    def place(self, stamp_s: float | None, duration_s: float) -> float:
        """Start of a frame in seconds of film; negative before the first picture.

        Args:
            stamp_s: Time stamp in seconds, or None.
            duration_s: Duration of the frame as far as known; > 0.
        """
        start_s = self.next_s
        if stamp_s is not None:
            start_s = stamp_s - self.zero_s - self._removed_s
            step_back_s = _MAX_STEP_BACK_S if self._started else MAX_HOLE_S
            if start_s > self.next_s + MAX_HOLE_S or start_s < self.next_s - step_back_s:
                self._removed_s += start_s - self.next_s
                self.n_jumps += 1
                start_s = self.next_s
        self._started = True
        self.next_s = max(self.next_s, start_s + duration_s)
        return start_s


class Deadline:
    """Time limit for reading a trailer; the clock is paused while its consumer works."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._end_s = time.monotonic() + limit_s

    def check(self) -> None:
        """Raise MediaError once the time is used up."""
        if time.monotonic() > self._end_s:
            raise MediaError(
                f"Reading the file takes longer than {self.limit_s:g} s. Convert it to a smaller size, or raise "
                "media.time_limit_s."
            )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pauses the clock inside the context."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self._end_s += time.monotonic() - began_s
