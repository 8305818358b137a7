"""Interiors: rooms in one-point perspective with furniture, pictures, windows, lamps, candles and a hearth."""

from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import add_glow, fill, fractal, mix, radial, rgb, to_uint8, warp_onto
from cinegrain_demo.plate import Plate
from cinegrain_demo.sky import HOURS, Hour, paint_sky

_PAPERS = tuple(
    rgb(c) for c in ("#7a3b3b", "#3f5a52", "#8a7a55", "#4a4a6a", "#b8a890", "#6a4a3a", "#5a6a78", "#a08a78")
)
_WOODS = tuple(rgb(c) for c in ("#7a4a28", "#5a3820", "#8f6238", "#4a2c1c"))
_CLOTHS = tuple(rgb(c) for c in ("#8a2f2f", "#2f5a6a", "#5a6a2f", "#8a6a3a", "#4a3a5a", "#b0865a"))
_LAMP = rgb("#ffc878")


@dataclass(frozen=True)
class _Room:
    """Corners of the back wall on the plate; everything else follows from the vanishing point between them."""

    left: float
    right: float
    top: float
    bottom: float


def paint_interior(rng: np.random.Generator, height: int, width: int, hour_name: str) -> Plate:
    """A room: a parlour with a wide back wall or a deep hall."""
    hour = HOURS[hour_name]
    half = width * float(rng.uniform(0.2, 0.34) if rng.random() < 0.7 else rng.uniform(0.08, 0.14))
    middle = width * float(rng.uniform(0.45, 0.55))
    tall = height * float(rng.uniform(0.46, 0.56)) * (1.0 if half > width * 0.16 else 0.6)
    top = height * 0.42 - tall / 2
    room = _Room(middle - half, middle + half, top, top + tall)
    wood = _pick(rng, _WOODS)
    canvas = _paint_shell(rng, height, width, room, wood)
    windows = _dress_back_wall(canvas, rng, hour, room, wood)
    _dress_side_walls(canvas, rng, room, wood, height, width)
    lamps = _furnish(canvas, rng, room, wood)
    canvas = _light_room(canvas, rng, hour, room, lamps, windows)
    return Plate(back=to_uint8(canvas), floor_y=height * 0.85, shade=rgb("#120d0c"), light=_LAMP, lamps=tuple(lamps))


def _pick(rng: np.random.Generator, colours: tuple[Float32, ...]) -> Float32:
    return colours[int(rng.integers(len(colours)))]


