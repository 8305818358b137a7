"""Shot boundary detection."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2

from cinegrain.types import UInt8

CUT_RATIO, CUT_FLOOR, CUT_NEIGHBOURS = 1.7, 6.0, 2
"""Tuned; see `CutDetector`. The floor, in Y + U + V (0..765), keeps flicker in still films from counting as cuts."""
CUT_WINDOW_S = 0.25
"""A shorter flash is not a cut."""
BLACK_LEVEL = 24
"""Maximum level (0..255) of a black picture."""
_BLACK_SHARE = 0.002  # a few bright pixels are ignored
_RETURN_SHARE = 0.5
_TIME_SLACK_S = 1e-6


def picture_change(a: UInt8, b: UInt8) -> float:
    """Mean absolute difference of two small pictures, summed over Y, U and V.

    Args:
        a: Planes Y, U, V, uint8, shape (3, height, width).
        b: Same shape.
    """
    total = float(cv2.norm(a.reshape(-1, a.shape[2]), b.reshape(-1, b.shape[2]), cv2.NORM_L1))
    return total / (a.size / 3)


def is_near_black(small: UInt8) -> bool:
    """Whether all but a few pixels are at most BLACK_LEVEL."""
    luma: UInt8 = small[0]
    n_visible = int(cv2.countNonZero(cv2.compare(luma, float(BLACK_LEVEL), cv2.CMP_GT)))
    return n_visible <= _BLACK_SHARE * luma.size


class CutFinder(Protocol):
    """Finds cuts in a separate pass over the film; implemented by a network."""

    def cuts(self, pictures: Iterable[tuple[float, UInt8]]) -> Iterator[float]:
        """Start times of scenes in ascending order, without the first; each is the time of a picture.

        Args:
            pictures: Every picture of the film with its time, from `TrailerReader.tiny_pictures`.
        """
        ...


class KnownCuts:
    """Cuts from an earlier pass over the film, with the interface of a `CutDetector`."""

    def __init__(self, cuts_s: Iterable[float]) -> None:
        self._left_s = deque(cuts_s)

    def push(self, time_s: float, small: UInt8, *, is_black: bool) -> list[float]:  # noqa: ARG002
        """Known cuts before `time_s`."""
        told = []
        while self._left_s and self._left_s[0] < time_s:
            told.append(self._left_s.popleft())
        return told

    def flush(self) -> list[float]:
        """The remaining cuts."""
        return list(self._left_s)


@dataclass(frozen=True, eq=False)
class _Look:
    time_s: float
    small: UInt8
    is_black: bool
    change: float


class CutDetector:
    """Finds hard cuts and fades through black in a stream of pictures.

    At a hard cut the picture changes by at least

        ratio * (mean of the 2 n_neighbours largest changes around it + floor)

    with half of the neighbours on each side, within `window_s`, so that pans, a shaking camera and drawings held for
    two or three frames are not cuts. If the earlier picture returns within `window_s`, it was a flash. A run of black
    pictures is one cut, at its middle. Dissolves and fades through white are not found.

    Each cut is reported once `window_s` (at least one picture) has passed.

    Source: after `AdaptiveDetector` of PySceneDetect 0.6 (Castellano): change over mean of neighbours. The
    floor inside the mean, the largest neighbours, the flashes and the fades are ours.
    """

    def __init__(
        self,
        *,
        ratio: float = CUT_RATIO,
        floor: float = CUT_FLOOR,
        n_neighbours: int = CUT_NEIGHBOURS,
        window_s: float = CUT_WINDOW_S,
    ) -> None:
        self._ratio = ratio
        self._floor = floor
        self._n_neighbours = n_neighbours
        self._window_s = window_s
        self._past: deque[_Look] = deque()
        self._undecided: deque[_Look] = deque()
        self._last: _Look | None = None
        self._black_times_s: list[float] = []
        self._before_black: _Look | None = None
        self._fades_s: deque[float] = deque()

    def push(self, time_s: float, small: UInt8, *, is_black: bool) -> list[float]:
        """Add the next picture.

        Args:
            time_s: Its time, later than the one before.
            small: Planes Y, U, V, uint8, shape (3, height, width); kept for `window_s`, so do not modify it.
            is_black: Whether it is black.

        Returns:
            Times of cuts that are certain now, ascending, each the time of an earlier picture.
        """
        change = picture_change(self._last.small, small) if self._last is not None else 0.0
        look = _Look(time_s, small, is_black, change)
        self._follow_black(look)
        self._last = look
        self._undecided.append(look)
        return list(self._decide(time_s - self._window_s + _TIME_SLACK_S))

    def flush(self) -> list[float]:
        """Cuts among the last pictures, after the end."""
        return list(self._decide(float("inf")))

    def _follow_black(self, look: _Look) -> None:
        """Records a fade at the end of a run of black pictures, except at the start of the film."""
        if look.is_black:
            if not self._black_times_s:
                self._before_black = self._last
            self._black_times_s.append(look.time_s)
            return
        run_s, before = self._black_times_s, self._before_black
        if run_s and before is not None and self._last is not None:
            was_blink = look.time_s - run_s[0] <= self._window_s and picture_change(
                before.small, look.small
            ) < _RETURN_SHARE * picture_change(before.small, self._last.small)
            middle_s = (run_s[0] + look.time_s) / 2
            if not was_blink:
                self._fades_s.append(max(time_s for time_s in run_s if time_s <= middle_s))
        self._black_times_s, self._before_black = [], None

    def _decide(self, until_s: float) -> Iterator[float]:
        while self._undecided and self._undecided[0].time_s <= until_s:
            # The newest picture is undecided until more follow.
            if len(self._undecided) == 1 and until_s != float("inf"):
                break
            look = self._undecided.popleft()
            while self._fades_s and self._fades_s[0] <= look.time_s:
                yield self._fades_s.popleft()
            if self._is_cut(look):
                yield look.time_s
            self._past.append(look)
            self._forget(look.time_s)
        if until_s == float("inf"):
            yield from self._fades_s

    def _forget(self, now_s: float) -> None:
        oldest_s = now_s - self._window_s - _TIME_SLACK_S
        while len(self._past) > self._n_neighbours + 1 and self._past[0].time_s < oldest_s:
            self._past.popleft()

    def _is_cut(self, look: _Look) -> bool:
        if look.change < self._ratio * self._floor or look.is_black or not self._past or self._past[-1].is_black:
            return False
        before, after = list(reversed(self._past)), list(self._undecided)
        around = self._largest_changes(look, before) + self._largest_changes(look, after)
        usual = sum(around) / len(around) if around else 0.0
        if look.change < self._ratio * (usual + self._floor):
            return False
        return not self._returns(look, before, after)

    def _largest_changes(self, look: _Look, others: Sequence[_Look]) -> list[float]:
        """The largest changes on one side, within the window but at least n neighbours.

        The largest and not the nearest, since cartoons hold each drawing for two or three frames.
        """
        n = self._n_neighbours
        near = [
            other.change
            for i, other in enumerate(others)
            if i < n or abs(other.time_s - look.time_s) <= self._window_s + _TIME_SLACK_S
        ]
        return sorted(near, reverse=True)[:n]

    def _returns(self, look: _Look, before: Sequence[_Look], after: Sequence[_Look]) -> bool:
        """Whether the earlier picture returns within the window: a flash, or its end."""
        same = _RETURN_SHARE * look.change
        near = self._window_s + _TIME_SLACK_S
        comes_back = (
            picture_change(before[0].small, later.small) < same for later in after if later.time_s - look.time_s <= near
        )
        came_back = (
            picture_change(earlier.small, look.small) < same
            for earlier in before[1:]
            if look.time_s - earlier.time_s <= near
        )
        return any(comes_back) or any(came_back)
