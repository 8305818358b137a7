"""Chooses the moving things of a shot. The setting decides what they are, the motion style how they move."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float32, Float64
from cinegrain_demo.camera import Stage
from cinegrain_demo.cast.element import Element, lamp_image, to_bytes
from cinegrain_demo.cast.fire import Blast, Flicker, candle_glow, fireball_image, smoke_image
from cinegrain_demo.cast.people import Walker
from cinegrain_demo.cast.vehicles import Vehicle
from cinegrain_demo.cast.weather import Asteroids, Drift, Flock
from cinegrain_demo.paint import mix, rgb
from cinegrain_demo.plate import Plate


@dataclass(frozen=True)
class _Troupe:
    """What a setting has to offer; vehicle lengths are shares of the picture's height."""

    vehicles: tuple[str, ...] = ()
    vehicle_length: float = 0.0
    people: bool = True
    birds: bool = False
    lamp: str = "#fff0c0"


_PAINTS = tuple(rgb(c) for c in ("#b03028", "#e0e0e0", "#3a5a8a", "#c8a040", "#404448", "#3f6a4a"))
_SKINS = tuple(rgb(c) for c in ("#f0c8a8", "#d8a888", "#a87850", "#704a30"))


_TROUPES: Mapping[str, _Troupe] = {
    "city": _Troupe(("car", "car", "jeep"), 0.62),
    "desert": _Troupe(("jeep", "car"), 0.55, birds=True),
    "forest": _Troupe(("deer",), 0.36, birds=True),
    "interior": _Troupe(),
    "ocean": _Troupe(("sail", "ship", "sail"), 0.36, people=False, birds=True),
    "snow": _Troupe(("jeep", "deer"), 0.42, birds=True),
    "space": _Troupe(("rocket", "freighter"), 0.55, people=False, lamp="#58b8ff"),
}


def cast_shot(
    rng: np.random.Generator, setting: str, motion: str, plate: Plate, stage: Stage, path: Float64, length_s: float
) -> list[Element]:
    """The moving things of one shot, far ones first.

    Args:
        rng: Source of randomness.
        setting: Decides what they are.
        motion: Decides how fast and how many they are.
        plate: Where they move.
        stage: Sizes of plate and picture.
        path: Camera path, shape (f, 4), so that they stand where the camera looks.
        length_s: Length of the shot.
    """
    scene = _Scene(rng, _TROUPES[setting], plate, stage, path, length_s)
    elements = _ambience(setting, scene)
    elements += _ACTIONS[motion](scene)
    return elements


@dataclass(frozen=True, eq=False)
class _Scene:
    rng: np.random.Generator
    troupe: _Troupe
    plate: Plate
    stage: Stage
    path: Float64
    length_s: float

    def seen_x(self) -> float:
        """A column that the camera sees at some moment of the shot."""
        pose = self.path[int(self.rng.integers(len(self.path)))]
        return float(pose[0] + self.rng.uniform(-0.4, 0.4) * self.stage.width / pose[2])


def _ambience(setting: str, scene: _Scene) -> list[Element]:
    """What moves by itself: flames, snowfall, leaves, dust, rocks."""
    rng, plate = scene.rng, scene.plate
    glow = candle_glow()
    elements: list[Element] = [Flicker(x, y, radius, float(rng.uniform(0, 6.28)), glow) for x, y, radius in plate.lamps]
    if setting == "snow" and rng.random() < 0.75:
        elements.append(_drift(rng, count=90, fall=0.22, wind=0.04, flutter=0.02, size=0.009, colour=(245, 248, 255)))
    if setting == "forest" and rng.random() < 0.6:
        elements.append(_drift(rng, count=16, fall=0.1, wind=0.05, flutter=0.05, size=0.011, colour=(190, 170, 70)))
    if setting == "desert" and rng.random() < 0.6:
        elements.append(_drift(rng, count=40, fall=0.0, wind=0.25, flutter=0.02, size=0.006, colour=(225, 190, 140)))
    if setting == "space" and rng.random() < 0.45:
        elements.append(_asteroids(scene))
    return elements


