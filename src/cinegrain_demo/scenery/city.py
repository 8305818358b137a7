"""Cities: a skyline over water, and a street between lit façades."""

import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import add_glow, fill, fractal, mix, rgb, to_uint8, warp_onto
from cinegrain_demo.plate import Front, Plate
from cinegrain_demo.scenery.layers import front_layer, reflect
from cinegrain_demo.sky import HOURS, Hour, paint_sky

_WALLS = tuple(rgb(c) for c in ("#5b6472", "#6d5f58", "#4c5560", "#7a6a5c", "#3e4a5c", "#86776a"))
_LIT = tuple(rgb(c) for c in ("#ffd68a", "#ffe9bd", "#ffc266", "#cfe4ff", "#ffb070"))
_NEON = tuple(rgb(c) for c in ("#ff2f7e", "#22e6ff", "#ffb000", "#8b5cff", "#35ff8a", "#ff4a2a"))


def paint_city(rng: np.random.Generator, height: int, width: int, hour_name: str) -> Plate:
    """A skyline across water or, more often, a street canyon."""
    hour = HOURS[hour_name]
    if rng.random() < 0.4:
        return _paint_skyline(rng, height, width, hour)
    return _paint_street(rng, height, width, hour)


def _darkness(hour: Hour) -> float:
    """0 by day, 1 at night: how much of the light comes from windows."""
    return float(np.clip(1.3 - 1.5 * float(hour.light.mean() * 0.6 + hour.ambient.mean()), 0.12, 1))


