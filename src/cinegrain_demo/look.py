"""The nuisance of a film: picture shape, colour grade, grain, length, loudness. Drawn blind to the sub-genre."""

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from cinegrain.types import Float32, UInt8


@dataclass(frozen=True)
class Aspect:
    """A picture shape: the stored size in pixels and the part of it that is not black bars."""

    name: str
    width: int
    height: int
    picture_width: int
    picture_height: int


ASPECTS = (
    Aspect("wide", 384, 216, 384, 216),
    Aspect("scope", 432, 180, 432, 180),
    Aspect("academy", 320, 240, 320, 240),
    Aspect("letterbox", 384, 216, 384, 162),
    Aspect("pillarbox", 384, 216, 288, 216),
)
FRAME_RATES = (Fraction(12), Fraction(15), Fraction(20), Fraction(24_000, 1001), Fraction(24), Fraction(25))


@dataclass(frozen=True)
class Look:
    """What varies freely from film to film.

    Attributes:
        aspect: Picture shape.
        frame_rate: Frames per second.
        duration_s: Length of the film.
        warmth: Shift of the white point, -1 (blue) to 1 (orange).
        tint: Shift of the shadows, -1 (green) to 1 (magenta).
        saturation: 1 leaves colours alone, 0 is grey.
        contrast: Slope of the tone curve at mid grey.
        gamma: Exponent of the tone curve; above 1 darkens.
        grain: Standard deviation of the film grain in grey levels.
        gain_db: Peak of the sound below full scale.
        hiss_db: Level of the background hiss below full scale.
    """

    aspect: Aspect
    frame_rate: Fraction
    duration_s: float
    warmth: float
    tint: float
    saturation: float
    contrast: float
    gamma: float
    grain: float
    gain_db: float
    hiss_db: float

    @property
    def n_frames(self) -> int:
        """Number of frames in the film."""
        return round(self.duration_s * self.frame_rate)


def draw_look(rng: np.random.Generator, *, shortest_s: float, longest_s: float) -> Look:
    """Draw a look; it never sees what the film is about."""
    return Look(
        aspect=ASPECTS[int(rng.integers(len(ASPECTS)))],
        frame_rate=FRAME_RATES[int(rng.integers(len(FRAME_RATES)))],
        duration_s=round(float(rng.uniform(shortest_s, longest_s)), 1),
        warmth=float(rng.uniform(-1, 1)),
        tint=float(rng.uniform(-1, 1)),
        saturation=float(rng.uniform(0.65, 1.2)),
        contrast=float(rng.uniform(0.9, 1.25)),
        gamma=float(rng.uniform(0.85, 1.12)),
        grain=float(rng.uniform(0.0, 5.0)),
        gain_db=float(rng.uniform(-16, -1)),
        hiss_db=float(rng.uniform(-75, -50)),
    )


class Grader:
    """Puts one film's colour grade, grain and black bars on its pictures."""

    _N_GRAINS = 5

    def __init__(self, look: Look, rng: np.random.Generator) -> None:
        self._rng = rng
        self._aspect = look.aspect
        self._curve = _tone_curve(look)
        grey = np.full((3, 3), 1 / 3, np.float32)
        self._colour = look.saturation * np.eye(3, dtype=np.float32) + (1 - look.saturation) * grey
        size = (look.aspect.picture_height, look.aspect.picture_width, 1)
        self._grains: list[tuple[UInt8, UInt8]] = []
        if look.grain >= 0.5:
            for _ in range(self._N_GRAINS):
                noise = np.repeat(rng.normal(0, look.grain, size), 3, axis=2)
                lighter = np.clip(noise, 0, 60).astype(np.uint8)
                self._grains.append((lighter, np.clip(-noise, 0, 60).astype(np.uint8)))

    def finish(self, picture: UInt8) -> UInt8:
        """Graded frame of the stored size, uint8 RGB, from a picture of shape (height, width, 3)."""
        graded: UInt8 = cv2.LUT(cv2.transform(picture, self._colour), self._curve)
        if self._grains:
            lighter, darker = self._grains[int(self._rng.integers(self._N_GRAINS))]
            graded = cv2.subtract(cv2.add(graded, lighter), darker)
        height, width = graded.shape[:2]
        top, left = (self._aspect.height - height) // 2, (self._aspect.width - width) // 2
        if top or left:
            graded = cv2.copyMakeBorder(graded, top, top, left, left, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        return graded


def _tone_curve(look: Look) -> UInt8:
    """Lookup table of the grade, shape (1, 256, 3)."""
    level: Float32 = np.linspace(0, 1, 256, dtype=np.float32)[:, None] ** look.gamma
    level = 0.5 + (level - 0.5) * look.contrast
    white = 1 + 0.09 * look.warmth * np.array([1, 0.15, -1], np.float32)
    shadows = 0.03 * look.tint * np.array([1, -1, 0.8], np.float32)
    curve = level * white + shadows * (1 - level)
    table: UInt8 = np.clip(curve * 255, 0, 255).astype(np.uint8)[None]
    return table
