"""What every moving thing can do, and the steps that they share."""

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike

from cinegrain.types import Float32, Float64, UInt8


class Element(Protocol):
    """A moving thing in a shot."""

    def draw(self, picture: UInt8, time_s: float, view: Float64) -> None:
        """Draw onto the picture in place; `view` maps plate pixels to picture pixels, shape (2, 3)."""
        ...


def place(view: Float64, x: float, y: float) -> tuple[float, float, float]:
    """Picture position of a plate position, and the zoom."""
    zoom = float(np.hypot(view[0, 0], view[1, 0]))
    seen_x = float(view[0, 0] * x + view[0, 1] * y + view[0, 2])
    return seen_x, float(view[1, 0] * x + view[1, 1] * y + view[1, 2]), zoom


def shape(picture: UInt8, points: ArrayLike, colour: tuple[int, int, int]) -> None:
    """Fill a polygon with soft edges, in place."""
    fixed = np.round(np.asarray(points, np.float64) * 16).astype(np.int32)
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, 4)


def stroke(picture: UInt8, points: ArrayLike, colour: tuple[int, int, int], thickness: float) -> None:
    """Draw a bent line with round joints, in place."""
    fixed = np.round(np.asarray(points, np.float64) * 16).astype(np.int32)
    cv2.polylines(picture, [fixed], False, colour, max(1, round(thickness)), cv2.LINE_AA, 4)


def add_light(picture: UInt8, light: UInt8, x: float, y: float, size: float) -> None:
    """Add a glowing image, resized to `size` pixels and centred on (x, y), in place."""
    pixels = max(2, int(size))
    left, top = int(x - pixels / 2), int(y - pixels / 2)
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + pixels), min(height, top + pixels)
    if x0 >= x1 or y0 >= y1:
        return
    scaled = cv2.resize(light, (pixels, pixels), interpolation=cv2.INTER_LINEAR)
    picture[y0:y1, x0:x1] = cv2.add(picture[y0:y1, x0:x1], scaled[y0 - top : y1 - top, x0 - left : x1 - left])


def lamp_image(colour: Float32, size: int = 64) -> UInt8:
    """A round glow on black, uint8, shape (size, size, 3)."""
    reach = np.hypot(*np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size)))
    glow = np.clip(1 - reach, 0, 1) ** 2.2
    image: UInt8 = (glow[..., None] * colour * 255).astype(np.uint8)
    return image


def to_bytes(colour: Float32) -> tuple[int, int, int]:
    """Colour as OpenCV wants it."""
    red, green, blue = (int(np.clip(c, 0, 1) * 255) for c in colour)
    return red, green, blue
