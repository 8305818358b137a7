"""Space: planets among stars, alien ground, and the view through a ship's window."""

import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import add_glow, fill, fractal, mix, rgb, smoothstep, to_uint8
from cinegrain_demo.plate import Front, Plate
from cinegrain_demo.sky import Hour, scatter_stars
from cinegrain_demo.terrain import Ground, paint_terrain

_NEBULAE = tuple(
    (rgb(a), rgb(b))
    for a, b in (
        ("#3a1a6e", "#e0559a"), ("#0c3a6e", "#2fd0c8"), ("#5a1a24", "#ff8a3c"), ("#1a2c6e", "#8a6aff"),
    )
)  # fmt: skip
_WORLDS = tuple(
    (rgb(a), rgb(b), rgb(c))
    for a, b, c in (
        ("#c98a5a", "#f2d9b0", "#8a4a2c"), ("#1f4f8f", "#dfeaf2", "#3f7a4a"), ("#7a8a9a", "#d0d6dc", "#4a5460"),
        ("#2a6a7a", "#9ad8d0", "#1a3a5a"), ("#a03a2a", "#e08a5a", "#5a1a1a"),
    )
)  # fmt: skip


# The light of a near sun without air: hard, white, with dark shadows.
_STARLIGHT = Hour(
    rgb("#000000"), rgb("#0a0c18"), rgb("#2a2c44"), rgb("#e8e4dc"), rgb("#20222e"), rgb("#000000"), None, 0.5, True
)


def paint_space(rng: np.random.Generator, height: int, width: int, _hour_name: str) -> Plate:
    """Planets in open space or over alien ground, sometimes framed by a cockpit. There is always night."""
    canvas = _paint_void(rng, height, width)
    surface = rng.random() < 0.3
    n_worlds = int(rng.choice([1, 2, 2, 3]))
    for world in range(n_worlds):
        radius = height * float(rng.uniform(0.24, 0.6) if world == 0 else rng.uniform(0.04, 0.13))
        x = width * float(rng.uniform(0.25, 0.75) if world == 0 else rng.uniform(0.05, 0.95))
        y = height * float(rng.uniform(0.25, 0.42) if surface else rng.uniform(0.2, 0.8))
        _paint_world(canvas, rng, x=x, y=y, radius=radius, ringed=world == 0 and rng.random() < 0.4)
    floor_y = height * 0.62
    if surface:
        low, high, steep = _WORLDS[int(rng.integers(len(_WORLDS)))]
        horizon = height * float(rng.uniform(0.6, 0.68))
        ground = Ground(low * 0.7, high * 0.7, steep * 0.7, relief=6.0, ridged=0.7, cells=8, roughness=0.55)
        paint_terrain(canvas, rng, _STARLIGHT, ground, horizon=horizon, far=34, foot=8)
        floor_y = height * 0.82
    front = _paint_cockpit(rng, height, width) if rng.random() < 0.22 else None
    return Plate(back=to_uint8(canvas), floor_y=floor_y, shade=rgb("#20242e"), light=rgb("#9ccfff"), front=front)


def _paint_void(rng: np.random.Generator, height: int, width: int) -> Float32:
    outer, inner = _NEBULAE[int(rng.integers(len(_NEBULAE)))]
    gas = fractal(rng, height, width, cells=1.6, octaves=6, roughness=0.55)
    veins = 1 - np.abs(2 * fractal(rng, height, width, cells=2.2, octaves=6, roughness=0.55) - 1)
    cover = smoothstep(0.35, 0.95, gas) * float(rng.uniform(0.35, 1.0))
    core = smoothstep(0.55, 1.0, gas * veins**0.6) * float(rng.uniform(0.4, 1.0))
    canvas = rgb("#03040a") + cover[..., None] * outer * 0.9 + core[..., None] * inner
    stars = scatter_stars(rng, height, width, density=0.004)
    tint = mix(rgb("#ffe2c0"), rgb("#cfe0ff"), rng.random((height, width, 1), dtype=np.float32))
    canvas = canvas + stars[..., None] * tint
    for _ in range(int(rng.integers(3, 9))):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        add_glow(canvas, x, y, float(rng.uniform(1.0, 2.6)), rgb("#dfe8ff"), 0.9)
    picture: Float32 = canvas.astype(np.float32)
    return picture


