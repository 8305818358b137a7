"""The sound track of a film: its sound style, a background hiss, and its loudness."""

from collections.abc import Callable, Mapping

import numpy as np

from cinegrain.types import Float32, Float64
from cinegrain_demo.plan import FilmPlan
from cinegrain_demo.sound.crowd import crowd
from cinegrain_demo.sound.dread import dread
from cinegrain_demo.sound.gunfire import gunfire
from cinegrain_demo.sound.melody import melody
from cinegrain_demo.sound.nature import nature
from cinegrain_demo.sound.synth import synth
from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ

STYLES: Mapping[str, Callable[[np.random.Generator, int], Float64]] = {
    "crowd": crowd,
    "dread": dread,
    "gunfire": gunfire,
    "melody": melody,
    "nature": nature,
    "synth": synth,
}


def film_sound(plan: FilmPlan) -> Float32:
    """Mono samples at SAMPLE_RATE_HZ in -1..1, as long as the picture."""
    rng = np.random.default_rng([plan.seed, 2])
    n_samples = round(plan.look.n_frames / plan.look.frame_rate * SAMPLE_RATE_HZ)
    samples = STYLES[plan.sound](rng, n_samples)
    level = 10 ** (plan.look.gain_db / 20) / max(float(np.abs(samples).max()), 1e-9)
    hiss = rng.normal(0, 10 ** (plan.look.hiss_db / 20), n_samples)
    track: Float32 = np.clip(samples * level + hiss, -1, 1).astype(np.float32)
    return track