def _rect(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _paint_shell(rng: np.random.Generator, height: int, width: int, room: _Room, wood: Float32) -> Float32:
    """Floor, ceiling and three walls."""
    canvas = np.zeros((height, width, 3), np.float32)
    paper = _wallpaper(rng, wood)
    warp_onto(
        canvas, _planks(rng, wood), [(room.left, room.bottom), (room.right, room.bottom), (width, height), (0, height)]
    )
    ceiling = np.full((64, 64, 3), 1, np.float32) * mix(rgb("#c8c0b0"), wood, 0.2)
    ceiling[:, ::8] *= float(rng.uniform(0.55, 1.0))
    warp_onto(canvas, ceiling, [(0, 0), (width, 0), (room.right, room.top), (room.left, room.top)])
    warp_onto(canvas, paper * 0.8, [(0, 0), (room.left, room.top), (room.left, room.bottom), (0, height)])
    warp_onto(canvas, paper * 0.8, [(room.right, room.top), (width, 0), (width, height), (room.right, room.bottom)])
    warp_onto(canvas, paper, _rect(room.left, room.top, room.right, room.bottom))
    return canvas


def _wallpaper(rng: np.random.Generator, wood: Float32) -> Float32:
    size = 192
    base = _pick(rng, _PAPERS)
    x = np.arange(size, dtype=np.float32)
    period = float(rng.choice([12, 16, 24]))
    stripes = (np.sin(2 * np.pi * x / period) > 0)[None] * np.ones((size, 1))
    spots = np.sin(2 * np.pi * x / period)[None] * np.sin(2 * np.pi * x / period * 1.5)[:, None]
    pattern = stripes if rng.random() < 0.5 else np.clip(spots * 2, 0, 1)
    dirt = fractal(rng, size, size, cells=4, octaves=5)
    paper = mix(base, base * float(rng.choice([0.7, 1.3])), 0.7 * pattern[..., None]) * (0.85 + 0.3 * dirt[..., None])
    if rng.random() < 0.7:
        panel = wood * (0.8 + 0.3 * fractal(rng, size, size, cells=3, stretch=0.2)[..., None])
        panel[:, :: int(period)] *= 0.6
        paper[size * 2 // 3 :] = panel[size * 2 // 3 :]
        paper[size * 2 // 3 : size * 2 // 3 + 3] = wood * 1.3
    paper[-5:] = wood * 0.5
    return paper.astype(np.float32)


def _planks(rng: np.random.Generator, wood: Float32) -> Float32:
    size = 256
    if rng.random() < 0.3:
        light, dark = mix(wood, 1, 0.65), wood * 0.5
        tiles = (np.add.outer(np.arange(size) // 21, np.arange(size) // 21) % 2)[..., None]
        floor = mix(dark, light, tiles)
    else:
        shade = rng.uniform(0.75, 1.2, 16).repeat(size // 16)[None, :, None]
        grain = fractal(rng, size, size, cells=4, octaves=5, stretch=0.08)[..., None]
        floor = wood * shade * (0.75 + 0.5 * grain)
        floor[:, :: size // 16] *= 0.45
    if rng.random() < 0.6:
        cloth = _pick(rng, _CLOTHS)
        weave = fractal(rng, size, size, cells=24, octaves=2)[..., None]
        floor[70:220, 70:186] = (cloth * (0.8 + 0.4 * weave))[70:220, 70:186]
        floor[80:210, 78:82] = floor[80:210, 174:178] = mix(cloth, rgb("#e8d0a0"), 0.7)
    return np.asarray(floor, np.float32)


def _dress_back_wall(
    canvas: Float32, rng: np.random.Generator, hour: Hour, room: _Room, wood: Float32
) -> list[tuple[float, float]]:
    """Hang windows, pictures, doors and shelves on the back wall; returns the middles of the windows."""
    wide, tall = room.right - room.left, room.bottom - room.top
    n_places = max(1, int(wide / (tall * 0.62)))
    windows = []
    for place in range(n_places):
        x = room.left + wide * (place + 0.5) / n_places
        kind = str(rng.choice(["window", "picture", "door", "shelf"], p=[0.4, 0.2, 0.15, 0.25]))
        if kind == "window":
            half, top, bottom = tall * 0.2, room.top + tall * 0.12, room.top + tall * 0.66
            _paint_window(canvas, rng, hour, wood, _Room(x - half, x + half, top, bottom))
            windows.append((x, (top + bottom) / 2))
        elif kind == "picture":
            _paint_picture(canvas, rng, x=x, y=room.top + tall * 0.34, size=tall * float(rng.uniform(0.14, 0.2)))
        elif kind == "door":
            half = tall * 0.19
            fill(canvas, _rect(x - half, room.top + tall * 0.18, x + half, room.bottom), wood * 0.6)
            fill(canvas, _rect(x - half * 0.85, room.top + tall * 0.21, x + half * 0.85, room.bottom), wood * 1.05)
            for low, high in ((0.27, 0.5), (0.58, 0.92)):
                fill(
                    canvas,
                    _rect(x - half * 0.6, room.top + tall * low, x + half * 0.6, room.top + tall * high),
                    wood * 0.75,
                )
            fill(
                canvas,
                _rect(x + half * 0.65, room.top + tall * 0.54, x + half * 0.8, room.top + tall * 0.57),
                rgb("#e0c060"),
            )
        else:
            _paint_shelf(
                canvas, rng, wood, _Room(x - tall * 0.24, x + tall * 0.24, room.top + tall * 0.16, room.bottom)
            )
    return windows


def _paint_window(canvas: Float32, rng: np.random.Generator, hour: Hour, wood: Float32, frame: _Room) -> None:
    left, right, top, bottom = (int(v) for v in (frame.left, frame.right, frame.top, frame.bottom))
    view = paint_sky(rng, max(8, bottom - top), max(8, right - left), hour, horizon=(bottom - top) * 0.8, sun_x=0)
    fill(canvas, _rect(left - 3, top - 3, right + 3, bottom + 3), mix(wood, 1, 0.4))
    canvas[top : top + view.shape[0], left : left + view.shape[1]] = view
    bar = mix(wood, 1, 0.35)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    fill(canvas, _rect(middle_x - 1, top, middle_x + 1, bottom), bar)
    fill(canvas, _rect(left, middle_y - 1, right, middle_y + 1), bar)
    cloth, sag = _pick(rng, _CLOTHS), (right - left) * 0.35
    for side, edge in ((-1, left), (1, right)):
        curtain = [(edge + side * 6, top - 5), (edge - side * sag, top - 5), (edge - side * sag * 0.35, middle_y),
                   (edge - side * sag * 0.6, bottom + 8), (edge + side * 6, bottom + 8)]  # fmt: skip
        fill(canvas, curtain, cloth)
        for fold in (0.15, 0.4, 0.65):
            x = edge + side * 5 - side * (sag * 0.6) * fold
            fill(canvas, _rect(x - 1, top - 4, x + 1, bottom + 7), cloth * 0.65, 0.7)


def _paint_picture(canvas: Float32, rng: np.random.Generator, *, x: float, y: float, size: float) -> None:
    wide = size * float(rng.choice([0.75, 1.0, 1.4]))
    fill(canvas, _rect(x - wide - 2, y - size - 2, x + wide + 2, y + size + 2), rgb("#b8923c"))
    fill(canvas, _rect(x - wide, y - size, x + wide, y + size), _pick(rng, _PAPERS) * 0.7)
    fill(canvas, _rect(x - wide, y + size * 0.2, x + wide, y + size), _pick(rng, _WOODS))
    fill(canvas, _rect(x - wide * 0.3, y - size * 0.5, x + wide * 0.3, y + size * 0.6), _pick(rng, _CLOTHS))


def _paint_shelf(canvas: Float32, rng: np.random.Generator, wood: Float32, case: _Room) -> None:
    fill(canvas, _rect(case.left, case.top, case.right, case.bottom), wood * 0.45)
    tall = (case.bottom - case.top) / 5
    for row in range(5):
        base = case.top + tall * (row + 1)
        x = case.left + 2
        while x < case.right - 3:
            thick = float(rng.uniform(1.5, 4.0))
            if rng.random() < 0.88:
                top = base - tall * float(rng.uniform(0.55, 0.85))
                fill(
                    canvas,
                    _rect(x, top, min(x + thick, case.right - 2), base - 1),
                    _pick(rng, _CLOTHS) * float(rng.uniform(0.7, 1.5)),
                )
            x += thick + 0.5
        fill(canvas, _rect(case.left, base - 1.5, case.right, base), wood * 1.1)


def _dress_side_walls(
    canvas: Float32, rng: np.random.Generator, room: _Room, wood: Float32, height: int, width: int
) -> None:
    """Doors along both side walls, foreshortened."""
    for side in (0, 1):
        outer, inner = (0.0, room.left) if side == 0 else (float(width), room.right)
        for share in rng.uniform(0.25, 0.9, int(rng.integers(1, 3))):
            marks = (share - 0.09, share + 0.05)
            corners = []
            for mark in marks:
                x = outer + (inner - outer) * mark
                top, bottom = room.top * mark, height + (room.bottom - height) * mark
                corners.append((x, top + (bottom - top) * 0.25, bottom))
            (x0, top0, low0), (x1, top1, low1) = corners
            fill(canvas, [(x0, top0), (x1, top1), (x1, low1), (x0, low0)], wood * 0.45)
            fill(canvas, [(x0 + (x1 - x0) * 0.12, top0 + 3), (x1 - (x1 - x0) * 0.12, top1 + 3),
                          (x1 - (x1 - x0) * 0.12, low1), (x0 + (x1 - x0) * 0.12, low0)], wood * 0.85)  # fmt: skip


def _furnish(canvas: Float32, rng: np.random.Generator, room: _Room, wood: Float32) -> list[tuple[float, float, float]]:
    """Put furniture on the floor and hang a lamp; returns (x, y, radius) of everything that gives light."""
    height = canvas.shape[0]
    tall = room.bottom - room.top
    lamps = []
    x = (room.left + room.right) / 2
    lamps.append((x, room.top * 0.6 + tall * 0.05, height * 0.3))
    fill(canvas, _rect(x - 1, 0, x + 1, room.top * 0.6), rgb("#1a1612"))
    shade_top, shade_low = room.top * 0.6 - tall * 0.02, room.top * 0.6 + tall * 0.1
    fill(
        canvas,
        [
            (x - tall * 0.06, shade_top),
            (x + tall * 0.06, shade_top),
            (x + tall * 0.14, shade_low),
            (x - tall * 0.14, shade_low),
        ],
        mix(_LAMP, 1, 0.2),
    )
    for spot in rng.uniform(0.0, 1.0, int(rng.integers(2, 5))):
        base = room.bottom + (height - room.bottom) * float(rng.uniform(0.15, 0.6))
        scale = tall * (0.6 + 0.9 * (base - room.bottom) / (height - room.bottom))
        spread = (room.right - room.left) * 1.5
        left = (room.left + room.right) / 2 - spread / 2 + spread * float(spot)
        if rng.random() < 0.5:
            lamps.append(_paint_table(canvas, rng, wood, x=left, base=base, scale=scale))
        else:
            _paint_sofa(canvas, rng, x=left, base=base, scale=scale)
    return lamps


def _paint_table(
    canvas: Float32, rng: np.random.Generator, wood: Float32, *, x: float, base: float, scale: float
) -> tuple[float, float, float]:
    """A table with a candle; returns the flame."""
    wide, tall = scale * float(rng.uniform(0.45, 0.8)), scale * 0.36
    top = base - tall
    fill(
        canvas,
        [(x - wide / 2, base + 3), (x + wide / 2, base + 3), (x + wide * 0.6, base - 2), (x - wide * 0.6, base - 2)],
        0.0,
        0.35,
    )
    for side in (-0.46, 0.42):
        fill(canvas, _rect(x + wide * side, top, x + wide * (side + 0.045), base), wood * 0.5)
    fill(
        canvas,
        [
            (x - wide / 2, top),
            (x + wide / 2, top),
            (x + wide * 0.44, top - scale * 0.09),
            (x - wide * 0.44, top - scale * 0.09),
        ],
        wood * 1.25,
    )
    fill(canvas, _rect(x - wide / 2, top, x + wide / 2, top + scale * 0.045), wood * 0.8)
    flame_x, stick = x + wide * float(rng.uniform(-0.25, 0.25)), scale * 0.16
    fill(
        canvas, _rect(flame_x - scale * 0.014, top - stick, flame_x + scale * 0.014, top - scale * 0.03), rgb("#efe6cc")
    )
    tip = top - stick
    fill(
        canvas,
        [(flame_x - scale * 0.014, tip), (flame_x, tip - scale * 0.06), (flame_x + scale * 0.014, tip)],
        rgb("#fff0b0"),
    )
    return (flame_x, tip - scale * 0.02, scale * 0.4)


def _paint_sofa(canvas: Float32, rng: np.random.Generator, *, x: float, base: float, scale: float) -> None:
    cloth = _pick(rng, _CLOTHS)
    wide, tall = scale * float(rng.uniform(0.55, 1.1)), scale * 0.42
    fill(canvas, _rect(x - wide / 2, base - tall, x + wide / 2, base), cloth * 0.7)
    fill(canvas, _rect(x - wide * 0.44, base - tall * 0.55, x + wide * 0.44, base - tall * 0.3), cloth * 1.25)
    fill(canvas, _rect(x - wide * 0.44, base - tall * 0.32, x + wide * 0.44, base - tall * 0.06), cloth * 0.95)
    for side in (-1, 1):
        edge = x + side * wide / 2
        fill(canvas, _rect(edge - scale * 0.05, base - tall * 0.65, edge + scale * 0.05, base), cloth)


def _light_room(
    canvas: Float32,
    rng: np.random.Generator,
    hour: Hour,
    room: _Room,
    lamps: list[tuple[float, float, float]],
    windows: list[tuple[float, float]],
) -> Float32:
    height, width = canvas.shape[:2]
    light = np.ones((height, width, 3), np.float32) * (hour.ambient * float(rng.uniform(0.7, 1.1)) + 0.16)
    for x, y, radius in lamps:
        light += radial(height, width, x, y, radius * 1.3)[..., None] * _LAMP * 0.75
    for x, y in windows:
        light += radial(height, width, x, y, (room.bottom - room.top) * 0.9)[..., None] * hour.light * 0.7
    lit = canvas * light
    for x, y, radius in lamps:
        add_glow(lit, x, y, radius * 0.16, _LAMP, 0.5)
    for x, y in windows:
        add_glow(lit, x, y, (room.bottom - room.top) * 0.2, hour.horizon, 0.3 * float(hour.light.mean()))
    return lit
