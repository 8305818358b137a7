"""Simulated films as arrays, without any file."""

from collections.abc import Sequence

import numpy as np

from cinegrain.types import MODALITIES, Float64
from simulator.films import draw_film, scene_vectors
from simulator.world import World


def scene_means(world: World, numbers: Sequence[int]) -> dict[str, Float64]:
    """Mean vector of each film by mode, shape (n, d); for worlds in which no mode is missing."""
    rows = [scene_vectors(world, draw_film(world, number)) for number in numbers]
    return {mode: np.stack([row[mode].mean(axis=0) for row in rows]).astype(np.float64) for mode in MODALITIES}
