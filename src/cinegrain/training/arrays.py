"""Scene vectors of all trailers, in memory or memory-mapped, and padded batches of them."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from cinegrain.models.batch import SceneBatch
from cinegrain.types import Float32, Float64, Int64

BLOCK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class ExpertArray:
    """An expert's vectors of all trailers, concatenated.

    Attributes:
        vectors: Shape (r, d_e), any float type; may be memory-mapped.
        scenes: Scene index of each row, shape (r,).
        offsets: Shape (n + 1,); trailer i has the rows offsets[i]:offsets[i + 1].
    """

    vectors: np.ndarray
    scenes: Int64
    offsets: Int64

    @property
    def counts(self) -> Int64:
        """Number of vectors of each trailer, shape (n,)."""
        return np.diff(self.offsets)

    @cached_property
    def tensor(self) -> Tensor:
        """Read-only tensor that shares memory with the vectors; it gathers rows on all threads."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the memory is not writable
            return torch.from_numpy(self.vectors)


@dataclass(frozen=True, eq=False)
class TrailerArrays:
    """Vectors of n trailers by expert name.

    Attributes:
        experts: All scenes; may be a lazy mapping.
        means_from: Returns the scene means, if there is a faster way than computing them from `experts`.
    """

    experts: Mapping[str, ExpertArray]
    means_from: Callable[[], "TrailerArrays"] | None = None

    @property
    def dimensions(self) -> dict[str, int]:
        """Vector length by expert."""
        return {name: array.vectors.shape[1] for name, array in self.pooled().experts.items()}

    def only(self, names: Sequence[str]) -> "TrailerArrays":
        """Select experts."""
        means = self.pooled().experts
        selected = TrailerArrays({name: means[name] for name in names})
        return TrailerArrays(_Selection(self.experts, tuple(names)), lambda: selected)

    def batch(self, trailers: Int64) -> SceneBatch:
        """Padded batch of the given trailers (row numbers, shape (n,)); the scene axis is indexed by scene."""
        rows = {name: _rows(array, trailers) for name, array in self.experts.items()}
        longest = max((int(scene.max(initial=-1)) for _, _, scene in rows.values()), default=-1) + 1
        vectors: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for name, (row, owner, scene) in rows.items():
            array = self.experts[name]
            padded = np.zeros((len(trailers), max(1, longest), array.vectors.shape[1]), dtype=np.float32)
            mask = np.zeros(padded.shape[:2], dtype=bool)
            padded[owner, scene] = array.vectors[row]  # converts to float32
            mask[owner, scene] = True
            vectors[name], masks[name] = torch.from_numpy(padded), torch.from_numpy(mask)
        return SceneBatch(vectors, masks)

    def pooled(self) -> "TrailerArrays":
        """Scene means of all trailers, cached.

        The genre model's output is the same for both, and a batch of means is about thirty times smaller.
        """
        return self._pooled

    @cached_property
    def _pooled(self) -> "TrailerArrays":
        if self.means_from is not None:
            return self.means_from()
        if all(array.counts.max(initial=0) <= 1 for array in self.experts.values()):
            return self
        return TrailerArrays({name: _pool(array) for name, array in self.experts.items()})

    def mean_batch(self, trailers: Int64) -> tuple[dict[str, Tensor], Tensor]:
        """Scene means of the given trailers.

        Args:
            trailers: Row numbers, shape (n,).

        Returns:
            Means by expert, shape (n, d_e), float32, arbitrary where absent; and the mask, shape (n, e), columns in the
            order of the experts.
        """
        means, present = {}, []
        for name, array in self.pooled().experts.items():
            starts = array.offsets[trailers]
            present.append(array.offsets[trailers + 1] > starts)
            if not len(array.vectors):
                means[name] = torch.zeros(len(trailers), array.vectors.shape[1])
                continue
            rows = np.minimum(starts, len(array.vectors) - 1)
            means[name] = array.tensor.index_select(0, torch.from_numpy(rows)).float()
        return means, torch.from_numpy(np.stack(present, axis=1))

    def means(self, name: str, trailers: Int64 | None = None) -> Float32:
        """An expert's scene mean of each trailer, or of the given ones, shape (n, d_e); NaN where absent."""
        array = self.pooled().experts[name]
        rows = np.arange(len(array.counts)) if trailers is None else trailers
        present = array.counts[rows] > 0
        result = np.full((len(rows), array.vectors.shape[1]), np.nan, dtype=np.float32)
        result[present] = array.vectors[array.offsets[rows[present]]]
        return result

    def statistics(self, trailers: Int64) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean and standard deviation of the given trailers' scene means by expert, each (d_e,)."""
        return {name: _moments(array, trailers) for name, array in self.pooled().experts.items()}


@dataclass(frozen=True)
class _Selection(Mapping[str, ExpertArray]):
    """Lazy selection of a mapping's entries, in the given order."""

    whole: Mapping[str, ExpertArray]
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> ExpertArray:
        if name not in self.names:
            raise KeyError(name)
        return self.whole[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _pool(array: ExpertArray) -> ExpertArray:
    """Scene means, block by block; trailers without vectors have none."""
    counts = array.counts
    present = np.flatnonzero(counts)
    result = np.empty((len(present), array.vectors.shape[1]), dtype=np.float32)
    limits = np.append(array.offsets[present], array.offsets[-1])  # the i-th of them has rows limits[i]:limits[i + 1]
    first = 0
    while first < len(present):
        last = max(first + 1, int(np.searchsorted(limits, limits[first] + BLOCK_ROWS, side="right")) - 1)
        rows = array.vectors[limits[first] : limits[last]].astype(np.float64)
        starts = limits[first : last + 1] - limits[first]
        sums = sparse.csr_array((np.ones(len(rows)), np.arange(len(rows)), starts), shape=(last - first, len(rows)))
        result[first:last] = (sums @ rows) / np.diff(starts)[:, None]
        first = last
    offsets = np.concatenate([[0], np.cumsum(counts > 0)])
    return ExpertArray(result, np.zeros(len(present), dtype=np.int64), offsets)


def _moments(array: ExpertArray, trailers: Int64) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of scene means, block by block; (0, 1) if no trailer has any."""
    starts = array.offsets[trailers]
    rows = starts[array.offsets[trailers + 1] > starts]
    mean = np.zeros(array.vectors.shape[1])
    variance = np.zeros_like(mean)
    for block in _blocks(array.vectors, rows):
        mean += block.sum(axis=0) / len(rows)
    for block in _blocks(array.vectors, rows):
        variance += ((block - mean) ** 2).sum(axis=0) / len(rows)
    deviation = np.sqrt(variance)
    deviation = np.where(deviation > 1e-6, deviation, 1.0)  # constant values are not scaled up
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(deviation.astype(np.float32))


def _blocks(vectors: np.ndarray, rows: Int64) -> Iterator[Float64]:
    for start in range(0, len(rows), BLOCK_ROWS):
        yield vectors[rows[start : start + BLOCK_ROWS]].astype(np.float64)


def _rows(array: ExpertArray, trailers: Int64) -> tuple[Int64, Int64, Int64]:
    """Row numbers, their trailer's position in the batch, and their scene, each of shape (r,)."""
    starts = array.offsets[trailers]
    counts = array.offsets[trailers + 1] - starts
    owner = np.repeat(np.arange(len(trailers)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = np.repeat(starts, counts) + within
    return row, owner, array.scenes[row]
