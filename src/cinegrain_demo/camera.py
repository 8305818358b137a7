"""Motion styles: how the camera moves over a plate, how many shots a film has, and how they are joined."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64
from cinegrain_demo.paint import smoothstep


@dataclass(frozen=True)
class Stage:
    """Sizes in pixels of the plate and of the picture that the camera cuts out of it."""

    plate_width: int
    plate_height: int
    width: int
    height: int


CameraPath = Callable[[np.random.Generator, Float64, Stage], Float64]


@dataclass(frozen=True)
class MotionStyle:
    """Camera and cutting.

    Attributes:
        fewest_shots: Lower end of the number of shots in a film.
        most_shots: Upper end.
        fade_chance: Chance that a shot begins out of black instead of by a hard cut.
        path: Camera over one shot: times in seconds, shape (f,), to columns x, y (plate pixels at the middle of
            the picture), zoom (1 shows plate pixels one to one) and roll in degrees, shape (f, 4).
    """

    fewest_shots: int
    most_shots: int
    fade_chance: float
    path: CameraPath


def _still(stage: Stage, times_s: Float64, x: float, y: float, zoom: float) -> Float64:
    """A camera that does not move; x and y are shares -1..1 of the room around the picture."""
    path = np.zeros((len(times_s), 4))
    path[:, 0] = stage.plate_width / 2 + x * (stage.plate_width - stage.width) / 2
    path[:, 1] = stage.plate_height / 2 + y * (stage.plate_height - stage.height) / 2
    path[:, 2] = zoom
    return path


def _wander(rng: np.random.Generator, times_s: Float64, frequency_hz: float) -> Float64:
    """Smooth random motion with standard deviation about 1, shape (f,)."""
    total = np.zeros(len(times_s))
    for harmonic in (0.6, 1.0, 1.7):
        turn = 2 * np.pi * frequency_hz * harmonic * float(rng.uniform(0.85, 1.15))
        total += np.sin(turn * times_s + float(rng.uniform(0, 2 * np.pi)))
    motion: Float64 = total / np.sqrt(1.5)
    return motion


def _tripod(rng: np.random.Generator, times_s: Float64, stage: Stage) -> Float64:
    x, y, zoom = rng.uniform(-0.7, 0.7), rng.uniform(-0.2, 0.5), rng.choice([0.85, 1.0, 1.0, 1.25])
    return _still(stage, times_s, float(x), float(y), float(zoom))


def _glide(rng: np.random.Generator, times_s: Float64, stage: Stage) -> Float64:
    """Slow pan, rise or dolly with soft ends."""
    path = _still(stage, times_s, 0.0, float(rng.uniform(0, 0.4)), 1.0)
    length_s = float(times_s[-1]) + 0.1
    travel = stage.width * float(rng.uniform(0.07, 0.12)) * length_s
    eased = smoothstep(-0.15, 1.15, times_s / length_s).astype(np.float64) - 0.5
    side = float(rng.choice([-1.0, 1.0]))
    path[:, 0] += side * travel * eased + stage.width * float(rng.uniform(-0.25, 0.25))
    path[:, 1] += stage.height * float(rng.uniform(-0.12, 0.12)) * eased
    path[:, 2] = float(rng.uniform(1.0, 1.1)) * np.exp(float(rng.uniform(-0.1, 0.12)) * eased)
    return path


def _handheld(rng: np.random.Generator, times_s: Float64, stage: Stage) -> Float64:
    """Held on the shoulder: sway, jolts and a breathing zoom."""
    path = _still(stage, times_s, float(rng.uniform(-0.6, 0.6)), float(rng.uniform(0, 0.4)), 1.12)
    size = stage.height * float(rng.uniform(0.8, 1.3))
    path[:, 0] += size * (0.035 * _wander(rng, times_s, 0.7) + 0.012 * _wander(rng, times_s, 3.0))
    path[:, 1] += size * (0.022 * _wander(rng, times_s, 0.9) + 0.012 * _wander(rng, times_s, 3.6))
    path[:, 2] *= 1 + 0.02 * _wander(rng, times_s, 0.5)
    path[:, 3] = 1.1 * _wander(rng, times_s, 0.8)
    return path


def _rush(rng: np.random.Generator, times_s: Float64, stage: Stage) -> Float64:
    """Fast push-in from wide to close, with impacts that shake the camera."""
    path = _still(stage, times_s, float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0, 0.4)), 0.85)
    speed = float(rng.uniform(0.3, 0.5))
    path[:, 2] *= np.exp(speed * np.minimum(times_s, 2.4))
    path[:, 0] += stage.width * float(rng.uniform(-0.05, 0.05)) * times_s
    impact_s = float(rng.uniform(0.2, 0.9)) * float(times_s[-1])
    jolt = np.exp(-3.5 * np.maximum(times_s - impact_s, 0)) * (times_s >= impact_s) * stage.height * 0.03
    path[:, 0] += jolt * _wander(rng, times_s, 9.0)
    path[:, 1] += jolt * _wander(rng, times_s, 8.0)
    return path


def _whip(rng: np.random.Generator, times_s: Float64, stage: Stage) -> Float64:
    """Tracking beside something fast, or swinging from one side to the other and back."""
    side = float(rng.choice([-1.0, 1.0]))
    path = _still(stage, times_s, 0.0, float(rng.uniform(0.1, 0.5)), 1.05)
    if rng.random() < 0.6:
        speed = stage.width * float(rng.uniform(0.55, 0.95))
        path[:, 0] += side * speed * (times_s - times_s[-1] / 2)
        path[:, 1] += stage.height * 0.008 * _wander(rng, times_s, 2.2)
        return path
    reach = stage.width * float(rng.uniform(0.45, 0.6))
    place = np.full(len(times_s), -side * reach)
    swing_s = float(rng.uniform(0.3, 0.7))
    while swing_s < times_s[-1]:
        side = -side
        place += -2 * side * reach * smoothstep(swing_s, swing_s + 0.35, times_s)
        swing_s += float(rng.uniform(0.9, 1.5))
    path[:, 0] += place + stage.width * 0.012 * _wander(rng, times_s, 1.0)
    return path


MOTION_STYLES: Mapping[str, MotionStyle] = {
    "glide": MotionStyle(fewest_shots=5, most_shots=6, fade_chance=0.45, path=_glide),
    "handheld": MotionStyle(fewest_shots=6, most_shots=8, fade_chance=0.05, path=_handheld),
    "rush": MotionStyle(fewest_shots=8, most_shots=10, fade_chance=0.0, path=_rush),
    "tripod": MotionStyle(fewest_shots=5, most_shots=6, fade_chance=0.2, path=_tripod),
    "whip": MotionStyle(fewest_shots=7, most_shots=9, fade_chance=0.0, path=_whip),
}


def view_matrix(pose: Float64, stage: Stage) -> Float64:
    """Affine map from plate pixels to picture pixels, shape (2, 3), for one row of a camera path."""
    x, y, zoom, roll = pose
    cosine, sine = zoom * np.cos(np.radians(roll)), zoom * np.sin(np.radians(roll))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    shift = np.array([stage.width / 2, stage.height / 2]) - turn @ np.array([x, y])
    return np.concatenate([turn, shift[:, None]], axis=1)
