"""Forests: among trunks with foliage and ferns, and a valley of firs in mist."""

import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import fill, fractal, gradient, mix, polygon_mask, profile, radial, rgb, smoothstep, to_uint8
from cinegrain_demo.plate import Front, Plate
from cinegrain_demo.scenery.layers import front_layer
from cinegrain_demo.scenery.trees import foliage, paint_conifers, trunk, undergrowth
from cinegrain_demo.sky import HOURS, Hour, paint_sky
from cinegrain_demo.terrain import Ground, paint_terrain

_BARK = rgb("#4a3a2c")
_LEAF_DARK, _LEAF_LIGHT = rgb("#1c3514"), rgb("#7fa83a")
_FERN = rgb("#3f6a22")


def paint_forest(rng: np.random.Generator, height: int, width: int, hour_name: str) -> Plate:
    """Inside the wood or, less often, looking over a wooded valley."""
    hour = HOURS[hour_name]
    if rng.random() < 0.3:
        return _paint_valley(rng, height, width, hour)
    return _paint_wood(rng, height, width, hour)


def _light(hour: Hour) -> Float32:
    """Colour of the light that reaches the forest floor."""
    return hour.ambient * 0.8 + hour.light * 0.55


def _paint_wood(rng: np.random.Generator, height: int, width: int, hour: Hour) -> Plate:
    mist = mix(hour.haze, rgb("#a9c49a") * (0.25 + hour.light), 0.45)
    canvas = np.repeat(gradient(height, [(0, mist * 0.75), (0.55, mist * 1.1), (1, mist * 0.7)]), width, axis=1)
    sun_x = width * float(rng.uniform(0.25, 0.75))
    canvas += radial(height, width, sun_x, height * 0.4, height * 0.35)[..., None] * hour.light * 0.5
    edge = float(rng.uniform(0.66, 0.74))
    light = _light(hour)
    for depth in np.linspace(0, 1, 5):
        fade = 0.82 * (1 - depth) ** 1.2
        _paint_trunks(canvas, rng, depth=float(depth), edge=edge, colour=mix(_BARK * light, mist, fade))
        if depth < 0.95:
            floor = undergrowth(rng, height, width, edge=edge + 0.14 * float(depth), cells=5 - 2 * float(depth))
            shade = _leaves(rng, height, width, _FERN * 0.5, _FERN * 1.5) * light
            canvas[:] = mix(canvas, mix(shade, mist, fade * 0.8), floor[..., None])
    hanging = foliage(rng, height, width, depth=float(rng.uniform(0.3, 0.5)), cells=4)
    canvas = mix(canvas, _leaves(rng, height, width, _LEAF_DARK, _LEAF_LIGHT) * light, hanging[..., None])
    if hour.disc is not None:
        canvas = _add_shafts(canvas, rng, hour, sun_x)
    front = _close_trunks(rng, height, width, light) if rng.random() < 0.6 else None
    return Plate(
        back=to_uint8(canvas), floor_y=height * (edge + 0.12), shade=rgb("#0b0f0a"), light=hour.light, front=front
    )


def _leaves(rng: np.random.Generator, height: int, width: int, dark: Float32, light: Float32) -> Float32:
    flecks = fractal(rng, height, width, cells=26, octaves=4, roughness=0.8)
    return mix(dark, light, (flecks**1.6)[..., None])


def _paint_trunks(canvas: Float32, rng: np.random.Generator, *, depth: float, edge: float, colour: Float32) -> None:
    """One row of trunks; depth 0 is the farthest row, 1 the closest."""
    height, width = canvas.shape[:2]
    bark = fractal(rng, height, width, cells=3, octaves=5, roughness=0.8, stretch=0.06)
    textured = colour * (0.65 + 0.8 * bark[..., None])
    mask = np.zeros((height, width), np.float32)
    count = int(34 * (1 - depth) ** 1.4) + 5
    for x in rng.uniform(0, width, count):
        thick = height * (0.022 + 0.085 * depth) * float(rng.uniform(0.6, 1.35))
        base = height * (edge - 0.04 + 0.16 * depth)
        mask = np.maximum(mask, polygon_mask(height, width, trunk(rng, float(x), base, -4, thick)))
    side = 1.2 * np.asarray(np.gradient(mask, axis=1), np.float32)
    canvas[:] = mix(canvas, textured + side[..., None] * colour, mask[..., None])


