"""Hours of the day and the skies that go with them."""

from dataclasses import dataclass

import cv2
import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import add_glow, fractal, gradient, mix, rgb, smoothstep


@dataclass(frozen=True, eq=False)
class Hour:
    """The light of one time of day.

    Attributes:
        zenith: Colour of the sky overhead.
        horizon: Colour of the sky at the horizon.
        haze: Colour that distance takes on.
        light: Colour of sunlight or moonlight, times its strength.
        ambient: Colour of the light in shadows, times its strength.
        cloud: Colour of clouds.
        disc: Colour of the sun or moon; None hides it.
        elevation: Height of the disc over the horizon as a share of the sky.
        starry: Whether stars are out.
    """

    zenith: Float32
    horizon: Float32
    haze: Float32
    light: Float32
    ambient: Float32
    cloud: Float32
    disc: Float32 | None
    elevation: float
    starry: bool = False


HOURS = {
    "dawn": Hour(
        rgb("#4a6ea5"), rgb("#f9c6a0"), rgb("#d8b3a8"), rgb("#ffd2a0"), rgb("#4d5470"), rgb("#ffdcc8"),
        rgb("#fff3cf"), 0.22,
    ),
    "day": Hour(
        rgb("#2868b4"), rgb("#b9dcf3"), rgb("#b4cde2"), rgb("#fff6e2"), rgb("#5a6b85"), rgb("#ffffff"),
        rgb("#ffffee"), 0.72,
    ),
    "dusk": Hour(
        rgb("#2e3270"), rgb("#fb9a52"), rgb("#b27a70"), rgb("#ffa566"), rgb("#453c5c"), rgb("#8a5578"),
        rgb("#ffd98c"), 0.13,
    ),
    "night": Hour(
        rgb("#070c1e"), rgb("#2a4072"), rgb("#1e2e54"), rgb("#7088b8"), rgb("#182238"), rgb("#24304e"),
        rgb("#eef3ff"), 0.62, True,
    ),
    "overcast": Hour(
        rgb("#77838f"), rgb("#ccd2d4"), rgb("#b9c0c4"), rgb("#b8bec4"), rgb("#5c646c"), rgb("#e0e4e6"),
        None, 0.6,
    ),
}  # fmt: skip


def paint_sky(
    rng: np.random.Generator, height: int, width: int, hour: Hour, *, horizon: float, sun_x: float
) -> Float32:
    """Sky with clouds and sun or moon over the whole canvas, shape (height, width, 3).

    Args:
        rng: Source of randomness.
        height: Rows.
        width: Columns.
        hour: Time of day.
        horizon: Row of the horizon; below it the colour of the horizon goes on.
        sun_x: Column of the sun or moon.
    """
    middle = mix(hour.zenith, hour.horizon, 0.45)
    edge = horizon / height
    stops = [(0.0, hour.zenith), (edge * 0.6, middle), (edge, hour.horizon), (1.0, hour.horizon)]
    canvas = np.repeat(gradient(height, stops), width, axis=1)
    if hour.starry:
        canvas += scatter_stars(rng, height, width, density=0.0012)[..., None] * np.float32(0.9)
    sun_y = horizon * (1 - hour.elevation)
    if hour.disc is not None:
        size = height * float(rng.uniform(0.03, 0.05))
        add_glow(canvas, sun_x, sun_y, height * 0.22, hour.light, 0.22 if hour.starry else 0.45)
        ring = np.hypot(np.arange(width)[None] - sun_x, np.arange(height)[:, None] - sun_y)
        canvas = mix(canvas, hour.disc, smoothstep(size + 1, size - 1, ring)[..., None])
    veil = _clouds(rng, height, width, horizon) * float(rng.uniform(0.35, 0.95))
    lit = mix(hour.cloud, hour.horizon, 0.25) + 0.15 * veil[..., None]
    return mix(canvas, lit, veil[..., None])


def scatter_stars(rng: np.random.Generator, height: int, width: int, *, density: float) -> Float32:
    """Brightness of a star field in 0..1, shape (height, width); density is the share of lit pixels."""
    stars = np.zeros((height, width), np.float32)
    count = int(height * width * density)
    stars[rng.integers(0, height, count), rng.integers(0, width, count)] = rng.random(count) ** 3 + 0.15
    blurred: Float32 = stars + 2.0 * cv2.GaussianBlur(stars, (3, 3), 0.7)
    return np.minimum(blurred, 1)


def _clouds(rng: np.random.Generator, height: int, width: int, horizon: float) -> Float32:
    """Opacity of a cloud deck in perspective: large overhead, thin streaks towards the horizon."""
    deck = fractal(rng, 512, 512, cells=7, octaves=6, roughness=0.55)
    drop = np.maximum(horizon * 1.02 - np.arange(height, dtype=np.float32), 1)[:, None] / horizon
    distance = np.minimum(1 / (drop + 0.08), 9)
    map_x = 256 + (np.arange(width, dtype=np.float32)[None] - width / 2) / width * 210 * distance
    map_y = np.repeat(distance * 60, width, axis=1)
    cover: Float32 = cv2.remap(deck, map_x.astype(np.float32), map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    low = float(rng.uniform(0.42, 0.6))
    below = (np.arange(height) < horizon).astype(np.float32)[:, None]
    return smoothstep(low, low + 0.28, cover) * below * smoothstep(0.0, 0.25, drop)