def _paint_world(canvas: Float32, rng: np.random.Generator, *, x: float, y: float, radius: float, ringed: bool) -> None:
    """A planet lit from one side, with bands or continents, an atmosphere and perhaps a ring."""
    height, width = canvas.shape[:2]
    low, high, third = _WORLDS[int(rng.integers(len(_WORLDS)))]
    u = (np.arange(width, dtype=np.float32)[None] - x) / radius
    v = (np.arange(height, dtype=np.float32)[:, None] - y) / radius
    distance = np.sqrt(u**2 + v**2)
    depth = np.sqrt(np.clip(1 - distance**2, 0, 1))
    banded = rng.random() < 0.5
    stripes = fractal(
        rng, height, width, cells=9 if banded else 5, octaves=6, roughness=0.6, stretch=7 if banded else 1
    )
    skin = mix(
        mix(third, low, smoothstep(0.2, 0.5, stripes)[..., None]), high, smoothstep(0.52, 0.78, stripes)[..., None]
    )
    angle = float(rng.uniform(0, 2 * np.pi))
    toward = (0.8 * np.cos(angle) * u + 0.8 * np.sin(angle) * v + 0.55 * depth).astype(np.float32)
    lit = np.clip(toward * 1.25, 0.015, 1.1)[..., None]
    rim = np.exp(-np.abs(distance - 1) * 14) * np.clip(0.3 + toward, 0, 1)
    ring = _ring_mask(u, v, float(rng.uniform(-0.5, 0.5))) if ringed else np.zeros_like(distance)
    dust = mix(high, low, 0.3) * 0.8
    canvas[:] = mix(canvas, dust, (ring * 0.75)[..., None])
    canvas[:] = mix(canvas, skin * lit, smoothstep(1.0, 1.0 - 1.6 / radius, distance)[..., None])
    in_front = ring * (v > 0.12 * u)
    canvas[:] = mix(canvas, dust, (in_front * 0.75)[..., None])
    canvas += rim[..., None] * mix(high, rgb("#a8d0ff"), 0.5) * 0.55


def _ring_mask(u: Float32, v: Float32, tilt: float) -> Float32:
    along = u * np.cos(tilt) + v * np.sin(tilt)
    across = (-u * np.sin(tilt) + v * np.cos(tilt)) / 0.22
    reach = np.sqrt(along**2 + across**2)
    gaps = 0.6 + 0.4 * np.sin(reach * 42)
    band: Float32 = smoothstep(1.3, 1.36, reach) * smoothstep(2.15, 2.05, reach) * gaps.astype(np.float32)
    return band


def _paint_cockpit(rng: np.random.Generator, height: int, width: int) -> Front:
    """Window struts and a console with small lights."""
    colour = np.zeros((height, width, 3), np.float32)
    mask = np.zeros((height, width, 3), np.float32)
    steel, white = rgb("#171b22"), np.ones(3, np.float32)
    desk = height * float(rng.uniform(0.78, 0.84))
    ends = desk + height * 0.08
    console = [(0.0, ends), (width * 0.2, desk), (width * 0.8, desk), (width, ends), (width, height), (0, height)]
    shapes = [console, [(0.0, 0.0), (width, 0), (width, height * 0.06), (0, height * 0.06)]]
    for x in np.linspace(0.04, 0.96, 4) * width:
        lean = (x - width / 2) * 0.12
        shapes.append([(x - 6 - lean, 0), (x + 6 - lean, 0), (x + 9 + lean, height), (x - 9 + lean, height)])
    for shape in shapes:
        fill(colour, shape, steel)
        fill(mask, shape, white)
    for _ in range(90):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(desk + height * 0.05, height * 0.98))
        lamp = (rgb("#ff5a3c"), rgb("#3cf0ff"), rgb("#ffd23c"), rgb("#5aff8a"))[int(rng.integers(4))]
        wide = float(rng.uniform(1, 5))
        fill(colour, [(x, y), (x + wide, y), (x + wide, y + 2), (x, y + 2)], lamp)
    return Front(colour=to_uint8(colour), clear=to_uint8(1 - mask))