def _drift(
    rng: np.random.Generator,
    *,
    count: int,
    fall: float,
    wind: float,
    flutter: float,
    size: float,
    colour: tuple[int, int, int],
) -> Drift:
    side = float(rng.choice([-1.0, 1.0]))
    strength = float(rng.uniform(0.7, 1.4))
    return Drift(rng.random((count, 3)), fall * strength, side * wind, flutter, size, colour, follow=0.6)


def _asteroids(scene: _Scene) -> Asteroids:
    rng, stage = scene.rng, scene.stage
    count = int(rng.integers(5, 14))
    x, y = rng.uniform(0, stage.plate_width, count), rng.uniform(0, stage.plate_height, count)
    radius = stage.height * 0.012 * np.exp(np.minimum(rng.exponential(0.7, count), 1.8))
    rocks = np.stack([x, y, radius, rng.normal(0, 0.4, count)], axis=1)
    return Asteroids(
        rng.uniform(0.7, 1.15, (count, 9)), rocks, float(rng.uniform(-4, 4)), (38, 34, 34), (150, 140, 132)
    )


def _vehicle(scene: _Scene, *, speed: float, pinned: bool = False, scale: float = 1.0) -> list[Element]:
    """A vehicle at `speed` picture widths per second, if the setting has any."""
    rng, stage, plate, troupe = scene.rng, scene.stage, scene.plate, scene.troupe
    if not troupe.vehicles:
        return _walkers(scene, count=1, speed=max(speed, 0.5), scale=1.2)
    kind = troupe.vehicles[int(rng.integers(len(troupe.vehicles)))]
    moves = float(np.sign(scene.path[-1, 0] - scene.path[0, 0]) or rng.choice([-1.0, 1.0]))
    heading = int(moves) if pinned else int(rng.choice([-1, 1]))
    pace = heading * speed * stage.width
    x = float(rng.uniform(0.4, 0.6)) if pinned else scene.seen_x() - pace * scene.length_s / 2
    body = mix(plate.shade, _PAINTS[int(rng.integers(len(_PAINTS)))] * plate.light, 0.3)
    vehicle = Vehicle(
        kind=kind,
        x=x,
        y=plate.floor_y + stage.height * float(rng.uniform(-0.02, 0.05)),
        length=stage.height * troupe.vehicle_length * scale * float(rng.uniform(0.85, 1.25)),
        speed=0.0 if pinned else pace,
        bob=0.012 if kind in ("sail", "ship") or pinned else 0.004,
        pinned=pinned,
        heading=heading,
        colour=to_bytes(body),
        edge=to_bytes(mix(body, plate.light, 0.45)),
        lamp=lamp_image(rgb(troupe.lamp) * 0.9),
    )
    return [vehicle]


def _walkers(scene: _Scene, *, count: int, speed: float, scale: float = 1.0) -> list[Element]:
    """People at about `speed` body heights per second, if the setting has any; vehicles instead if not."""
    rng, stage, plate = scene.rng, scene.stage, scene.plate
    if not scene.troupe.people:
        return [] if speed < 0.3 else _vehicle(scene, speed=0.12)
    people: list[Element] = []
    for depth in np.sort(rng.uniform(0, 1, count)):
        tall = stage.height * (0.3 + 0.2 * float(depth)) * scale
        pace = 0.0 if rng.random() < 0.25 else speed * tall * float(rng.uniform(0.8, 1.2)) * float(rng.choice([-1, 1]))
        lit = 0.25 + 0.6 * float(plate.light.mean() * (1 - plate.shade.mean()))
        tones = [mix(plate.shade, tone * plate.light, lit * float(rng.uniform(0.5, 1.0))) for tone in _outfit(rng)]
        people.append(
            Walker(
                x=scene.seen_x() - pace * scene.length_s / 2,
                y=plate.floor_y + stage.height * 0.08 * (float(depth) - 0.3),
                tall=tall,
                speed=pace,
                phase=float(rng.uniform(0, 6.28)),
                clothes=to_bytes(tones[0]),
                trousers=to_bytes(tones[1] * 0.6),
                skin=to_bytes(tones[2]),
                edge=to_bytes(mix(tones[0], plate.light, 0.5)),
                coat=bool(rng.random() < 0.5),
            )
        )
    return people


