"""Detects black bars from frames of a whole film."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64, UInt8

BLACK = 16
"""Maximum luma of black in sampled pictures, full range."""
_MAX_LEVEL, _NOISE = 16, 8  # bars on tape are grey, and codecs add noise
_BORDER_SHARE = 0.01
_TOLERANCE_SHARE = 0.01
_MIN_BARS_SHARE = 0.03  # less is the blanking of analogue video, or padding
_FILLED, _EMPTY = 0.5, 0.15  # coverage of a row inside and outside the picture; captions and logos in bars cover little
_MIN_PICTURE_SHARE, _MIN_FILLED_SHARE = 0.25, 0.8  # unlike titles on black
_EXCEPTIONS = 0.15  # fraction of frames that may have content in the bars, such as a rating card
_SUPPORT, _SUPPORT_IF_EMPTY = 0.4, 0.15  # fraction of frames that show the edge
_LAYOUT_SUPPORT = 0.15
_MIN_LAYOUT_LOOKS = 2


@dataclass(frozen=True)
class Box:
    """Part of a picture: columns `left` to `right` and rows `top` to `bottom` in pixels, half-open."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of the picture along one axis of one frame.

    Attributes:
        coverage: Fraction of pixels that are not black in each row (or column), shape (n,).
        low: First row with content.
        high: One after the last row with content.
        is_straight: Whether both edges are as sharp and straight as those of bars, or are the frame's border.
    """

    coverage: Float64
    low: int
    high: int
    is_straight: bool

    @classmethod
    def of(cls, coverage: Float64) -> "Edges | None":
        """From the coverage along an axis; None if there is almost no content."""
        filled = np.flatnonzero(coverage >= _FILLED)
        if not len(filled):
            return None
        low, high = int(filled[0]), int(filled[-1]) + 1
        return cls(
            coverage, low, high, _is_straight(coverage, low) and _is_straight(coverage[::-1], len(coverage) - high)
        )

    @property
    def reach_borders(self) -> bool:
        """Whether the picture fills the frame along this axis."""
        border = round(len(self.coverage) * _BORDER_SHARE)
        return self.low <= border and self.high >= len(self.coverage) - border


def _is_straight(coverage: Float64, low: int) -> bool:
    """Whether the coverage jumps at `low` from almost nothing to almost everything."""
    blur = max(2, len(coverage) // 120)
    if low <= blur:
        return True
    inside = coverage[low + blur :][:blur]
    return bool(len(inside) and coverage[: low - blur].max() <= _EMPTY and inside.mean() >= _FILLED)


@dataclass(frozen=True, eq=False)
class Extent:
    """Edges of the picture in one frame."""

    across: Edges
    down: Edges

    @classmethod
    def of(cls, luma: UInt8) -> "Extent | None":
        """Measure one frame.

        Args:
            luma: Full range, shape (height, width).

        Returns:
            None if the frame is too dark.
        """
        borders = (luma[:2], luma[-2:], luma[:, :2], luma[:, -2:])
        level = min(float(np.median(border)) for border in borders)
        visible = luma > min(level, _MAX_LEVEL) + _NOISE
        rows = np.flatnonzero(visible.mean(axis=1) > _EMPTY)
        if not len(rows):
            return None
        across = Edges.of(visible[rows[0] : rows[-1] + 1].mean(axis=0))
        if across is None:
            return None
        down = Edges.of(visible[:, across.low : across.high].mean(axis=1))
        return None if down is None else cls(across, down)

    @property
    def fills_frame(self) -> bool:
        """Whether there are no bars in this frame."""
        return self.across.reach_borders and self.down.reach_borders


def find_bars(extents: Sequence[Extent]) -> Box | None:
    """The part of the frame inside black bars that are there almost all the time.

    Bars have the same straight edge in many frames, with nothing outside it but captions, logos or a rare full frame.
    A film that is merely dark at its borders has no such edge.

    Args:
        extents: Of frames of one size from the whole film, without dark ones.

    Returns:
        None without bars. Even numbers, since chroma is often stored at half the resolution.
    """
    if not extents:
        return None
    left, right = _picture_range([extent.across for extent in extents])
    top, bottom = _picture_range([extent.down for extent in extents])
    width, height = len(extents[0].across.coverage), len(extents[0].down.coverage)
    found = Box(left, top, right, bottom)
    return None if found == Box(0, 0, width, height) else found


def find_layouts(extents: Sequence[Extent], crop: Box | None) -> tuple[Box, ...]:
    """Smaller parts that the picture fills in only part of the film: bars that come and go.

    Args:
        extents: As for `find_bars`.
        crop: Result of `find_bars`.

    Returns:
        Smallest first.
    """
    if not extents:
        return ()
    width, height = len(extents[0].across.coverage), len(extents[0].down.coverage)
    whole = crop or Box(0, 0, width, height)
    boxes = [
        Box(left, top, right, bottom)
        for extent in extents
        for left, right in [_centred_range(extent.across, whole.left, whole.right)]
        for top, bottom in [_centred_range(extent.down, whole.top, whole.bottom)]
    ]
    n_enough = max(_MIN_LAYOUT_LOOKS, _LAYOUT_SUPPORT * len(boxes))
    layouts: list[Box] = []
    for box in boxes:
        n_alike = sum(_are_alike(box, other, width, height) for other in boxes)
        is_known = any(_are_alike(box, other, width, height) for other in (whole, *layouts))
        if n_alike >= n_enough and not is_known:
            layouts.append(box)
    return tuple(sorted(layouts, key=lambda box: box.width * box.height))


def _picture_range(edges: Sequence[Edges]) -> tuple[int, int]:
    """Range of the picture along one axis over the whole film."""
    n = len(edges[0].coverage)
    n_exceptions = int(_EXCEPTIONS * len(edges))
    # In descending order: all but k frames stay below row k.
    coverage = np.sort([edge.coverage for edge in edges], axis=0)[::-1]
    nearly_always = Edges.of(coverage[n_exceptions])
    if nearly_always is None or nearly_always.low + n - nearly_always.high < _MIN_BARS_SHARE * n:
        return 0, n
    low, high = nearly_always.low, nearly_always.high
    if high - low < _MIN_PICTURE_SHARE * n or np.mean(nearly_always.coverage[low:high] >= _FILLED) < _MIN_FILLED_SHARE:
        return 0, n
    tolerance = max(2, round(_TOLERANCE_SHARE * n))
    alike = [
        edge
        for edge in edges
        if edge.is_straight and abs(edge.low - low) <= tolerance and abs(edge.high - high) <= tolerance
    ]
    support = len(alike) / len(edges) if len(alike) > 1 or len(edges) == 1 else 0.0
    mostly_empty = coverage[len(edges) // 2]
    has_bars = (nearly_always.is_straight and support >= _SUPPORT_IF_EMPTY) or (
        support >= _SUPPORT
        and max(mostly_empty[: low - tolerance].max(initial=0), mostly_empty[high + tolerance :].max(initial=0))
        <= _EMPTY
    )
    if not has_bars:
        return 0, n
    low = int(np.median([edge.low for edge in alike]))
    high = int(np.median([edge.high for edge in alike]))
    return low + low % 2, high - high % 2


def _centred_range(edges: Edges, low: int, high: int) -> tuple[int, int]:
    """Range of one frame's picture if its bars are clear and of equal size, else that of the film."""
    n = len(edges.coverage)
    is_centred = abs((edges.low - low) - (high - edges.high)) <= 2 * max(2, round(_TOLERANCE_SHARE * n))
    has_bars = edges.low - low + high - edges.high >= _MIN_BARS_SHARE * n
    return (edges.low, edges.high) if edges.is_straight and is_centred and has_bars else (low, high)


def _are_alike(a: Box, b: Box, width: int, height: int) -> bool:
    x, y = max(2, round(_TOLERANCE_SHARE * width)), max(2, round(_TOLERANCE_SHARE * height))
    return (
        abs(a.left - b.left) <= x
        and abs(a.right - b.right) <= x
        and abs(a.top - b.top) <= y
        and abs(a.bottom - b.bottom) <= y
    )
