"""Crops each scene of a film whose black bars come and go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cinegrain.media.bars import BLACK, Box
from cinegrain.media.pictures import Geometry
from cinegrain.media.scenes import SceneParts
from cinegrain.media.survey import Survey
from cinegrain.types import UInt8

_EMPTY = 0.02


@dataclass(frozen=True)
class _Layout:
    """A part of the picture, as fractions of its width and height, and the size at which it is sampled."""

    left: float
    top: float
    right: float
    bottom: float
    sampled_size: tuple[int, int]

    def cut(self, picture: UInt8, margin_px: int = 0) -> UInt8:
        """The part without rows and columns that scaling blended with the bars."""
        rows, columns = self.inside(picture.shape, margin_px)
        return picture[rows, columns]

    def inside(self, shape: Sequence[int], margin_px: int = 0) -> tuple[slice, slice]:
        """Rows and columns in a picture of a given shape, enlarged by a margin."""
        height, width = shape[:2]
        rows = slice(max(0, int(np.ceil(self.top * height)) - margin_px), int(self.bottom * height) + margin_px)
        columns = slice(max(0, int(np.ceil(self.left * width)) - margin_px), int(self.right * width) + margin_px)
        return rows, columns


class SceneFitter:
    """Crops the sampled pictures of scenes to the film's layouts."""

    def __init__(self, survey: Survey, geometry: Geometry, frame_size_px: int) -> None:
        self._layouts: list[_Layout] = []
        if survey.size is None or geometry.rotation_deg:  # rotated video is not edited with changing bars
            return
        whole = survey.crop or Box(0, 0, *survey.size)
        for box in survey.layouts:
            part = Geometry(
                max(1, round(geometry.width * box.width / whole.width)),
                max(1, round(geometry.height * box.height / whole.height)),
                0,
            )
            self._layouts.append(
                _Layout(
                    (box.left - whole.left) / whole.width,
                    (box.top - whole.top) / whole.height,
                    (box.right - whole.left) / whole.width,
                    (box.bottom - whole.top) / whole.height,
                    part.sampled_size(frame_size_px),
                )
            )

    def fit(self, parts: SceneParts) -> SceneParts:
        """Crops a scene to the smallest layout outside of which all its pictures are black, if there is one."""
        layout = self._layout_of([grey for _, grey in parts.flow_frames]) if self._layouts else None
        if layout is None:
            return parts
        return replace(
            parts,
            frames=[(t, _resized(layout.cut(rgb), layout.sampled_size)) for t, rgb in parts.frames],
            flow_frames=[(t, _resized(layout.cut(grey), grey.shape[1::-1])) for t, grey in parts.flow_frames],
            clips=[[(t, _resized(layout.cut(rgb), rgb.shape[1::-1])) for t, rgb in clip] for clip in parts.clips],
        )

    def _layout_of(self, greys: Sequence[UInt8]) -> _Layout | None:
        if not greys:
            return None
        visible = np.mean([grey > BLACK for grey in greys], axis=0)
        if visible.mean() <= _EMPTY:
            return None
        for layout in self._layouts:
            outside = np.ones(visible.shape, bool)
            outside[layout.inside(visible.shape, margin_px=1)] = False
            if outside.any() and visible[outside].mean() <= _EMPTY:
                return layout
        return None


def _resized(picture: UInt8, size: tuple[int, ...]) -> UInt8:
    width, height = size
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
