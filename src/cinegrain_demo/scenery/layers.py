"""Steps that several settings share: front layers, and reflections in water or a wet street."""

import cv2
import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.paint import fractal, mix, to_uint8
from cinegrain_demo.plate import Front


def front_layer(mask: Float32, colour: Float32) -> Front:
    """Front layer from its opacity, shape (h, w), and one colour or a picture of it."""
    shown = np.broadcast_to(colour, (*mask.shape, 3)) * mask[..., None]
    clear = to_uint8(np.repeat(1 - mask[..., None], 3, axis=2))
    return Front(colour=to_uint8(np.asarray(shown, np.float32)), clear=clear)


def reflect(canvas: Float32, rng: np.random.Generator, *, line: int, tint: Float32, strength: float, blur: int) -> None:
    """Mirror what stands above row `line` into the rows below it, smeared and broken up, in place."""
    height, width = canvas.shape[:2]
    depth = height - line
    mirrored = canvas[max(0, line - depth) : line][::-1]
    mirrored = cv2.resize(mirrored, (width, depth))
    mirrored = cv2.blur(mirrored, (3, blur))
    waves = fractal(rng, depth, width, cells=14, octaves=3, stretch=9)
    fade = np.linspace(1.0, 0.6, depth, dtype=np.float32)[:, None]
    share = strength * fade * (0.7 + 0.6 * (waves - 0.5))
    canvas[line:] = mix(tint, mirrored, share[..., None])
