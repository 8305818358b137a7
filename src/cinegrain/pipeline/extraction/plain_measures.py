"""Loudness and brightness of a film, which may be confounders of sub-genres."""

import math

import numpy as np

from cinegrain.types import Scene

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_EVERY = 4  # every so many rows and columns are used


class PlainMeasures:
    """Running sums over the scenes of a film."""

    def __init__(self) -> None:
        self._square = 0.0
        self._n_samples = 0
        self._luma = 0.0
        self._n_frames = 0

    def add(self, scene: Scene) -> None:
        """Adds one scene's sound and sampled pictures."""
        if scene.sound is not None:
            self._square += float(np.square(scene.sound, dtype=np.float64).sum())
            self._n_samples += len(scene.sound)
        if len(scene.frames):
            self._luma += float((scene.frames[:, ::_EVERY, ::_EVERY].mean(axis=(1, 2)) @ _LUMA).sum()) / 255
            self._n_frames += len(scene.frames)

    def as_facts(self) -> dict[str, float | None]:
        """`loudness_dbfs`, RMS of the sound, and `brightness`, mean luma, 0..1; None without sound or pictures."""
        power = self._square / self._n_samples if self._n_samples else 0.0
        return {
            "loudness_dbfs": round(10 * math.log10(power), 3) if power else None,
            "brightness": round(self._luma / self._n_frames, 5) if self._n_frames else None,
        }
