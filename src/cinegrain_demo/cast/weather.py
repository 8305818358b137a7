"""Small things in great number: snow, leaves, dust, birds, asteroids."""

from dataclasses import dataclass

import cv2
import numpy as np

from cinegrain.types import Float64, UInt8
from cinegrain_demo.cast.element import place, shape


@dataclass(frozen=True, eq=False)
class Drift:
    """Particles that drift over the picture and come back on the other side.

    Attributes:
        spots: Start places and closeness 0..1, columns x, y (shares of the picture) and closeness, shape (n, 3).
        fall: Shares of the picture's height per second.
        wind: Shares of the picture's width per second.
        flutter: Sideways swing as a share of the width.
        size: Radius of the closest, share of the picture's height.
        colour: Colour of the closest; farther ones are fainter.
        follow: How strongly the camera's movement carries them, 0..1.
    """

    spots: Float64
    fall: float
    wind: float
    flutter: float
    size: float
    colour: tuple[int, int, int]
    follow: float

    def draw(self, picture: UInt8, time_s: float, view: Float64) -> None:
        """See Element."""
        height, width = picture.shape[:2]
        close = self.spots[:, 2]
        speed = 0.4 + 0.6 * close
        swing = self.flutter * np.sin(1.7 * time_s + 40 * close)
        carried = self.follow * close * np.array([[view[0, 2] / width], [view[1, 2] / height]])
        x = np.mod(self.spots[:, 0] + self.wind * speed * time_s + swing + carried[0], 1.0) * (width + 20) - 10
        y = np.mod(self.spots[:, 1] + self.fall * speed * time_s + carried[1], 1.0) * (height + 20) - 10
        radius = np.maximum(0.8, self.size * height * (0.3 + 0.7 * close))
        layer = picture.copy()
        for spot_x, spot_y, spot_radius in zip(x, y, radius, strict=True):
            centre = (round(spot_x * 16), round(spot_y * 16))
            cv2.circle(layer, centre, round(spot_radius * 16), self.colour, -1, cv2.LINE_AA, 4)
        cv2.addWeighted(layer, 0.75, picture, 0.25, 0, dst=picture)


@dataclass(frozen=True, eq=False)
class Flock:
    """Birds with beating wings.

    Attributes:
        birds: Columns x, y (plate pixels), span (plate pixels) and phase, shape (n, 4).
        speed: Plate pixels per second.
        colour: Colour of the silhouettes.
    """

    birds: Float64
    speed: float
    colour: tuple[int, int, int]

    def draw(self, picture: UInt8, time_s: float, view: Float64) -> None:
        """See Element."""
        for bird_x, bird_y, bird_span, phase in self.birds:
            x, y, zoom = place(view, bird_x + self.speed * time_s, bird_y + 3 * np.sin(time_s + phase))
            span = bird_span * zoom
            beat = 0.32 * np.sin(7 * time_s + phase)
            left, right = (x - span, y - span * beat), (x + span, y - span * beat)
            thick = max(0.8, span * 0.16)
            elbow = y - span * (0.18 + beat * 0.6)
            wings = [left, (x - span * 0.4, elbow), (x, y), (x + span * 0.4, elbow), right, (x, y + thick)]
            shape(picture, wings, self.colour)


@dataclass(frozen=True, eq=False)
class Asteroids:
    """Tumbling rocks.

    Attributes:
        outlines: Radii over the turn, shape (n, 9).
        rocks: Columns x, y (plate pixels), radius (plate pixels), spin (radians per second), shape (n, 4).
        speed: Plate pixels per second.
        colour: Colour of the dark side.
        edge: Colour of the lit side.
    """

    outlines: Float64
    rocks: Float64
    speed: float
    colour: tuple[int, int, int]
    edge: tuple[int, int, int]

    def draw(self, picture: UInt8, time_s: float, view: Float64) -> None:
        """See Element."""
        turn = np.linspace(0, 2 * np.pi, self.outlines.shape[1], endpoint=False)
        for outline, (rock_x, rock_y, rock_radius, spin) in zip(self.outlines, self.rocks, strict=True):
            x, y, zoom = place(view, rock_x + self.speed * rock_radius / 10 * time_s, rock_y)
            reach = outline * rock_radius * zoom
            around = np.stack([np.cos(turn + spin * time_s), np.sin(turn + spin * time_s)], axis=1) * reach[:, None]
            middle = np.array([x, y])
            shape(picture, around + middle, self.edge)
            shape(picture, around * 0.86 + middle + rock_radius * zoom * np.array([0.14, 0.1]), self.colour)
