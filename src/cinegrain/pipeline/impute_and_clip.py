"""Makes vectors that somebody else computed fit for training, with what the training films alone tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.errors import DataError
from cinegrain.types import Float32, Float64

MAX_PLAIN = 1e4
TAIL, TAIL_FILMS = 0.005, 2  # share of training values outside the quantiles, and at least how many on each side
_SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class ImputeAndClip:
    """What is done to one expert's values, column by column.

    Attributes:
        middle: Stands in for missing values, shape (d,).
        low: Values below are raised to it.
        high: Values above are lowered to it.
        centre: Subtracted afterwards; all 0 if the columns keep their units.
        spread: Divides afterwards; all 1 if the columns keep their units.
        standard_units: Whether the columns are in standard units.
    """

    middle: Float64
    low: Float64
    high: Float64
    centre: Float64
    spread: Float64
    standard_units: bool

    def __call__(self, vectors: Float32) -> Float32:
        """The vectors imputed and clipped, shape (r, d); finite, and within what the dataset can hold."""
        values = np.where(np.isnan(vectors), self.middle, vectors.astype(np.float64))
        return ((np.clip(values, self.low, self.high) - self.centre) / self.spread).astype(np.float32)


def fit_impute_and_clip(training: Float32, name: str) -> ImputeAndClip:
    """Learns medians, bounds and, where the numbers are too large or too small to keep, units.

    The bounds are the outer quantiles of the training values, each moved out by the distance between them, so that
    ordinary values pass untouched and only wild ones are held back.

    Args:
        training: The training films' vectors, shape (r, d).
        name: Of the expert, for the error.

    Raises:
        DataError: If a column has no value in any training film.
    """
    values = np.where(np.isfinite(training), training, np.nan).astype(np.float64)
    bare = np.flatnonzero(np.isnan(values).all(axis=0))
    if len(bare) or not len(values):
        raise DataError(
            f"{name}: columns {columns(bare) or 'all'} have no value in any training film, so nothing can stand in for "
            "the missing ones. Take these columns out of the file."
        )
    middle = np.nanmedian(values, axis=0)
    tail = min(0.25, max(TAIL, TAIL_FILMS / len(values)))  # of few films one wild value must not set the bounds
    low, high = np.nanquantile(values, tail, axis=0), np.nanquantile(values, 1 - tail, axis=0)
    width = high - low
    low, high = low - width, high + width
    tame = np.clip(np.where(np.isnan(values), middle, values), low, high)
    spread = tame.std(axis=0)
    standard = bool(np.abs(tame).max() > MAX_PLAIN or (spread[spread > 0] < _SMALLEST_SPREAD).any())
    ones, zeros = np.ones(len(middle)), np.zeros(len(middle))
    if not standard:
        return ImputeAndClip(middle, low, high, zeros, ones, standard)
    return ImputeAndClip(middle, low, high, tame.mean(axis=0), np.where(spread > 0, spread, 1.0), standard)


@dataclass
class Tally:
    """What imputing and clipping an expert's vectors changed, counted as films go by."""

    missing: int = 0
    clipped: int = 0
    columns: frozenset[int] = frozenset()

    def count(self, vectors: Float32, fitted: ImputeAndClip) -> None:
        """Counts the values of some rows that this changes."""
        missing = np.isnan(vectors)
        with np.errstate(invalid="ignore"):
            clipped = (vectors < fitted.low) | (vectors > fitted.high)
        self.missing += int(missing.sum())
        self.clipped += int(clipped.sum())
        self.columns |= frozenset(np.flatnonzero(missing.any(axis=0)).tolist())

    def sentence(self, name: str, fitted: ImputeAndClip) -> str | None:
        """What was done, for the notes; None if nothing was."""
        done = []
        if self.missing:
            shown = columns(sorted(self.columns))
            done.append(f"{self.missing} missing values (columns {shown}) became the training films' medians")
        if self.clipped:
            done.append(f"{self.clipped} wild values were held at the training films' outer quantiles")
        if fitted.standard_units:
            done.append("its columns were brought to the training films' mean 0 and deviation 1")
        return f"{name}: {'; '.join(done)}" if done else None


def refuse_unfit(vectors: Mapping[str, Float32], where: str) -> None:
    """For those who want no value changed: refuses what training or the dataset cannot take as it is.

    Raises:
        DataError: Naming expert and columns.
    """
    for name, values in vectors.items():
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero((~np.isfinite(values) | (np.abs(values) > np.finfo(np.float16).max)).any(axis=0))
        if len(bad):
            raise DataError(
                f"{where}: {name} has missing or too large values in columns {columns(bad)}. Correct it, or leave "
                "out --as-given: then they are replaced and held back with what the training films tell."
            )


def columns(numbers: Sequence[int] | np.ndarray) -> str:
    """Column numbers in short: `3, 104-106`."""
    runs: list[list[int]] = []
    for number in map(int, numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in runs[:8]]
    return ", ".join(shown) + (" ..." if len(runs) > 8 else "")
