"""Trees: conifers, bare and leafy trunks, palms."""

import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import fill, fractal, mix, polygon_mask, smoothstep


def conifer(rng: np.random.Generator, x: float, base: float, height: float) -> Float32:
    """Outline of a fir tree standing at (x, base), as (x, y) corners."""
    n_tiers = 7
    half = height * float(rng.uniform(0.17, 0.25))
    left, right = [], []
    for tier in range(n_tiers):
        y = base - height * (1 - tier / n_tiers) * 0.97
        reach = half * (tier + 1) / n_tiers * float(rng.uniform(0.85, 1.15))
        drop = y + height / n_tiers * 1.1
        left += [(x - reach * 0.35, y), (x - reach, drop)]
        right += [(x + reach * 0.35, y), (x + reach, drop)]
    top = [(x, base - height)]
    return np.array(top + right + [(x, base)] + left[::-1], np.float32)


def paint_conifers(
    canvas: Float32,
    rng: np.random.Generator,
    *,
    base: Float32,
    height: float,
    spacing: float,
    colour: Float32,
    tip: Float32,
) -> None:
    """A row of firs along a line of bases, shape (width,), in place; `tip` colours the light catching sides."""
    width = canvas.shape[1]
    x = -height * 0.3
    while x < width + height * 0.3:
        tall = height * float(rng.uniform(0.55, 1.1))
        foot = float(base[int(np.clip(x, 0, width - 1))]) + tall * 0.05
        shade = mix(colour, tip, float(rng.uniform(0, 0.35)))
        outline = conifer(rng, x, foot, tall)
        fill(canvas, outline, shade)
        lit = outline.copy()
        lit[:, 0] = x + (outline[:, 0] - x) * np.where(outline[:, 0] < x, 0.9, 0.0)
        fill(canvas, lit, mix(shade, tip, 0.4), 0.6)
        x += spacing * float(rng.uniform(0.4, 1.6))


def trunk(rng: np.random.Generator, x: float, base: float, top: float, thickness: float) -> Float32:
    """Outline of a tree trunk with spreading roots, as (x, y) corners."""
    lean = float(rng.normal(0, 0.04)) * (base - top)
    y = np.linspace(base, top, 7)
    share = np.linspace(0, 1, 7)
    half = thickness * 0.5 * (1 - 0.4 * share + 0.9 * np.exp(-share * 14))
    centre = x + lean * share + rng.normal(0, thickness * 0.06, 7)
    left = np.stack([centre - half, y], axis=1)
    right = np.stack([centre + half, y], axis=1)
    return np.concatenate([left, right[::-1]]).astype(np.float32)


def foliage(rng: np.random.Generator, height: int, width: int, *, depth: float, cells: float) -> Float32:
    """Opacity of leaves that hang from the top of a picture down to about `depth` of its height."""
    clumps = fractal(rng, height, width, cells=cells, octaves=2)
    leaves = fractal(rng, height, width, cells=cells * 7, octaves=3, roughness=0.75)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    cover = 0.55 * clumps + 0.45 * leaves - 0.62 * (y / depth - 0.45)
    return smoothstep(0.5, 0.58, cover)


def undergrowth(rng: np.random.Generator, height: int, width: int, *, edge: float, cells: float) -> Float32:
    """Opacity of ferns and bushes that rise from the bottom up to about `edge` (share of the height)."""
    clumps = fractal(rng, height, width, cells=cells, octaves=2)
    leaves = fractal(rng, height, width, cells=cells * 7, octaves=3, roughness=0.75, stretch=0.6)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    cover = 0.5 + (y - edge) * 3.2 + 0.5 * (clumps - 0.5) + 0.45 * (leaves - 0.5)
    return smoothstep(0.5, 0.6, cover)


def palm_mask(rng: np.random.Generator, height: int, width: int, x: float, base: float, tall: float) -> Float32:
    """Opacity of a palm tree at (x, base)."""
    bend = float(rng.uniform(-0.35, 0.35)) * tall
    share = np.linspace(0, 1, 9)
    centre = x + bend * share**2
    y = base - tall * share
    half = tall * 0.022 * (1.4 - share)
    stem = np.concatenate([np.stack([centre - half, y], 1), np.stack([centre + half, y], 1)[::-1]])
    mask = polygon_mask(height, width, stem)
    crown_x, crown_y = centre[-1], y[-1]
    for angle in np.linspace(-2.9, -0.25, 9) + rng.normal(0, 0.1, 9):
        length = tall * float(rng.uniform(0.36, 0.5))
        along = np.linspace(0, 1, 8)
        leaf_x = crown_x + length * along * np.cos(angle)
        leaf_y = crown_y + length * (along * np.sin(angle) + 0.75 * along**2)
        thick = length * 0.11 * np.sin(np.pi * np.clip(along * 0.92 + 0.06, 0, 1))
        leaf = np.concatenate(
            [np.stack([leaf_x, leaf_y - thick * 0.3], 1), np.stack([leaf_x, leaf_y + thick], 1)[::-1]]
        )
        mask = np.maximum(mask, polygon_mask(height, width, leaf))
    return mask
