"""People in silhouette, walking or standing."""

from dataclasses import dataclass

import cv2
import numpy as np

from cinegrain.types import Float64, UInt8
from cinegrain_demo.cast.element import place, shape, stroke


@dataclass(frozen=True)
class Walker:
    """A person.

    Attributes:
        x: Where the feet are at time 0, plate pixels.
        y: Row of the feet.
        tall: Height in plate pixels.
        speed: Plate pixels per second, signed; 0 stands and gestures.
        phase: Where in the gait the person starts, radians.
        clothes: Colour of the upper body and the arms.
        trousers: Colour of the legs.
        skin: Colour of head and hands.
        edge: Colour of the lit edge.
        coat: Whether a long coat or dress covers the legs.
    """

    x: float
    y: float
    tall: float
    speed: float
    phase: float
    clothes: tuple[int, int, int]
    trousers: tuple[int, int, int]
    skin: tuple[int, int, int]
    edge: tuple[int, int, int]
    coat: bool

    def draw(self, picture: UInt8, time_s: float, view: Float64) -> None:
        """See Element."""
        x, y, zoom = place(view, self.x + self.speed * time_s, self.y)
        size = self.tall * zoom
        if not -size < x < picture.shape[1] + size:
            return
        pace = abs(self.speed) / (0.42 * self.tall)
        swing = np.sin(2 * np.pi * pace * time_s + self.phase) if self.speed else 0.12
        gesture = 0.0 if self.speed else 0.5 + 0.5 * np.sin(2.6 * time_s + self.phase)
        facing = 1.0 if self.speed >= 0 else -1.0
        lean = 0.015 * size * facing * min(1.0, pace)
        hip, shoulder = (x, y - 0.49 * size), (x + lean, y - 0.78 * size)
        for side in (-1, 1):
            knee = (x + side * swing * 0.09 * size, y - 0.26 * size)
            foot = (x + side * swing * 0.18 * size, y - max(0.0, -side * swing) * 0.04 * size)
            toe = (foot[0] + 0.05 * size * facing, foot[1])
            stroke(picture, [hip, knee, foot, toe], self.trousers, 0.075 * size)
        self._draw_arm(picture, shoulder, size, -swing, 0.0)
        hem, half_hem = (0.27, 0.125 * size) if self.coat else (0.46, 0.08 * size)
        body = [(shoulder[0] - 0.06 * size, y - 0.84 * size), (shoulder[0] + 0.06 * size, y - 0.84 * size),
                (shoulder[0] + 0.105 * size, y - 0.78 * size), (x + 0.08 * size, y - 0.58 * size),
                (x + half_hem, y - hem * size), (x - half_hem, y - hem * size),
                (x - 0.08 * size, y - 0.58 * size), (shoulder[0] - 0.105 * size, y - 0.78 * size)]  # fmt: skip
        shape(picture, body, self.clothes)
        stroke(picture, body[2:5], self.edge, 0.012 * size)
        self._draw_arm(picture, shoulder, size, swing, gesture)
        stroke(picture, [(shoulder[0], y - 0.85 * size), (shoulder[0] + lean, y - 0.9 * size)], self.skin, 0.06 * size)
        head = (round((shoulder[0] + lean) * 16), round((y - 0.925 * size) * 16))
        cv2.circle(picture, head, max(16, round(0.068 * size * 16)), self.skin, -1, cv2.LINE_AA, 4)
        hair = (head[0] - round(0.3 * facing * size), head[1] - round(0.35 * size))
        cv2.circle(picture, hair, max(14, round(0.062 * size * 16)), self.trousers, -1, cv2.LINE_AA, 4)

    def _draw_arm(self, picture: UInt8, shoulder: tuple[float, float], size: float, swing: float, lift: float) -> None:
        side = 1.0 if lift else np.sign(swing) or 1.0
        elbow = (shoulder[0] + swing * 0.1 * size + side * 0.05 * size, shoulder[1] + 0.16 * size)
        hand = (elbow[0] + swing * 0.07 * size + lift * 0.08 * size, elbow[1] + (0.14 - 0.28 * lift) * size)
        stroke(picture, [shoulder, elbow, hand], self.clothes, 0.055 * size)
        stroke(picture, [hand, (hand[0], hand[1] + 1)], self.skin, 0.05 * size)
