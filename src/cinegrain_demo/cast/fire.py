"""Explosions, and the flicker of flames."""

from dataclasses import dataclass

import cv2
import numpy as np

from cinegrain.types import Float64, UInt8
from cinegrain_demo.cast.element import add_light, lamp_image, place
from cinegrain_demo.paint import fractal, mix, rgb, smoothstep

_SPRITE = 160


def fireball_image(rng: np.random.Generator) -> UInt8:
    """A ball of fire on black, uint8, shape (_SPRITE, _SPRITE, 3)."""
    axis = np.linspace(-1, 1, _SPRITE)
    reach = np.hypot(axis[None], axis[:, None] * 1.08)
    turbulence = fractal(rng, _SPRITE, _SPRITE, cells=5, octaves=5, roughness=0.6)
    heat = np.clip(1.25 - 1.45 * reach - 1.1 * (turbulence - 0.45), 0, 1)[..., None]
    fire = mix(mix(0.0, rgb("#c02808"), smoothstep(0, 0.3, heat)), rgb("#ff9a1e"), smoothstep(0.2, 0.55, heat))
    fire = mix(fire, rgb("#fff3c0"), smoothstep(0.5, 0.95, heat))
    image: UInt8 = (np.clip(fire * smoothstep(0, 0.1, heat), 0, 1) * 255).astype(np.uint8)
    return image


@dataclass(frozen=True, eq=False)
class Blast:
    """An explosion: flash, ball of fire that grows and cools, and a cloud of smoke that rises from it.

    Attributes:
        x: Plate pixels.
        y: Plate pixels; the foot of the ball.
        size: Width of the ball when it is largest, plate pixels.
        start_s: When it goes off.
        fireball: From fireball_image.
        smoke: Opacity of the smoke, uint8, shape (_SPRITE, _SPRITE).
    """

    x: float
    y: float
    size: float
    start_s: float
    fireball: UInt8
    smoke: UInt8

    def draw(self, picture: UInt8, time_s: float, view: Float64) -> None:
        """See Element."""
        age = time_s - self.start_s
        if age < 0 or age > 2.2:
            return
        x, y, zoom = place(view, self.x, self.y)
        size = self.size * zoom * (1 - np.exp(-6 * age - 0.25))
        self._draw_smoke(picture, x, y - size * (0.45 + 0.35 * age), size * (1.0 + 0.35 * age), age)
        heat = float(np.exp(-1.7 * age))
        add_light(picture, cv2.convertScaleAbs(self.fireball, alpha=1.25 * heat), x, y - size * 0.4, size)
        if age < 0.16:
            cv2.convertScaleAbs(picture, dst=picture, alpha=1.0 + 0.7 * (1 - age / 0.16), beta=28 * (1 - age / 0.16))

    def _draw_smoke(self, picture: UInt8, x: float, y: float, size: float, age: float) -> None:
        pixels = max(4, int(size))
        left, top = int(x - pixels / 2), int(y - pixels / 2)
        height, width = picture.shape[:2]
        x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + pixels), min(height, top + pixels)
        if x0 >= x1 or y0 >= y1:
            return
        cover = cv2.resize(self.smoke, (pixels, pixels))[y0 - top : y1 - top, x0 - left : x1 - left]
        share = cover.astype(np.float32)[..., None] / 255 * min(1.0, 2 * age) * max(0.0, 1 - age / 2.2)
        part = picture[y0:y1, x0:x1]
        part[:] = mix(part, np.array([34, 30, 30], np.float32), share).astype(np.uint8)


def smoke_image(rng: np.random.Generator) -> UInt8:
    """Opacity of a cloud of smoke, uint8, shape (_SPRITE, _SPRITE)."""
    axis = np.linspace(-1, 1, _SPRITE)
    reach = np.hypot(axis[None], axis[:, None])
    cloud = 1.15 - 1.3 * reach - 0.9 * (fractal(rng, _SPRITE, _SPRITE, cells=4, octaves=5) - 0.45)
    image: UInt8 = (smoothstep(0.05, 0.6, cloud) * 235).astype(np.uint8)
    return image


@dataclass(frozen=True, eq=False)
class Flicker:
    """The unsteady light of a flame or lamp.

    Attributes:
        x: Plate pixels.
        y: Plate pixels.
        radius: Reach of its light, plate pixels.
        phase: Radians.
        glow: From lamp_image.
    """

    x: float
    y: float
    radius: float
    phase: float
    glow: UInt8

    def draw(self, picture: UInt8, time_s: float, view: Float64) -> None:
        """See Element."""
        x, y, zoom = place(view, self.x, self.y)
        waver = np.sin(11 * time_s + self.phase) * np.sin(4.3 * time_s + 2 * self.phase)
        lit = cv2.convertScaleAbs(self.glow, alpha=0.22 + 0.1 * float(waver))
        add_light(picture, lit, x, y, self.radius * zoom * 1.3)


def candle_glow() -> UInt8:
    """The glow of a candle."""
    return lamp_image(rgb("#ffb050"))
