"""Maps high dynamic range and wide gamut to a standard screen."""

from typing import Literal, TypeAlias

import cv2
import numpy as np
from av.video import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

from cinegrain.types import Float32, Float64, UInt8

Transfer: TypeAlias = Literal["pq", "hlg", "gamma"]
_UInt16: TypeAlias = NDArray[np.uint16]

_WHITE_NITS = 203.0  # of diffuse white, BT.2408
_HLG_PEAK_NITS = 1000.0
_SCREEN_GAMMA = 2.4  # BT.1886
_KNEE = 0.8  # linear light; brighter values are compressed
_BITS = 12
_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)  # from BT.2020, BT.2087
_LUMA = np.array([0.2126, 0.7152, 0.0722])
_TO_YUV = np.array(
    [
        [*_LUMA, 0],
        [*((np.array([0, 0, 1]) - _LUMA) / (2 * (1 - _LUMA[2]))), 128],
        [*((np.array([1, 0, 0]) - _LUMA) / (2 * (1 - _LUMA[0]))), 128],
    ]
)


class ToneMapper:
    """Maps BT.2020 or high dynamic range pictures to BT.709 with gamma 2.4.

    Diffuse white, 203 nits, becomes white; highlights above are compressed, hues kept.

    Source: transfer functions of ITU-R BT.2100, gamut of BT.2087, white of BT.2408; the curve above the knee is ours.

    Attributes:
        transfer: Transfer function of the film.
    """

    def __init__(self, transfer: Transfer, *, is_wide_gamut: bool) -> None:
        self.transfer = transfer
        self._is_wide_gamut = is_wide_gamut
        signal = np.arange(1 << _BITS) / ((1 << _BITS) - 1)
        self._to_light = {"pq": _light_of_pq, "hlg": _scene_light_of_hlg, "gamma": _light_of_gamma}[transfer](
            signal
        ).astype(np.float32)

    @classmethod
    def of(cls, frame: VideoFrame) -> "ToneMapper | None":
        """From the first frame; None for standard dynamic range."""
        is_wide_gamut = frame.color_primaries == ColorPrimaries.BT2020
        match frame.color_trc:
            case ColorTrc.SMPTE2084:
                return cls("pq", is_wide_gamut=is_wide_gamut or frame.color_primaries == ColorPrimaries.UNSPECIFIED)
            case ColorTrc.ARIB_STD_B67:
                return cls("hlg", is_wide_gamut=is_wide_gamut or frame.color_primaries == ColorPrimaries.UNSPECIFIED)
        return cls("gamma", is_wide_gamut=True) if is_wide_gamut else None

    def rgb(self, signal: _UInt16) -> UInt8:
        """Map a picture.

        Args:
            signal: Stored RGB, 16 bits, shape (height, width, 3).

        Returns:
            Same shape, gamma 2.4, BT.709.
        """
        light = self._to_light[signal >> (16 - _BITS)]
        if self.transfer == "hlg":
            # The screen gamma is applied to luminance, which preserves hue.
            luminance = np.maximum(light @ np.array([0.2627, 0.678, 0.0593], np.float32), 1e-6)
            light = light * (np.float32(_HLG_PEAK_NITS / _WHITE_NITS) * cv2.pow(luminance, 0.2)[..., None])
        if self._is_wide_gamut:
            light = np.maximum(cv2.transform(light, _TO_BT709), 0)
        if self.transfer != "gamma":
            light = _compress(light)
        return np.asarray(np.clip(cv2.pow(light, 1 / _SCREEN_GAMMA) * 255 + 0.5, 0, 255), np.uint8)

    def yuv(self, signal: _UInt16) -> UInt8:
        """As planes Y, U, V of BT.709 in full range, shape (3, height, width)."""
        return np.ascontiguousarray(cv2.transform(self.rgb(signal), _TO_YUV).transpose(2, 0, 1))


def _light_of_pq(signal: Float64) -> Float64:
    """Light in units of diffuse white; BT.2100, table 4."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = signal ** (1 / m2)
    return np.asarray(10_000 / _WHITE_NITS * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def _scene_light_of_hlg(signal: Float64) -> Float64:
    """Scene light, 0..1; BT.2100, table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _light_of_gamma(signal: Float64) -> Float64:
    """Light in units of white on a standard screen."""
    return np.asarray(signal**_SCREEN_GAMMA)


def _compress(light: Float32) -> Float32:
    """Compress values above the knee towards 1, all channels of a pixel by one factor."""
    brightest = light.max(axis=2)
    above = np.maximum(brightest - _KNEE, 0)
    bent = np.minimum(brightest, _KNEE) + (1 - _KNEE) * (1 - np.exp(-above / (1 - _KNEE)))
    return np.asarray(light * (bent / np.maximum(brightest, 1e-6))[..., None], np.float32)
