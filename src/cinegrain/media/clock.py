"""Time: from a stream's own time stamps to seconds of film, and the limit on time spent."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cinegrain.errors import MediaError

MAX_HOLE_S = 300.0
"""A longer hole between two time stamps is a broken clock, not a pause in the film."""
_MAX_STEP_BACK_S = 1.0


class StreamClock:
    """Turns the time stamps of one stream into seconds since the first picture of the film.

    A missing time stamp follows on from the frame before. Where the stamps leap by more than `MAX_HOLE_S`, or
    run back by more than a second (joined recordings do), the film goes on without a gap.

    Attributes:
        zero_s: Time stamp of the first picture, seconds.
        next_s: Where the frame after the last one is expected, seconds of film.
        n_jumps: How often the stamps leapt.
    """

    def __init__(self, zero_s: float) -> None:
        self.zero_s = zero_s
        self.next_s = 0.0
        self.n_jumps = 0
        self._removed_s = 0.0
        self._started = False

    def place(self, stamp_s: float | None, duration_s: float) -> float:
        """Moment at which a frame begins, seconds of film; negative before the first picture.

        Args:
            stamp_s: The frame's time stamp in seconds, None where the file has none.
            duration_s: How long the frame lasts as far as known; > 0.
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
    """The time one trailer may take; the clock stands still while someone else works on what was read."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._end_s = time.monotonic() + limit_s

    def check(self) -> None:
        """Raise MediaError once the time is used up."""
        if time.monotonic() > self._end_s:
            raise MediaError(
                f"Expected to read the file within {self.limit_s:g} s, but it takes longer. Convert it to "
                "a smaller size, or raise media.time_limit_s."
            )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time spent inside."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self._end_s += time.monotonic() - began_s
