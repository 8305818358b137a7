"""Cars, boats, ships and deer: what moves as one piece."""

from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64, UInt8
from cinegrain_demo.cast.element import add_light, place, shape

# Outlines face right; x runs from -0.5 to 0.5 of the length, y upwards from the ground in the same unit.
_OUTLINES = {
    "car": (
        (-0.5, 0.06), (-0.49, 0.17), (-0.38, 0.2), (-0.27, 0.31), (0.06, 0.32), (0.22, 0.2), (0.46, 0.16), (0.5, 0.06),
    ),
    "jeep": (
        (-0.5, 0.1), (-0.5, 0.3), (-0.46, 0.42), (0.08, 0.42), (0.16, 0.27), (0.48, 0.25), (0.5, 0.1),
    ),
    "sail": (
        (-0.42, 0.12), (-0.05, 0.12), (-0.05, 0.95), (0.36, 0.16), (0.0, 0.14), (0.0, 0.12), (0.48, 0.13), (0.34, 0.0),
        (-0.36, 0.0),
    ),
    "ship": (
        (-0.48, 0.1), (-0.34, 0.1), (-0.34, 0.24), (-0.24, 0.24), (-0.24, 0.32), (-0.17, 0.32), (-0.17, 0.2),
        (-0.02, 0.2), (-0.02, 0.12), (0.5, 0.13), (0.4, 0.0), (-0.44, 0.0),
    ),
    "deer": (
        (-0.42, 0.62), (-0.3, 0.7), (0.1, 0.68), (0.22, 0.86), (0.2, 0.96), (0.1, 1.12), (0.12, 1.2), (0.2, 1.04),
        (0.22, 1.2), (0.26, 1.2), (0.26, 1.02), (0.36, 1.16), (0.38, 1.12), (0.3, 0.97), (0.46, 0.88), (0.44, 0.82),
        (0.32, 0.82), (0.26, 0.58), (0.2, 0.42), (0.22, 0.0), (0.17, 0.0), (0.14, 0.38), (0.08, 0.38), (0.06, 0.0),
        (0.01, 0.0), (0.02, 0.42), (-0.22, 0.42), (-0.22, 0.0), (-0.27, 0.0), (-0.3, 0.34), (-0.36, 0.0),
        (-0.41, 0.0), (-0.4, 0.4),
    ),
    "rocket": (
        (-0.5, 0.0), (-0.44, 0.13), (-0.3, 0.08), (0.05, 0.13), (0.12, 0.19), (0.2, 0.13), (0.5, 0.02), (0.2, -0.05),
        (-0.1, -0.07), (-0.3, -0.16), (-0.34, -0.06),
    ),
    "freighter": (
        (-0.5, -0.06), (-0.5, 0.1), (-0.4, 0.1), (-0.4, 0.16), (-0.3, 0.16), (-0.3, 0.07), (0.2, 0.07), (0.2, 0.13),
        (0.34, 0.13), (0.5, 0.03), (0.34, -0.05), (0.1, -0.05), (0.1, -0.13), (-0.26, -0.13), (-0.26, -0.05),
    ),
}  # fmt: skip
_WHEELED = {"car": 0.075, "jeep": 0.1}
_LAMPS = {
    "car": ((0.49, 0.13),), "jeep": ((0.5, 0.2),), "ship": ((-0.2, 0.28), (-0.3, 0.18)), "sail": (), "deer": (),
    "rocket": ((-0.5, 0.06), (-0.46, -0.02)), "freighter": ((-0.5, 0.05), (-0.5, -0.02), (0.28, 0.08)),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Vehicle:
    """Something that drives, sails or flies.

    Attributes:
        kind: A key of the outlines: car, jeep, sail, ship, rocket, freighter or deer.
        x: Middle at time 0; plate pixels, or a share of the picture's width when `pinned`.
        y: Row of the ground, waterline or axis, plate pixels.
        length: Plate pixels.
        speed: Plate pixels per second, signed.
        bob: Up and down, share of the length.
        pinned: Whether the camera tracks it, so that it keeps its place in the picture.
        heading: 1 faces right, -1 left.
        colour: Colour of the body.
        edge: Colour of its lit top.
        lamp: Glow of its lamps or engines.
    """

    kind: str
    x: float
    y: float
    length: float
    speed: float
    bob: float
    pinned: bool
    heading: int
    colour: tuple[int, int, int]
    edge: tuple[int, int, int]
    lamp: UInt8

    def draw(self, picture: UInt8, time_s: float, view: Float64) -> None:
        """See Element."""
        x, y, zoom = place(view, self.x + self.speed * time_s, self.y)
        if self.pinned:
            x = picture.shape[1] * (self.x + 0.05 * np.sin(1.3 * time_s))
        size = self.length * zoom
        if not -size < x < picture.shape[1] + size:
            return
        y += self.bob * size * np.sin(2 * np.pi * 0.9 * time_s + self.length)
        points = np.array(_OUTLINES[self.kind]) * [self.heading * size, -size] + [x, y]
        lifted = points - [0, max(1.0, 0.014 * size)]
        shape(picture, lifted, self.edge)
        shape(picture, points, self.colour)
        radius = _WHEELED.get(self.kind, 0.0) * size
        for axle in (-0.3, 0.31) if radius else ():
            turn = np.linspace(0, 2 * np.pi, 14)
            hub = np.array([x + self.heading * axle * size, y - radius * 0.9])
            shape(picture, hub + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1), (12, 12, 14))
            shape(picture, hub + radius * 0.45 * np.stack([np.cos(turn), np.sin(turn)], axis=1), self.edge)
        for lamp_x, lamp_y in _LAMPS[self.kind]:
            add_light(picture, self.lamp, x + self.heading * lamp_x * size, y - lamp_y * size, 0.32 * size)
