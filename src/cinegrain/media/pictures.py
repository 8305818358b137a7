"""Scales decoded frames: a small picture of each, and colour pictures when sampled."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from av.video import VideoFrame, VideoStream
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from cinegrain.media.tonemap import ToneMapper
from cinegrain.types import CLIP_HEIGHT, CLIP_WIDTH, FLOW_HEIGHT, FLOW_WIDTH, TINY_HEIGHT, TINY_WIDTH, UInt8

_MAX_ASPECT = 3
_HD_HEIGHT = 720
_UNSPECIFIED = 2


@dataclass(frozen=True)
class Geometry:
    """Size and rotation in which a film is shown, from its first picture.

    Attributes:
        width: With square pixels, after rotation.
        height: After rotation.
        rotation_deg: Anticlockwise, 0, 90, 180 or 270.
    """

    width: int
    height: int
    rotation_deg: int

    @classmethod
    def of(cls, frame: VideoFrame, stream: VideoStream) -> "Geometry":
        """From the first picture and its stream."""
        pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
        width = max(1, round(frame.width * pixel_aspect)) if pixel_aspect > 0 else frame.width
        rotation_deg = round(frame.rotation / 90) * 90 % 360
        if rotation_deg in (90, 270):
            return cls(frame.height, width, rotation_deg)
        return cls(width, frame.height, rotation_deg)

    def sampled_size(self, short_side_px: int) -> tuple[int, int]:
        """Width and height of sampled pictures; a longer side of more than three times the shorter is squeezed."""
        short, long = sorted((self.width, self.height))
        long_px = round(short_side_px * min(long / short, _MAX_ASPECT))
        return (long_px, short_side_px) if self.width >= self.height else (short_side_px, long_px)


@dataclass(eq=False)
class Picture:
    """A picture shown from `time_s` on.

    Attributes:
        time_s: Seconds of film.
        small: Planes Y, U, V, each 0..255, uint8, shape (3, FLOW_HEIGHT, FLOW_WIDTH).
        is_black: Whether it is black.
    """

    time_s: float
    small: UInt8
    is_black: bool
    _make_rgb: Callable[[], UInt8]
    _make_clip_rgb: Callable[[], UInt8] | None = None
    _rgb: UInt8 | None = field(default=None, init=False)
    _clip_rgb: UInt8 | None = field(default=None, init=False)

    def rgb(self) -> UInt8:
        """In colour, uint8, shape (height, width, 3); computed on first use."""
        if self._rgb is None:
            self._rgb = self._make_rgb()
        return self._rgb

    def clip_rgb(self) -> UInt8:
        """As in clips, uint8, shape (CLIP_HEIGHT, CLIP_WIDTH, 3); computed on first use."""
        if self._clip_rgb is None:
            assert self._make_clip_rgb is not None
            self._clip_rgb = self._make_clip_rgb()
        return self._clip_rgb


class Shrinker:
    """Scales the pictures of one film; keeps the scalers, which are expensive to set up."""

    def __init__(
        self,
        geometry: Geometry,
        frame_size_px: int,
        *,
        tone_mapper: ToneMapper | None = None,
        n_cropped_rows: int = 0,
    ) -> None:
        """Set up for one film.

        Args:
            geometry: Size and rotation of the film.
            frame_size_px: Short side of sampled pictures.
            tone_mapper: Maps high dynamic range to a standard screen, if needed.
            n_cropped_rows: Total height of the black bars removed.
        """
        self._turns = geometry.rotation_deg // 90
        self._sampled_size = geometry.sampled_size(frame_size_px)
        self._tone_mapper = tone_mapper
        self._n_cropped_rows = n_cropped_rows
        self._small_scaler = VideoReformatter()
        self._sample_scaler = VideoReformatter()
        self._clip_scaler = VideoReformatter()

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """Shape of a sampled picture: height, width, 3."""
        width, height = self._sampled_size
        return (height, width, 3)

    def small(self, frame: VideoFrame) -> UInt8:
        """Planes Y, U, V of the whole picture in full range, shape (3, FLOW_HEIGHT, FLOW_WIDTH).

        Area averaging takes two thirds of the time of bilinear; fast_bilinear takes half of that, but skips pixels and
        so flickers.
        """
        width, height = self._before_turn(FLOW_WIDTH, FLOW_HEIGHT)
        if self._tone_mapper is not None:
            signal = _signal(frame, self._small_scaler, width, height, Interpolation.AREA)
            return self._turn(self._tone_mapper.yuv(signal), axes=(1, 2))
        shrunk = self._small_scaler.reformat(
            frame,
            width=width,
            height=height,
            format="yuv444p",
            interpolation=Interpolation.AREA,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        # Copied by hand: to_ndarray takes half as long as the scaling.
        small = np.empty((3, height, width), np.uint8)
        for target, plane in zip(small, shrunk.planes, strict=True):
            target[:] = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)[:, :width]
        return self._turn(small, axes=(1, 2))

    def sample(self, frame: VideoFrame) -> UInt8:
        """The whole picture in colour as shown, shape `sample_shape`."""
        return self._colour(frame, self._sample_scaler, *self._sampled_size)

    def clip(self, frame: VideoFrame) -> UInt8:
        """The whole picture squeezed to the input size of action networks, (CLIP_HEIGHT, CLIP_WIDTH, 3)."""
        return self._colour(frame, self._clip_scaler, CLIP_WIDTH, CLIP_HEIGHT)

    def tiny(self, frame: VideoFrame) -> UInt8:
        """The whole picture squeezed to the input size of cut-finding networks, (TINY_HEIGHT, TINY_WIDTH, 3)."""
        return self._colour(frame, self._clip_scaler, TINY_WIDTH, TINY_HEIGHT)

    def _colour(self, frame: VideoFrame, scaler: VideoReformatter, width: int, height: int) -> UInt8:
        width, height = self._before_turn(width, height)
        # Area averaging shrinks as well as bicubic in half the time, but enlarges badly.
        shrinks = frame.width >= width and frame.height >= height
        interpolation = Interpolation.AREA if shrinks else Interpolation.BICUBIC
        if self._tone_mapper is not None:
            signal = _signal(frame, scaler, width, height, interpolation)
            return self._turn(self._tone_mapper.rgb(signal), axes=(0, 1))
        unspecified_hd = frame.colorspace == _UNSPECIFIED and frame.height + self._n_cropped_rows >= _HD_HEIGHT
        rgb = scaler.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=Colorspace.ITU709 if unspecified_hd else None,
            interpolation=interpolation,
            threads=1,
        ).to_ndarray()
        return self._turn(np.asarray(rgb, np.uint8), axes=(0, 1))

    def _before_turn(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self._turns % 2 else (width, height)

    def _turn(self, picture: UInt8, axes: tuple[int, int]) -> UInt8:
        return np.ascontiguousarray(np.rot90(picture, self._turns, axes)) if self._turns else picture


def _signal(
    frame: VideoFrame, scaler: VideoReformatter, width: int, height: int, interpolation: Interpolation
) -> NDArray[np.uint16]:
    """A frame as 16-bit RGB with its own transfer function, shape (height, width, 3)."""
    rgb = scaler.reformat(
        frame,
        width=width,
        height=height,
        format="rgb48le",
        src_colorspace=Colorspace.BT2020 if frame.colorspace == _UNSPECIFIED else None,
        interpolation=interpolation,
        threads=1,
    )
    return np.asarray(rgb.to_ndarray(), np.uint16)
