"""The painter's means: fractal noise, gradients, glows and masks on float RGB pictures with values in 0..1."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from cinegrain.types import Float32, UInt8


def rgb(code: str) -> Float32:
    """Colour from "#rrggbb" as three floats in 0..1."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


def mix(first: ArrayLike, second: ArrayLike, share: ArrayLike) -> Float32:
    """`first` where share is 0, `second` where it is 1; arguments broadcast."""
    a = np.asarray(first, np.float32)
    blended: Float32 = a + (np.asarray(second, np.float32) - a) * np.asarray(share, np.float32)
    return blended


def smoothstep(low: float, high: float, x: ArrayLike) -> Float32:
    """0 below low, 1 above high, an S curve between."""
    t = np.clip((np.asarray(x, np.float32) - low) / (high - low), 0, 1)
    curve: Float32 = t * t * (3 - 2 * t)
    return curve


def fractal(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    cells: float,
    octaves: int = 5,
    roughness: float = 0.5,
    stretch: float = 1.0,
) -> Float32:
    """Fractal noise in 0..1, shape (height, width).

    Args:
        rng: Source of randomness.
        height: Rows.
        width: Columns.
        cells: Number of coarsest cells over the height.
        octaves: Number of layers, each twice as fine as the one before.
        roughness: Weight of a layer relative to the one before.
        stretch: Width of a cell in units of its height.
    """
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        rows = max(2, round(cells * 2**octave)) + 1
        columns = max(2, round(cells * 2**octave * width / height / stretch)) + 1
        grid = rng.random((min(rows, height), min(columns, width)), dtype=np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= roughness
    low, high = float(total.min()), float(total.max())
    scaled: Float32 = (total - low) / (high - low)
    return scaled


def profile(rng: np.random.Generator, width: int, *, cells: float, octaves: int = 5) -> Float32:
    """One line of fractal noise in 0..1, shape (width,), with `cells` coarsest cells over the width."""
    x = np.linspace(0, 1, width)
    total = np.zeros(width)
    for octave in range(octaves):
        n_knots = max(2, round(cells * 2**octave)) + 1
        total += 0.5**octave * np.interp(x, np.linspace(0, 1, n_knots), rng.random(n_knots))
    scaled: Float32 = ((total - total.min()) / (total.max() - total.min())).astype(np.float32)
    return scaled


def gradient(height: int, stops: Sequence[tuple[float, Float32]]) -> Float32:
    """Vertical run of colours, shape (height, 1, 3), through (position 0..1, colour) stops."""
    y = np.linspace(0, 1, height)
    places = [place for place, _ in stops]
    channels = [np.interp(y, places, [float(colour[c]) for _, colour in stops]) for c in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)[:, None]


def radial(height: int, width: int, x: float, y: float, radius: float) -> Float32:
    """Falloff around a point: 1 at (x, y), e^-1 at `radius` pixels; shape (height, width)."""
    dx = (np.arange(width, dtype=np.float32) - x) / radius
    dy = (np.arange(height, dtype=np.float32) - y) / radius
    falloff: Float32 = np.exp(-np.sqrt(dx[None] ** 2 + dy[:, None] ** 2))
    return falloff


def add_glow(canvas: Float32, x: float, y: float, radius: float, colour: Float32, strength: float = 1.0) -> None:
    """Add light around a point, in place."""
    reach = int(radius * 5) + 1
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    part = canvas[top : int(y) + reach, left : int(x) + reach]
    if part.size:
        part += radial(part.shape[0], part.shape[1], x - left, y - top, radius)[..., None] * colour * strength


def fill(canvas: Float32, points: ArrayLike, colour: ArrayLike, opacity: float = 1.0) -> None:
    """Fill a polygon given by (x, y) corners with one colour, in place, with soft edges."""
    outline = np.asarray(points, np.float32)
    left, top = (max(0, int(v)) for v in np.floor(outline.min(axis=0)) - 1)
    right, bottom = (max(0, int(v)) for v in np.ceil(outline.max(axis=0)) + 2)
    part = canvas[top:bottom, left:right]
    if part.size:
        mask = polygon_mask(part.shape[0], part.shape[1], outline - np.array([left, top], np.float32))
        part[:] = mix(part, colour, mask[..., None] * opacity)


def polygon_mask(height: int, width: int, points: ArrayLike) -> Float32:
    """1 inside a polygon, 0 outside, shape (height, width)."""
    mask = np.zeros((height, width), np.uint8)
    fixed = np.round(np.asarray(points, np.float32) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    share: Float32 = mask.astype(np.float32) * np.float32(1 / 255)
    return share


def warp_onto(canvas: Float32, texture: Float32, corners: ArrayLike) -> None:
    """Stretch a texture over a quadrilateral (top left, top right, bottom right, bottom left), in place."""
    height, width = canvas.shape[:2]
    rows, columns = texture.shape[:2]
    source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    target = np.asarray(corners, np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    warped = cv2.warpPerspective(texture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    canvas[:] = mix(canvas, warped, polygon_mask(height, width, target)[..., None])


def to_uint8(canvas: Float32) -> UInt8:
    """Picture with values in 0..255; what lies outside 0..1 is clipped."""
    picture: UInt8 = (np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    return picture