def _outfit(rng: np.random.Generator) -> tuple[Float32, Float32, Float32]:
    """Colours of upper clothes, trousers and skin."""
    upper, lower = (_PAINTS[int(i)] for i in rng.integers(0, len(_PAINTS), 2))
    return upper, lower, _SKINS[int(rng.integers(len(_SKINS)))]


def _birds(scene: _Scene) -> list[Element]:
    rng, stage = scene.rng, scene.stage
    if not scene.troupe.birds or rng.random() < 0.4:
        return []
    count = int(rng.integers(3, 9))
    x, y = scene.seen_x(), stage.plate_height * float(rng.uniform(0.16, 0.34))
    birds = np.stack([x + rng.normal(0, stage.width * 0.08, count), y + rng.normal(0, stage.height * 0.04, count),
                      stage.height * rng.uniform(0.014, 0.03, count), rng.uniform(0, 6.28, count)], axis=1)  # fmt: skip
    speed = stage.width * float(rng.uniform(0.04, 0.09)) * float(rng.choice([-1, 1]))
    return [Flock(birds, speed, to_bytes(mix(scene.plate.shade, scene.plate.light, 0.08)))]


def _blasts(scene: _Scene, count: int) -> list[Element]:
    rng, stage, plate = scene.rng, scene.stage, scene.plate
    fireball, smoke = fireball_image(rng), smoke_image(rng)
    return [
        Blast(
            x=float(scene.path[-1, 0] + rng.uniform(-0.3, 0.3) * stage.width / scene.path[-1, 2]),
            y=plate.floor_y,
            size=stage.height * float(rng.uniform(0.5, 0.95)),
            start_s=float(rng.uniform(0.05, 0.65)) * scene.length_s,
            fireball=fireball,
            smoke=smoke,
        )
        for _ in range(count)
    ]


def _tripod_action(scene: _Scene) -> list[Element]:
    slow = _walkers(scene, count=int(scene.rng.integers(0, 3)), speed=0.35)
    return _birds(scene) + slow + (_vehicle(scene, speed=0.03) if not slow and scene.rng.random() < 0.3 else [])


def _glide_action(scene: _Scene) -> list[Element]:
    slow = _vehicle(scene, speed=0.05) if scene.troupe.vehicles and scene.rng.random() < 0.7 else []
    return _birds(scene) + slow + _walkers(scene, count=int(scene.rng.integers(0, 2)), speed=0.25)


def _handheld_action(scene: _Scene) -> list[Element]:
    return _walkers(scene, count=int(scene.rng.integers(2, 6)), speed=0.8, scale=1.15)


def _rush_action(scene: _Scene) -> list[Element]:
    crossing = _vehicle(scene, speed=0.5) if scene.rng.random() < 0.6 else _walkers(scene, count=3, speed=1.6)
    return crossing + _blasts(scene, int(scene.rng.integers(0, 3)))


def _whip_action(scene: _Scene) -> list[Element]:
    tracked = _vehicle(scene, speed=0.0, pinned=True, scale=1.15)
    rival = _vehicle(scene, speed=0.6) if scene.rng.random() < 0.4 else []
    return rival + tracked


_ACTIONS: Mapping[str, Callable[[_Scene], list[Element]]] = {
    "glide": _glide_action,
    "handheld": _handheld_action,
    "rush": _rush_action,
    "tripod": _tripod_action,
    "whip": _whip_action,
}
