"""Snow: high mountains, fir slopes, and a hut with a lit window."""

import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import add_glow, fill, fractal, mix, profile, rgb, smoothstep, to_uint8
from cinegrain_demo.plate import Plate
from cinegrain_demo.scenery.layers import front_layer
from cinegrain_demo.scenery.trees import conifer, paint_conifers
from cinegrain_demo.sky import HOURS, Hour, paint_sky
from cinegrain_demo.terrain import Ground, paint_terrain

_SNOW, _ROCK = rgb("#f2f6fc"), rgb("#4d4f58")


def paint_snow(rng: np.random.Generator, height: int, width: int, hour_name: str) -> Plate:
    """A range of peaks behind a snow field, with firs and sometimes a hut."""
    hour = HOURS[hour_name]
    horizon = height * float(rng.uniform(0.52, 0.62))
    canvas = paint_sky(rng, height, width, hour, horizon=horizon, sun_x=width * float(rng.uniform(0.2, 0.8)))
    peaks = Ground(
        _SNOW, _SNOW, _ROCK, relief=float(rng.uniform(6, 10)), ridged=0.8, cells=4, roughness=0.42, steepness=1.0
    )
    paint_terrain(canvas, rng, hour, peaks, horizon=horizon, near=4, far=30, foot=12)
    light = hour.ambient * 0.8 + hour.light * 0.5
    field_top = horizon + height * (0.02 + 0.12 * (profile(rng, width, cells=2, octaves=3) - 0.3))
    _paint_fir_line(canvas, rng, hour, base=field_top + height * 0.02, tall=height * 0.11, haze=0.35)
    _paint_field(canvas, rng, hour, field_top)
    if rng.random() < 0.4:
        _paint_hut(canvas, rng, hour, x=width * float(rng.uniform(0.25, 0.75)), base=horizon + height * 0.2)
    near_line = horizon + height * (0.16 + 0.14 * profile(rng, width, cells=3, octaves=2))
    if rng.random() < 0.6:
        _paint_fir_line(canvas, rng, hour, base=near_line, tall=height * 0.24, haze=0.08, spacing=1.1)
    front = None
    if rng.random() < 0.5:
        branch = np.zeros((height, width, 3), np.float32)
        for x in rng.uniform(0, width, 4):
            fill(branch, conifer(rng, float(x), height * 1.1, height * float(rng.uniform(0.6, 1.0))), np.ones(3))
        frost = fractal(rng, height, width, cells=12, octaves=4, roughness=0.7)
        colour = mix(rgb("#1d3030"), _SNOW, smoothstep(0.5, 0.75, frost)[..., None]) * light
        front = front_layer(branch[..., 0], colour)
    return Plate(back=to_uint8(canvas), floor_y=height * 0.83, shade=rgb("#161a24"), light=hour.light, front=front)


def _paint_fir_line(
    canvas: Float32,
    rng: np.random.Generator,
    hour: Hour,
    *,
    base: Float32,
    tall: float,
    haze: float,
    spacing: float = 0.35,
) -> None:
    light = hour.ambient * 0.8 + hour.light * 0.5
    colour = mix(rgb("#20382f") * light, hour.haze, haze)
    tip = mix(_SNOW * light, hour.haze, haze)
    paint_conifers(canvas, rng, base=base, height=tall, spacing=tall * spacing, colour=colour, tip=tip)


def _paint_field(canvas: Float32, rng: np.random.Generator, hour: Hour, top: Float32) -> None:
    """Snow field with drifts: bright crests and blue hollows."""
    height, width = canvas.shape[:2]
    below = np.arange(height, dtype=np.float32)[:, None] - top[None]
    drifts = fractal(rng, height, width, cells=5, octaves=5, roughness=0.45, stretch=5)
    slope = np.gradient(drifts, axis=0) * height / 8
    shade = np.clip(0.62 + 1.1 * slope + 0.12 * (drifts - 0.5), 0.2, 1.15)[..., None]
    snow = _SNOW * (hour.ambient * 1.0 + hour.light * 0.75 * shade)
    canvas[:] = mix(canvas, snow, smoothstep(-1, 1, below)[..., None])


def _paint_hut(canvas: Float32, rng: np.random.Generator, hour: Hour, *, x: float, base: float) -> None:
    height = canvas.shape[0]
    light = hour.ambient * 0.7 + hour.light * 0.5
    wide, tall = height * float(rng.uniform(0.2, 0.3)), height * float(rng.uniform(0.1, 0.14))
    fill(canvas, [(x - wide / 2, base - tall), (x + wide / 2, base - tall), (x + wide / 2, base), (x - wide / 2, base)],
         rgb("#5c3a24") * light)  # fmt: skip
    for board in np.arange(0.15, 1, 0.15):
        y = base - tall * board
        fill(canvas, [(x - wide / 2, y), (x + wide / 2, y), (x + wide / 2, y + 1), (x - wide / 2, y + 1)],
             rgb("#3a2416") * light)  # fmt: skip
    roof = [(x - wide * 0.62, base - tall * 0.9), (x, base - tall * 2.1), (x + wide * 0.62, base - tall * 0.9)]
    fill(canvas, roof, _SNOW * light * 1.1)
    fill(canvas, [(x - wide * 0.5, base - tall * 0.95), (x, base - tall * 1.75), (x + wide * 0.5, base - tall * 0.95)],
         rgb("#4c2f1e") * light)  # fmt: skip
    for share in (-0.28, 0.22):
        left, top, size = x + wide * share, base - tall * 0.68, tall * 0.36
        pane = [(left, top), (left + size, top), (left + size, top + size), (left, top + size)]
        fill(canvas, pane, rgb("#ffcf70"))
        add_glow(canvas, left + size / 2, top + size / 2, size * 1.2, rgb("#ffb040"), 0.35)
