"""Lit terrain in perspective from a fractal height map, drawn column by column."""

from dataclasses import dataclass

import cv2
import numpy as np

from cinegrain.types import Bool, Float32
from cinegrain_demo.paint import fractal, mix, smoothstep
from cinegrain_demo.sky import Hour

_MAP_SIZE = 512


@dataclass(frozen=True, eq=False)
class Ground:
    """What a landscape is made of.

    Attributes:
        low: Colour of low ground.
        high: Colour of high ground.
        steep: Colour of steep faces.
        relief: Height of the highest summit, in units of the eye's height.
        ridged: 0 for rolling hills, 1 for sharp crests.
        cells: Coarsest hills over the map; more of them are smaller hills.
        roughness: Weight of fine detail.
        steepness: Slope from which a face counts as steep; lower shows more of `steep`.
    """

    low: Float32
    high: Float32
    steep: Float32
    relief: float
    ridged: float
    cells: float
    roughness: float = 0.48
    steepness: float = 1.0


def paint_terrain(
    canvas: Float32,
    rng: np.random.Generator,
    hour: Hour,
    ground: Ground,
    *,
    horizon: float,
    near: float = 1.0,
    far: float = 40.0,
    foot: float = 3.0,
    n_slices: int = 300,
) -> Bool:
    """Draw terrain over the canvas below its own skyline, in place.

    Args:
        canvas: Picture with the sky on it, shape (h, w, 3).
        rng: Source of randomness.
        hour: Light and haze.
        ground: What the land is made of.
        horizon: Row of the horizon.
        near: Distance of the first slice, in units of the eye's height.
        far: Distance of the last slice.
        foot: Distance from which the hills rise to their full height; the ground before it is low.
        n_slices: Number of distances that are sampled.

    Returns:
        Where there is land, shape (h, w).
    """
    height, width = canvas.shape[:2]
    field = _height_map(rng, ground)
    depth = (near * (far / near) ** np.linspace(0, 1, n_slices)).astype(np.float32)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32) * width / height
    scale = _MAP_SIZE / 26
    map_x = across[None] * depth[:, None] * scale + float(rng.uniform(0, _MAP_SIZE))
    map_y = np.repeat((depth * scale + float(rng.uniform(0, _MAP_SIZE)))[:, None], width, axis=1)
    rise = 0.08 + 0.92 * smoothstep(near * 0.8, foot, depth)[:, None] * np.minimum(1, depth[:, None] / foot)
    land = _sample(field, map_x, map_y)
    altitude = land * ground.relief * rise
    screen_y = horizon + height * 0.62 * (1 - altitude) / depth[:, None]
    colour = _shade(rng, field, land, map_x, map_y, hour, ground)
    fog = 1 - np.exp(-1.7 * depth / far)
    colour = mix(colour, hour.haze, fog[:, None, None])
    seen = np.minimum.accumulate(screen_y, axis=0)
    rows = np.arange(height)
    index = np.empty((height, width), np.int64)
    for column in range(width):
        index[:, column] = n_slices - np.searchsorted(seen[::-1, column], rows, side="right")
    hit = index < n_slices
    index = np.minimum(index, n_slices - 1)
    canvas[hit] = colour[index, np.arange(width)[None]][hit]
    return hit


def _height_map(rng: np.random.Generator, ground: Ground) -> Float32:
    noise = fractal(rng, _MAP_SIZE, _MAP_SIZE, cells=ground.cells, octaves=7, roughness=ground.roughness)
    crests = mix(noise, (1 - np.abs(2 * noise - 1)) ** 1.5, ground.ridged)
    # A crease one pixel wide would show as saw teeth on the skyline.
    field: Float32 = cv2.GaussianBlur(crests, (0, 0), 1.1)
    return field


def _sample(field: Float32, map_x: Float32, map_y: Float32) -> Float32:
    picked: Float32 = cv2.remap(
        field, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return picked


def _shade(
    rng: np.random.Generator,
    field: Float32,
    land: Float32,
    map_x: Float32,
    map_y: Float32,
    hour: Hour,
    ground: Ground,
) -> Float32:
    """Colour of every sampled point, shape (slices, width, 3): material times light."""
    slope_y, slope_x = (np.asarray(g, np.float32) * 60 for g in np.gradient(field))
    side = float(rng.choice([-1.0, 1.0]))
    facing = _sample(side * slope_x - 0.35 * slope_y, map_x, map_y)
    steep = _sample(np.hypot(slope_x, slope_y), map_x, map_y)
    grain = _sample(fractal(rng, _MAP_SIZE, _MAP_SIZE, cells=90, octaves=3, roughness=0.7), map_x * 5, map_y * 5)
    material = mix(ground.low, ground.high, smoothstep(0.3, 0.65, land + 0.25 * (grain - 0.5))[..., None])
    bare = smoothstep(0.7 * ground.steepness, 1.4 * ground.steepness, steep + 0.5 * (grain - 0.5))
    material = mix(material, ground.steep, bare[..., None])
    sun = np.clip(0.55 + 0.55 * facing, 0, 1.15)[..., None]
    lit: Float32 = material * (hour.ambient * 0.9 + hour.light * sun * 0.85) * (0.8 + 0.4 * grain[..., None])
    return lit