def _facade(rng: np.random.Generator, rows: int, columns: int, cell: int, hour: Hour) -> Float32:
    """Front of a building with rows x columns windows, some of them lit; `cell` pixels to a window."""
    wall = _WALLS[int(rng.integers(len(_WALLS)))] * (hour.ambient * 0.7 + hour.light * 0.45)
    dark = wall * 0.5 + 0.12 * hour.horizon
    glow = _LIT[int(rng.integers(len(_LIT)))]
    lit = (rng.random((rows, columns, 1)) < 0.12 + 0.5 * _darkness(hour) * rng.uniform(0.3, 1)) * rng.uniform(
        0.35, 1.0, (rows, columns, 1)
    )
    panes = mix(dark, glow, lit * (0.35 + 0.65 * _darkness(hour)))
    inset = max(1, cell // 4)
    tile = np.zeros((cell, cell, 1), np.float32)
    tile[inset:, inset : cell - (inset // 2)] = 1
    grid = np.tile(tile, (rows, columns, 1))
    return mix(wall, panes.repeat(cell, axis=0).repeat(cell, axis=1), grid)


def _paint_tower(
    canvas: Float32, rng: np.random.Generator, hour: Hour, *, x: int, base: int, wide: int, tall: int, haze: float
) -> None:
    cell = int(rng.integers(4, 7)) if haze < 0.4 else 3
    rows, columns = max(1, tall // cell), max(2, wide // cell)
    facade = mix(_facade(rng, rows, columns, cell, hour), mix(hour.haze, hour.horizon, 0.3), haze)
    facade *= np.linspace(1.05, 0.85, facade.shape[1], dtype=np.float32)[None, :, None]
    top = max(0, base - facade.shape[0])
    right = min(canvas.shape[1], x + facade.shape[1])
    left = max(0, x)
    if right > left:
        canvas[top:base, left:right] = facade[facade.shape[0] - (base - top) :, left - x : right - x]
    middle = x + facade.shape[1] / 2
    if rng.random() < 0.35:
        spike = tall * float(rng.uniform(0.1, 0.25))
        half = max(1.0, wide * 0.04)
        colour = mix(hour.ambient * 0.4, hour.haze, haze)
        fill(canvas, [(middle - half, top), (middle, top - spike), (middle + half, top)], colour)
        add_glow(canvas, middle, top - spike, 1.5, rgb("#ff3322"), 0.8 * _darkness(hour))


def _paint_skyline(rng: np.random.Generator, height: int, width: int, hour: Hour) -> Plate:
    line = int(height * rng.uniform(0.62, 0.72))
    canvas = paint_sky(rng, height, width, hour, horizon=line, sun_x=width * float(rng.uniform(0.2, 0.8)))
    add_glow(canvas, width / 2, line, width * 0.16, rgb("#ff9a55"), 0.28 * _darkness(hour))
    for haze, tallest, widest in ((0.72, 0.50, 26), (0.42, 0.46, 38), (0.08, 0.34, 56)):
        shape = np.sin(np.linspace(0.2, 2.9, 64) + rng.uniform(-0.3, 0.3))
        x = -20
        while x < width:
            wide = int(rng.integers(widest // 2, widest))
            crown = float(shape[int(np.clip(x / width * 63, 0, 63))])
            tall = int(height * tallest * (0.25 + 0.75 * crown * rng.random()))
            _paint_tower(canvas, rng, hour, x=x, base=line, wide=wide, tall=max(8, tall), haze=haze)
            x += wide + int(rng.integers(0, 6))
    tint = hour.ambient * 0.35 + hour.zenith * 0.25
    reflect(canvas, rng, line=line, tint=tint, strength=0.75, blur=15)
    _paint_quay(canvas, rng, hour)
    light = mix(hour.light, _LIT[0], _darkness(hour))
    return Plate(back=to_uint8(canvas), floor_y=height * 0.84, shade=rgb("#0b0d14"), light=light)


def _paint_quay(canvas: Float32, rng: np.random.Generator, hour: Hour) -> None:
    """Pavement and railing along the water in front of a skyline."""
    height, width = canvas.shape[:2]
    light = hour.ambient * 0.9 + hour.light * 0.4 + 0.06
    edge = int(height * 0.79)
    slabs = fractal(rng, height - edge, width, cells=6, octaves=4, stretch=4)[..., None]
    canvas[edge:] = rgb("#77716a") * light * (0.75 + 0.4 * slabs)
    canvas[edge : edge + 2] = rgb("#b0aca2") * light
    rail = rgb("#22272e") * (0.4 + light)
    for y in (edge - height * 0.07, edge - height * 0.035):
        fill(canvas, _box(0, y, width, y + 1.6), rail)
    for x in np.arange(0, width, height * 0.16):
        fill(canvas, _box(x - 1, edge - height * 0.075, x + 2, edge + 1), rail)


def _box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _paint_street(rng: np.random.Generator, height: int, width: int, hour: Hour) -> Plate:
    far_x, far_y = width * float(rng.uniform(0.42, 0.58)), height * float(rng.uniform(0.52, 0.6))
    canvas = paint_sky(rng, height, width, hour, horizon=far_y, sun_x=far_x)
    for _ in range(9):
        x, wide = int(far_x + rng.normal(0, width * 0.06)), int(rng.integers(12, 26))
        tall = int(height * rng.uniform(0.12, 0.42))
        _paint_tower(canvas, rng, hour, x=x - wide // 2, base=int(far_y), wide=wide, tall=tall, haze=0.55)
    add_glow(canvas, far_x, far_y, width * 0.05, rgb("#ffb070"), 0.45 * _darkness(hour))
    line = int(far_y) + 2
    for side in (-1, 1):
        _paint_row_of_houses(canvas, rng, hour, side=side, far_x=far_x, far_y=far_y)
    wet = float(rng.uniform(0.25, 0.65)) * (0.4 + 0.6 * _darkness(hour))
    asphalt = rgb("#54565c") * (hour.ambient * 0.8 + hour.light * 0.4)
    reflect(canvas, rng, line=line, tint=asphalt, strength=wet, blur=21)
    _paint_road(canvas, rng, hour, far_x=far_x, far_y=far_y)
    front = _paint_lamp_posts(rng, height, width) if rng.random() < 0.5 else None
    return Plate(
        back=to_uint8(canvas),
        floor_y=height * 0.82,
        shade=rgb("#0d0e15"),
        light=mix(hour.light, _LIT[0], _darkness(hour)),
        front=front,
    )


def _paint_row_of_houses(
    canvas: Float32, rng: np.random.Generator, hour: Hour, *, side: int, far_x: float, far_y: float
) -> None:
    """Façades along one side of the street, far to near, with shop fronts and neon signs."""
    height, width = canvas.shape[:2]
    edge = width * 1.02 if side > 0 else -width * 0.02
    marks = np.concatenate([[0.06], np.sort(rng.uniform(0.12, 0.8, 5)), [1.0]])
    skyline = rng.uniform(0.8, 1.5, len(marks))
    for near, far, tall in zip(marks[1:], marks[:-1], skyline, strict=False):
        x_far, x_near = far_x + (edge - far_x) * far, far_x + (edge - far_x) * near
        up_far, up_near = far_y - tall * height * far, far_y - tall * height * near
        low_far, low_near = far_y + 0.42 * height * far, far_y + 0.42 * height * near
        facade = _facade(rng, int(rng.integers(9, 15)), int(rng.integers(6, 11)), 16, hour)
        facade[-18:-3] = mix(facade[-18:-3], _LIT[int(rng.integers(len(_LIT)))], 0.25 + 0.5 * _darkness(hour))
        facade[-20:-17] = _NEON[int(rng.integers(len(_NEON)))] * (0.4 + 0.5 * _darkness(hour))
        shaded = facade * (0.75 + 0.25 * near)
        corners = [(x_far, up_far), (x_near, up_near), (x_near, low_near), (x_far, low_far)]
        warp_onto(canvas, mix(shaded, hour.haze, 0.35 * (1 - near) ** 2).astype(np.float32), corners)
        if rng.random() < 0.75:
            _paint_sign(canvas, rng, x=(x_far + x_near) / 2, y=far_y - 0.16 * height * near, size=height * 0.14 * near)


def _paint_sign(canvas: Float32, rng: np.random.Generator, *, x: float, y: float, size: float) -> None:
    colour = _NEON[int(rng.integers(len(_NEON)))]
    wide, tall = (size * 0.35, size) if rng.random() < 0.6 else (size, size * 0.35)
    board = [(x - wide / 2, y - tall), (x + wide / 2, y - tall), (x + wide / 2, y), (x - wide / 2, y)]
    fill(canvas, board, rgb("#14141c"))
    n_letters = 4
    for letter in range(n_letters):
        share = (letter + 0.5) / n_letters
        spot_x = x if tall > wide else x - wide / 2 + wide * share
        spot_y = y - tall + tall * share if tall > wide else y - tall / 2
        half = max(1.0, min(wide, tall) * 0.28)
        bar = float(rng.uniform(0.4, 1))
        stroke = [(spot_x - half, spot_y - half * bar), (spot_x + half * bar, spot_y - half),
                  (spot_x + half, spot_y + half * bar), (spot_x - half * bar, spot_y + half)]  # fmt: skip
        fill(canvas, stroke, mix(colour, 1, 0.3))
    add_glow(canvas, x, y - tall / 2, size * 0.6, colour, 0.35)


def _paint_road(canvas: Float32, rng: np.random.Generator, hour: Hour, *, far_x: float, far_y: float) -> None:
    height, width = canvas.shape[:2]
    wear = fractal(rng, height, width, cells=30, octaves=3, stretch=3)
    canvas[int(far_y) :] *= (0.9 + 0.2 * wear[int(far_y) :])[..., None]
    paint = rgb("#e8e2c8") * (hour.ambient * 0.6 + hour.light * 0.5 + 0.15)
    bottom = height * 1.02
    for near, far in ((1.0, 0.7), (0.52, 0.38), (0.28, 0.21), (0.15, 0.115), (0.085, 0.065)):
        y_near, y_far = far_y + (bottom - far_y) * near, far_y + (bottom - far_y) * far
        half_near, half_far = width * 0.008 * near, width * 0.008 * far
        fill(canvas, [(far_x - half_far, y_far), (far_x + half_far, y_far),
                      (far_x + half_near, y_near), (far_x - half_near, y_near)], paint, 0.8)  # fmt: skip
    kerb = rgb("#8a8a88") * (hour.ambient * 0.8 + hour.light * 0.4)
    for side in (-1, 1):
        outer, inner = far_x + side * width * 0.62, far_x + side * width * 0.46
        fill(canvas, [(far_x, far_y), (outer, bottom), (inner, bottom)], kerb, 0.45)


def _paint_lamp_posts(rng: np.random.Generator, height: int, width: int) -> Front:
    picture = np.zeros((height, width, 3), np.float32)
    mask = np.zeros((height, width, 3), np.float32)
    for x in np.arange(rng.uniform(0, 0.4), 1.0, rng.uniform(0.35, 0.6)) * width:
        half, top = height * 0.011, height * float(rng.uniform(0.1, 0.25))
        arm = height * 0.16
        for shape in (
            [(x - half, top), (x + half, top), (x + half * 1.6, height), (x - half * 1.6, height)],
            [(x, top), (x + arm, top + half), (x + arm, top + half * 2.5), (x, top + half * 2.5)],
        ):
            fill(picture, shape, rgb("#101218"))
            fill(mask, shape, np.ones(3, np.float32))
        add_glow(picture, x + arm, top + half * 3, height * 0.035, rgb("#ffe2a8"), 1.0)
        add_glow(mask, x + arm, top + half * 3, height * 0.03, np.ones(3, np.float32), 0.6)
    opacity = np.clip(mask[..., 0], 0, 1)
    return Front(colour=to_uint8(picture), clear=front_layer(opacity, picture).clear)
