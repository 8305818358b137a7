"""Experts' vectors of films, standardised."""

import numpy as np

from cinegrain.discovery.clustering import unit_rows
from cinegrain.training.arrays import TrailerArrays
from cinegrain.types import Float64, Int64

_MOST_FILMS = 5000


class ExpertBlocks:
    """Standardised mean scene vectors of each expert, unit length; zeros without a vector."""

    def __init__(self, arrays: TrailerArrays) -> None:
        """Estimates mean and standard deviation from at most 5,000 evenly spread films."""
        self._arrays = arrays
        n = len(next(iter(arrays.pooled().experts.values())).counts)
        rows = np.arange(0, n, -(-n // _MOST_FILMS), dtype=np.int64)
        self._scale = {
            name: (mean.numpy().astype(np.float64), deviation.numpy().astype(np.float64))
            for name, (mean, deviation) in arrays.statistics(rows).items()
        }

    def __call__(self, rows: Int64) -> list[Float64]:
        """Rows of some films by expert, each of shape (n, d_e)."""
        blocks = []
        for name, (mean, deviation) in self._scale.items():
            scaled = (self._arrays.means(name, rows).astype(np.float64) - mean) / deviation
            blocks.append(unit_rows(np.nan_to_num(scaled)[:, None]))
        return blocks
