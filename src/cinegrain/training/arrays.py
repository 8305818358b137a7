"""Scene vectors of all trailers, in memory or mapped from disk, and padded batches from them."""

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

_BLOCK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class ExpertArray:
    """One expert's vectors, trailers one after the other.

    Attributes:
        vectors: Shape (r, d_e), any float type; may be mapped from disk.
        scenes: Scene index of each row, shape (r,).
        offsets: Rows of trailer i are offsets[i]:offsets[i + 1]; shape (n + 1,).
    """

    vectors: np.ndarray
    scenes: Int64
    offsets: Int64

    @property
    def counts(self) -> Int64:
        """Vectors of each trailer, shape (n,)."""
        return np.diff(self.offsets)

    @cached_property
    def tensor(self) -> Tensor:
        """The vectors as a tensor on the same memory, only to be read; it gathers rows on all threads."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the memory must not be written
            return torch.from_numpy(self.vectors)


@dataclass(frozen=True, eq=False)
class TrailerArrays:
    """Vectors of n trailers by expert name.

    Attributes:
        experts: All scenes; may be a mapping that reads an expert's only when it is asked for.
        means_from: Gives the same trailers with one vector each, the mean over scenes, if there is a better way than
            computing it from `experts`.
    """

    experts: Mapping[str, ExpertArray]
    means_from: Callable[[], "TrailerArrays"] | None = None

    @property
    def dimensions(self) -> dict[str, int]:
        """Vector length by expert."""
        return {name: array.vectors.shape[1] for name, array in self.pooled().experts.items()}

    def only(self, names: Sequence[str]) -> "TrailerArrays":
        """The same trailers as some experts see them."""
        means = self.pooled().experts
        chosen = TrailerArrays({name: means[name] for name in names})
        return TrailerArrays(_Some(self.experts, tuple(names)), lambda: chosen)

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
            padded[owner, scene] = array.vectors[row]  # converted here, in one go and only where there is something
            mask[owner, scene] = True
            vectors[name], masks[name] = torch.from_numpy(padded), torch.from_numpy(mask)
        return SceneBatch(vectors, masks)

    def pooled(self) -> "TrailerArrays":
        """The same trailers with one scene each: the mean of their scenes. Computed once.

        A network gives the same for both, and a batch of these is some thirty times smaller.
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
        """Scene means of the given trailers, gathered without padding.

        Args:
            trailers: Row numbers, shape (n,).

        Returns:
            By expert shape (n, d_e), float32, some other trailer's where there is none; and which there are, shape
            (n, e), columns in the order of the experts.
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
        """Mean vector of each trailer (or of the given ones) for one expert, shape (n, d_e); NaN where it has none."""
        array = self.pooled().experts[name]
        chosen = np.arange(len(array.counts)) if trailers is None else trailers
        there = array.counts[chosen] > 0
        result = np.full((len(chosen), array.vectors.shape[1]), np.nan, dtype=np.float32)
        result[there] = array.vectors[array.offsets[chosen[there]]]
        return result

    def statistics(self, trailers: Int64) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean and standard deviation of trailer means by expert, each (d_e,), over the given trailers."""
        return {name: _moments(array, trailers) for name, array in self.pooled().experts.items()}


@dataclass(frozen=True)
class _Some(Mapping[str, ExpertArray]):
    """Some entries of a mapping, in another order; none is looked up before it is asked for."""

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
    """Scene means; trailers without any vector stay without."""
    counts = array.counts
    there = np.flatnonzero(counts)
    result = np.empty((len(there), array.vectors.shape[1]), dtype=np.float32)
    limits = np.append(array.offsets[there], array.offsets[-1])  # rows of the k-th of them are limits[k]:limits[k + 1]
    first = 0
    while first < len(there):
        last = max(first + 1, int(np.searchsorted(limits, limits[first] + _BLOCK_ROWS, side="right")) - 1)
        rows = array.vectors[limits[first] : limits[last]].astype(np.float64)
        starts = limits[first : last + 1] - limits[first]
        sums = sparse.csr_array((np.ones(len(rows)), np.arange(len(rows)), starts), shape=(last - first, len(rows)))
        result[first:last] = (sums @ rows) / np.diff(starts)[:, None]
        first = last
    offsets = np.concatenate([[0], np.cumsum(counts > 0)])
    return ExpertArray(result, np.zeros(len(there), dtype=np.int64), offsets)


def _moments(array: ExpertArray, trailers: Int64) -> tuple[Tensor, Tensor]:
    """Mean and deviation over trailers with one vector each, block by block; (0, 1) where none of them has any."""
    starts = array.offsets[trailers]
    rows = starts[array.offsets[trailers + 1] > starts]
    mean = np.zeros(array.vectors.shape[1])
    square = np.zeros_like(mean)
    for block in _blocks(array.vectors, rows):
        mean += block.sum(axis=0) / len(rows)
    for block in _blocks(array.vectors, rows):
        square += ((block - mean) ** 2).sum(axis=0) / len(rows)
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(_deviation(square))


def _blocks(vectors: np.ndarray, rows: Int64) -> Iterator[Float64]:
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield vectors[rows[start : start + _BLOCK_ROWS]].astype(np.float64)


def _deviation(square: Float64) -> Float32:
    """Standard deviation from the variance; 1 where a value never changes, so that it is not blown up later."""
    deviation = np.sqrt(square)
    return np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)


def _rows(array: ExpertArray, trailers: Int64) -> tuple[Int64, Int64, Int64]:
    """Row numbers, position of their trailer in the batch, and their scene, each of shape (r,)."""
    starts = array.offsets[trailers]
    counts = array.offsets[trailers + 1] - starts
    owner = np.repeat(np.arange(len(trailers)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = np.repeat(starts, counts) + within
    return row, owner, array.scenes[row]
