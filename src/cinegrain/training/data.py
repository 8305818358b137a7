"""Scene vectors of all trailers in memory, and padded batches from them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cinegrain.models.batch import SceneBatch
from cinegrain.types import Float32, Int64


@dataclass(frozen=True, eq=False)
class ExpertArray:
    """One expert's vectors, trailers one after the other.

    Attributes:
        vectors: Shape (r, d_e), any float type.
        scenes: Scene index of each row, shape (r,).
        offsets: Rows of trailer i are offsets[i]:offsets[i + 1]; shape (n + 1,).
    """

    vectors: np.ndarray
    scenes: Int64
    offsets: Int64


@dataclass(frozen=True, eq=False)
class TrailerArrays:
    """Vectors of n trailers by expert name."""

    experts: Mapping[str, ExpertArray]

    @property
    def dimensions(self) -> dict[str, int]:
        """Vector length by expert."""
        return {name: array.vectors.shape[1] for name, array in self.experts.items()}

    def batch(self, trailers: Int64) -> SceneBatch:
        """Padded batch of the given trailers; position on the scene axis is the scene's index.

        Args:
            trailers: Row numbers, shape (n,).
        """
        rows = {name: _rows(array, trailers) for name, array in self.experts.items()}
        longest = max((int(scene.max(initial=-1)) for _, _, scene in rows.values()), default=-1) + 1
        vectors: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for name, (row, owner, scene) in rows.items():
            array = self.experts[name]
            padded = np.zeros((len(trailers), max(1, longest), array.vectors.shape[1]), dtype=np.float32)
            mask = np.zeros(padded.shape[:2], dtype=bool)
            padded[owner, scene] = array.vectors[row]
            mask[owner, scene] = True
            vectors[name], masks[name] = torch.from_numpy(padded), torch.from_numpy(mask)
        return SceneBatch(vectors, masks)

    def means(self, name: str) -> Float32:
        """Mean vector of each trailer for one expert, shape (n, d_e); NaN where it has none."""
        array = self.experts[name]
        sums = np.zeros((len(array.offsets) - 1, array.vectors.shape[1]))
        np.add.at(sums, np.repeat(np.arange(len(sums)), np.diff(array.offsets)), array.vectors.astype(np.float64))
        counts = np.diff(array.offsets)[:, None].astype(np.float64)
        with np.errstate(invalid="ignore"):
            return (sums / np.where(counts > 0, counts, np.nan)).astype(np.float32)

    def statistics(self, trailers: Int64) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean and standard deviation of trailer means by expert, each (d_e,), over the given trailers."""
        result = {}
        for name in self.experts:
            means = self.means(name)[trailers]
            means = means[~np.isnan(means[:, 0])]
            if not len(means):
                means = np.zeros((1, means.shape[1]), dtype=np.float32)
            result[name] = (torch.from_numpy(means.mean(axis=0)), torch.from_numpy(_deviation(means)))
        return result


def _deviation(means: Float32) -> Float32:
    """Standard deviation; 1 where a value never changes, so that it is not blown up later."""
    deviation = means.std(axis=0)
    return np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)


def _rows(array: ExpertArray, trailers: Int64) -> tuple[Int64, Int64, Int64]:
    """Row numbers, position of their trailer in the batch, and their scene, each of shape (r,)."""
    starts, counts = array.offsets[trailers], np.diff(array.offsets)[trailers]
    owner = np.repeat(np.arange(len(trailers)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = np.repeat(starts, counts) + within
    return row, owner, array.scenes[row]
