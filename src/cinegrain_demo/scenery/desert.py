"""Deserts: sand dunes, and red mesas with cactuses."""

import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import fill, fractal, mix, polygon_mask, profile, rgb, smoothstep, to_uint8
from cinegrain_demo.plate import Front, Plate
from cinegrain_demo.scenery.layers import front_layer
from cinegrain_demo.sky import HOURS, Hour, paint_sky
from cinegrain_demo.terrain import Ground, paint_terrain


def paint_desert(rng: np.random.Generator, height: int, width: int, hour_name: str) -> Plate:
    """Dunes or mesa country, often with a road."""
    hour = HOURS[hour_name]
    horizon = height * float(rng.uniform(0.44, 0.54))
    canvas = paint_sky(rng, height, width, hour, horizon=horizon, sun_x=width * float(rng.uniform(0.2, 0.8)))
    front = None
    if rng.random() < 0.45:
        sand = Ground(
            rgb("#d9a25c"), rgb("#eec07c"), rgb("#b87a3e"), relief=4.5, ridged=1.0, cells=7, roughness=0.3,
            steepness=0.9,
        )  # fmt: skip
        paint_terrain(canvas, rng, hour, sand, horizon=horizon, far=34, foot=6)
    else:
        _paint_mesas(canvas, rng, hour, horizon)
        plain = Ground(
            rgb("#c07a48"), rgb("#d29a62"), rgb("#8f5a38"), relief=0.9, ridged=0.3, cells=12, roughness=0.62
        )  # fmt: skip
        paint_terrain(canvas, rng, hour, plain, horizon=horizon, far=60, foot=5)
        _paint_scrub(canvas, rng, hour, horizon)
        if rng.random() < 0.6:
            _paint_highway(canvas, rng, hour, horizon)
        if rng.random() < 0.6:
            front = _paint_cactuses(rng, height, width, hour)
    return Plate(
        back=to_uint8(canvas),
        floor_y=height * 0.82,
        shade=mix(rgb("#1c130e"), hour.haze, 0.08),
        light=hour.light,
        front=front,
    )


def _paint_mesas(canvas: Float32, rng: np.random.Generator, hour: Hour, horizon: float) -> None:
    """Flat-topped rocks with layers of stone; far ones first."""
    height, width = canvas.shape[:2]
    layers = profile(rng, height, cells=26, octaves=3)[:, None]
    for haze, tallest in ((0.6, 0.2), (0.3, 0.34)):
        outline = profile(rng, width, cells=5, octaves=5)
        stepped = 0.75 * smoothstep(0.48, 0.54, outline) + 0.25 * smoothstep(0.68, 0.71, outline)
        top = horizon + height * 0.01 - height * tallest * (stepped + 0.06 * outline)
        cracks = fractal(rng, height, width, cells=5, octaves=5, roughness=0.7, stretch=0.12)
        slope = np.clip(0.6 + 1.6 * np.gradient(outline) * width / 60, 0.25, 1.1)[None]
        rock = mix(rgb("#8c3f24"), rgb("#d9834e"), (0.55 * layers + 0.45 * cracks)[..., None])
        lit = rock * (hour.ambient * 0.75 + hour.light * (0.85 * slope * (0.55 + 0.6 * cracks))[..., None])
        inside = smoothstep(-0.8, 0.8, np.arange(height, dtype=np.float32)[:, None] - top[None])
        canvas[:] = mix(canvas, mix(lit, hour.haze, haze), inside[..., None])


def _paint_scrub(canvas: Float32, rng: np.random.Generator, hour: Hour, horizon: float) -> None:
    height, width = canvas.shape[:2]
    light = hour.ambient * 0.8 + hour.light * 0.4
    for near in np.sort(rng.random(60) ** 1.7):
        y = horizon + height * 0.03 + (height * 0.55) * near
        x, size = float(rng.uniform(0, width)), height * (0.008 + 0.035 * near)
        turn = np.linspace(0, 6.0, 9)
        blob_x = x + size * np.cos(turn) * rng.uniform(0.7, 1.3, 9)
        blob_y = y + size * 0.55 * np.sin(turn) * rng.uniform(0.6, 1.2, 9)
        fill(
            canvas, np.stack([blob_x, blob_y], axis=1), mix(rgb("#5a5a2c"), rgb("#8a7a3c"), rng.random()) * light, 0.85
        )


def _paint_highway(canvas: Float32, rng: np.random.Generator, hour: Hour, horizon: float) -> None:
    height, width = canvas.shape[:2]
    x, near_x = width * float(rng.uniform(0.35, 0.65)), width * float(rng.uniform(0.4, 0.6))
    light = hour.ambient * 0.8 + hour.light * 0.5
    top = horizon + height * 0.025
    half = width * 0.13
    fill(canvas, [(x - 1, top), (x + 1, top), (near_x + half, height), (near_x - half, height)], rgb("#4c4846") * light)
    for near, far in ((1.0, 0.72), (0.55, 0.4), (0.3, 0.22), (0.16, 0.12)):
        spots = [(x + (near_x - x) * s, top + (height - top) * s, width * 0.005 * s) for s in (near, far)]
        (x_near, y_near, half_near), (x_far, y_far, half_far) = spots
        fill(canvas, [(x_far - half_far, y_far), (x_far + half_far, y_far),
                      (x_near + half_near, y_near), (x_near - half_near, y_near)], rgb("#f0d060") * light)  # fmt: skip


def _paint_cactuses(rng: np.random.Generator, height: int, width: int, hour: Hour) -> Front:
    mask = np.zeros((height, width), np.float32)
    for x in rng.uniform(0, width, int(rng.integers(2, 5))):
        tall, thick = height * float(rng.uniform(0.35, 0.7)), height * float(rng.uniform(0.05, 0.08))
        mask = np.maximum(mask, _pillar(height, width, x, height * 1.02, height - tall, thick))
        for side in (-1, 1):
            arm_y = height - tall * float(rng.uniform(0.4, 0.65))
            arm_x = x + side * thick * float(rng.uniform(1.5, 2.2))
            bar = [(x, arm_y), (arm_x, arm_y), (arm_x, arm_y + thick * 0.7), (x, arm_y + thick * 0.7)]
            mask = np.maximum(mask, polygon_mask(height, width, bar))
            arm_top = arm_y - tall * float(rng.uniform(0.12, 0.3))
            mask = np.maximum(mask, _pillar(height, width, arm_x, arm_y + thick * 0.6, arm_top, thick * 0.7))
    ribs = fractal(rng, height, width, cells=2, octaves=3, stretch=0.03)
    return front_layer(mask, rgb("#3f5a34") * (hour.ambient * 0.6 + hour.light * 0.4) * (0.5 + 0.6 * ribs[..., None]))


def _pillar(height: int, width: int, x: float, base: float, top: float, thick: float) -> Float32:
    turn = np.linspace(np.pi, 2 * np.pi, 9)
    cap = [(x + thick / 2 * np.cos(a), top + thick / 2 * np.sin(a)) for a in turn]
    return polygon_mask(height, width, [(x - thick / 2, base), *cap, (x + thick / 2, base)])