def _add_shafts(canvas: Float32, rng: np.random.Generator, hour: Hour, sun_x: float) -> Float32:
    height, width = canvas.shape[:2]
    light = np.zeros((height, width), np.float32)
    lean = float(rng.uniform(-0.7, 0.7)) * height
    for x in rng.uniform(-0.3, 0.3, 6) * width + sun_x:
        half = height * float(rng.uniform(0.02, 0.07))
        beam = [(x - half, 0), (x + half, 0), (x + lean + half * 2.2, height), (x + lean - half * 2.2, height)]
        light += polygon_mask(height, width, beam) * float(rng.uniform(0.08, 0.22))
    fade = np.linspace(1, 0.15, height, dtype=np.float32)[:, None]
    return canvas + (light * fade)[..., None] * hour.light


def _close_trunks(rng: np.random.Generator, height: int, width: int, light: Float32) -> Front:
    mask = np.zeros((height, width), np.float32)
    for x in rng.uniform(0, width, 3):
        thick = height * float(rng.uniform(0.09, 0.17))
        mask = np.maximum(mask, polygon_mask(height, width, trunk(rng, float(x), height * 1.05, -4, thick)))
    mask = np.maximum(mask, undergrowth(rng, height, width, edge=1.0, cells=3))
    bark = fractal(rng, height, width, cells=3, octaves=5, roughness=0.8, stretch=0.08)
    return front_layer(mask, _BARK * light * (0.15 + 0.45 * bark[..., None]))


def _paint_valley(rng: np.random.Generator, height: int, width: int, hour: Hour) -> Plate:
    horizon = height * float(rng.uniform(0.42, 0.5))
    canvas = paint_sky(rng, height, width, hour, horizon=horizon, sun_x=width * float(rng.uniform(0.2, 0.8)))
    hills = Ground(rgb("#3d5a2a"), rgb("#2d4a2c"), rgb("#4a4f40"), relief=5.0, ridged=0.3, cells=6)
    paint_terrain(canvas, rng, hour, hills, horizon=horizon, far=30, foot=9)
    light = _light(hour)
    for depth in (0.15, 0.45, 0.8):
        base = horizon + height * (0.14 + 0.42 * depth) + height * 0.1 * (profile(rng, width, cells=4) - 0.5)
        colour = mix(rgb("#1f3a20") * light, hour.haze, 0.6 * (1 - depth))
        tall = height * (0.1 + 0.3 * depth)
        tip = mix(rgb("#6f8f45") * light, hour.haze, 0.6 * (1 - depth))
        paint_conifers(canvas, rng, base=base, height=tall, spacing=tall * 0.3, colour=colour, tip=tip)
        below = np.arange(height, dtype=np.float32)[:, None] - base[None]
        canvas[:] = mix(canvas, colour * 0.8, smoothstep(-1, 1, below)[..., None])
        fog = fractal(rng, height, width, cells=3, stretch=5) * np.exp(-np.abs(below - height * 0.03) / (height * 0.07))
        canvas[:] = mix(canvas, hour.haze, 0.65 * (1 - depth) * fog[..., None])
    grass = _leaves(rng, height, width, _FERN * 0.5, _FERN * 1.3) * light
    meadow = undergrowth(rng, height, width, edge=0.82, cells=4)
    canvas = mix(canvas, grass, meadow[..., None])
    fill(canvas, [(0, height), (width, height), (width, height - 1), (0, height - 1)], _FERN * light)
    return Plate(back=to_uint8(canvas), floor_y=height * 0.83, shade=rgb("#0b0f0a"), light=hour.light)
