"""A painted shot, larger than the picture, over which the camera moves."""

from dataclasses import dataclass

from cinegrain.types import Float32, UInt8


@dataclass(frozen=True, eq=False)
class Front:
    """A layer close to the camera, which slides faster than the rest.

    Attributes:
        colour: Colour times opacity, uint8, shape (h, w, 3).
        clear: 255 minus opacity, repeated for the three channels, shape (h, w, 3).
    """

    colour: UInt8
    clear: UInt8


@dataclass(frozen=True, eq=False)
class Plate:
    """One painted shot.

    Attributes:
        back: The picture, uint8 RGB, shape (h, w, 3).
        floor_y: Row on which people and vehicles stand.
        shade: Colour of silhouettes in this light, three floats in 0..1.
        light: Colour of the light on their edges.
        front: Layer close to the camera, if any.
        water_y: Row from which water ripples downwards, if there is water.
        lamps: (x, y, radius) of flames and lamps that flicker.
    """

    back: UInt8
    floor_y: float
    shade: Float32
    light: Float32
    front: Front | None = None
    water_y: float | None = None
    lamps: tuple[tuple[float, float, float], ...] = ()
