"""Oceans: open sea with islands, and beaches with palms."""

import cv2
import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import fractal, mix, profile, rgb, smoothstep, to_uint8
from cinegrain_demo.plate import Front, Plate
from cinegrain_demo.scenery.layers import front_layer
from cinegrain_demo.scenery.trees import palm_mask
from cinegrain_demo.sky import HOURS, Hour, paint_sky
from cinegrain_demo.terrain import Ground, paint_terrain

_DEEP, _SHALLOW = rgb("#0c3f66"), rgb("#2fa8b0")
_SAND = rgb("#e3c795")
_OFF_CENTRE = 2000  # columns; keeps the mirrored edge of the wave map out of the picture


def paint_ocean(rng: np.random.Generator, height: int, width: int, hour_name: str) -> Plate:
    """Sea to the horizon; often islands, sometimes a beach in front."""
    hour = HOURS[hour_name]
    horizon = int(height * rng.uniform(0.44, 0.56))
    sun_x = width * float(rng.uniform(0.3, 0.7))
    canvas = paint_sky(rng, height, width, hour, horizon=horizon, sun_x=sun_x)
    if rng.random() < 0.6:
        _paint_islands(canvas, rng, hour, horizon)
    _paint_sea(canvas, rng, hour, horizon=horizon, sun_x=sun_x)
    front = None
    floor_y = horizon + height * 0.1
    if rng.random() < 0.4:
        _paint_beach(canvas, rng, hour)
        if rng.random() < 0.75:
            front = _paint_palms(rng, height, width, hour)
    return Plate(
        back=to_uint8(canvas),
        floor_y=floor_y,
        shade=mix(rgb("#10141c"), hour.haze, 0.12),
        light=hour.light,
        front=front,
        water_y=float(horizon + 2),
    )


def _paint_islands(canvas: Float32, rng: np.random.Generator, hour: Hour, horizon: int) -> None:
    """Rocky coast on the horizon, on one side or both; the sea is painted over its foot."""
    height, width = canvas.shape[:2]
    coast = canvas.copy()
    rock = Ground(rgb("#4f6a3a"), rgb("#6a6a58"), rgb("#6d5f52"), relief=7.0, ridged=0.6, cells=9)
    land = paint_terrain(coast, rng, hour, rock, horizon=horizon, near=6, far=26, foot=8, n_slices=160)
    outline = profile(rng, width, cells=4, octaves=4)
    sunk = (1 - smoothstep(0.4, 0.62, outline)) * height * 0.4
    map_x = np.repeat(np.arange(width, dtype=np.float32)[None], height, axis=0)
    map_y = (np.arange(height, dtype=np.float32)[:, None] - sunk[None]).astype(np.float32)
    coast = cv2.remap(coast, map_x, map_y, cv2.INTER_LINEAR)
    shown = cv2.remap(land.astype(np.float32), map_x, map_y, cv2.INTER_LINEAR)
    canvas[:] = mix(canvas, coast, shown[..., None])


def _paint_sea(canvas: Float32, rng: np.random.Generator, hour: Hour, *, horizon: int, sun_x: float) -> None:
    height, width = canvas.shape[:2]
    rows = height - horizon
    y = np.arange(1, rows + 1, dtype=np.float32)[:, None] / rows
    distance = 1 / (y + 0.03)
    map_x = (np.arange(width, dtype=np.float32)[None] - width / 2 + _OFF_CENTRE) * 0.35 * distance
    map_y = np.asarray(np.repeat(distance * 55, width, axis=1), np.float32)
    surface = fractal(rng, 512, 512, cells=34, octaves=5, roughness=0.6, stretch=2.2)
    waves = _wave(surface, map_x, map_y)
    slope = np.subtract(waves, _wave(surface, map_x, map_y + np.float32(2.2)))
    chop = smoothstep(0.0, 0.25, y)
    body = mix(_SHALLOW, _DEEP, smoothstep(0.0, 0.9, y)[..., None]) * (hour.ambient * 0.75 + hour.light * 0.42)
    mirror = mix(hour.horizon, hour.zenith, np.sqrt(y)[..., None])
    gloss = np.clip(0.72 - 0.6 * y + 2.4 * slope * (0.35 + chop), 0.05, 0.95)
    sea = mix(body, mirror, gloss[..., None]) * (0.9 + 0.25 * waves[..., None])
    if hour.disc is not None:
        spread = width * (0.02 + 0.1 * y)
        path = np.exp(-(((np.arange(width)[None] - sun_x) / spread) ** 2))
        glitter = path * smoothstep(0.0, 0.16, slope + 0.06 * (1 - y)) * (1.1 - 0.5 * y)
        sea += glitter[..., None] * hour.light * 0.9
    crest = smoothstep(0.62, 0.72, waves + 0.6 * slope) * chop * float(rng.uniform(0.1, 0.7))
    sea = mix(sea, hour.light * 0.6 + hour.ambient * 0.6, crest[..., None])
    canvas[horizon:] = mix(canvas[horizon:], sea, smoothstep(0, 0.02, y)[..., None])


def _wave(surface: Float32, map_x: Float32, map_y: Float32) -> Float32:
    sampled: Float32 = cv2.remap(
        surface, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return sampled


def _paint_beach(canvas: Float32, rng: np.random.Generator, hour: Hour) -> None:
    height, width = canvas.shape[:2]
    shore = height * (0.8 + 0.1 * profile(rng, width, cells=2, octaves=4))
    below = np.arange(height, dtype=np.float32)[:, None] - shore[None]
    grain = fractal(rng, height, width, cells=24, octaves=4, roughness=0.7, stretch=3)
    light = hour.ambient * 0.7 + hour.light * 0.6
    wet = np.exp(-np.maximum(below, 0) / (height * 0.03))
    sand = _SAND * light * (0.82 + 0.3 * grain[..., None]) * (1 - 0.4 * wet[..., None])
    canvas[:] = mix(canvas, sand, smoothstep(-1, 1, below)[..., None])
    foam = np.exp(-np.abs(below + 3) / (2.5 + 5 * grain)) * smoothstep(0.2, 0.5, grain)
    canvas[:] = mix(canvas, np.minimum(light * 1.3, 1), np.minimum(foam * 1.2, 1)[..., None])


def _paint_palms(rng: np.random.Generator, height: int, width: int, hour: Hour) -> Front:
    mask = np.zeros((height, width), np.float32)
    for x in rng.uniform(0, width, int(rng.integers(2, 5))):
        tall = height * float(rng.uniform(0.6, 0.95))
        mask = np.maximum(mask, palm_mask(rng, height, width, float(x), height * 1.05, tall))
    return front_layer(mask, rgb("#23301c") * (hour.ambient * 0.6 + hour.light * 0.25))
