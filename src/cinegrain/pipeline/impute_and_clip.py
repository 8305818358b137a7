"""Imputes and clips imported vectors, with statistics of the training films alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.errors import DataError
from cinegrain.types import Float32, Float64

MAX_PLAIN = 1e4
TAIL, TAIL_FILMS = 0.005, 2  # fraction of training values outside the quantiles, and their minimum number on each side
_SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class ImputeAndClip:
    """Fitted transformation of one expert's values, by column.

    Attributes:
        middle: Replaces missing values, shape (d,).
        low: Lower bound.
        high: Upper bound.
        centre: Subtracted afterwards; 0 if the columns are not standardised.
        spread: Divides afterwards; 1 if the columns are not standardised.
        standard_units: Whether the columns are standardised.
    """

    middle: Float64
    low: Float64
    high: Float64
    centre: Float64
    spread: Float64
    standard_units: bool

    def __call__(self, vectors: Float32) -> Float32:
        """Imputed and clipped vectors, shape (r, d); finite and within the range of float16."""
        values = np.where(np.isnan(vectors), self.middle, vectors.astype(np.float64))
        return ((np.clip(values, self.low, self.high) - self.centre) / self.spread).astype(np.float32)


def fit_impute_and_clip(training: Float32, name: str) -> ImputeAndClip:
    """Fits medians, bounds and, if numbers are too large or small for float16, standardisation.

    The bounds are the outer quantiles of the training values, each moved outwards by the distance between them, so that
    only extreme values are clipped.

    Args:
        training: Vectors of the training films, shape (r, d).
        name: Name of the expert, for errors.

    Raises:
        DataError: If a column has no value in any training film.
    """
    values = np.where(np.isfinite(training), training, np.nan).astype(np.float64)
    bare = np.flatnonzero(np.isnan(values).all(axis=0))
    if len(bare) or not len(values):
        raise DataError(
            f"{name}: columns {columns(bare) or 'all'} have no value in any training film, so missing values cannot be "
            "imputed. Remove these columns from the file."
        )
    middle = np.nanmedian(values, axis=0)
    tail = min(
        0.25, max(TAIL, TAIL_FILMS / len(values))
    )  # with few films, one extreme value must not determine the bounds
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
    """Counts the values of an expert that imputing and clipping changed."""

    missing: int = 0
    clipped: int = 0
    columns: frozenset[int] = frozenset()

    def count(self, vectors: Float32, fitted: ImputeAndClip) -> None:
        """Counts the changed values of some rows."""
        missing = np.isnan(vectors)
        with np.errstate(invalid="ignore"):
            clipped = (vectors < fitted.low) | (vectors > fitted.high)
        self.missing += int(missing.sum())
        self.clipped += int(clipped.sum())
        self.columns |= frozenset(np.flatnonzero(missing.any(axis=0)).tolist())

    def sentence(self, name: str, fitted: ImputeAndClip) -> str | None:
        """A note about the changes, or None."""
        done = []
        if self.missing:
            shown = columns(sorted(self.columns))
            done.append(
                f"{self.missing} missing values (columns {shown}) were replaced by medians of the training films"
            )
        if self.clipped:
            done.append(f"{self.clipped} extreme values were clipped")
        if fitted.standard_units:
            done.append("its columns were standardised with the training films' means and standard deviations")
        return f"{name}: {'; '.join(done)}" if done else None


def refuse_unfit(vectors: Mapping[str, Float32], where: str) -> None:
    """Raises if an expert has values that would have to be changed.

    Raises:
        DataError: With expert and columns.
    """
    for name, values in vectors.items():
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero((~np.isfinite(values) | (np.abs(values) > np.finfo(np.float16).max)).any(axis=0))
        if len(bad):
            raise DataError(
                f"{where}: {name} has missing or too large values in columns {columns(bad)}. Correct them, or "
                "leave out --as-given to have them imputed and clipped."
            )


def columns(numbers: Sequence[int] | np.ndarray) -> str:
    """Column numbers as ranges: `3, 104-106`."""
    runs: list[list[int]] = []
    for number in map(int, numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in runs[:8]]
    return ", ".join(shown) + (" ..." if len(runs) > 8 else "")
