"""Stratified split of films into training, validation and test sets."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

from cinegrain.errors import DataError
from cinegrain.settings import SplitSettings
from cinegrain.types import Bool, Int64

MIN_TITLES = 5


@dataclass(frozen=True, eq=False)
class Split:
    """Sorted row numbers of the films in each set."""

    train: Int64
    val: Int64
    test: Int64


def split_by_title(titles: Sequence[str], labels: Bool, settings: SplitSettings, *, seed: int) -> Split:
    """Split films, stratified by genre; films of one title stay together.

    Args:
        titles: Length n; compared without case and punctuation.
        labels: Genres, shape (n, g).
        settings: Fractions of validation and test films.
        seed: Random seed.

    Raises:
        DataError: If there are too few titles.

    Source: Sechidis et al. 2011, On the Stratification of Multi-Label Data (iterative stratification).
    """
    check_titles(titles)
    group_of = np.unique([_normal(title) for title in titles], return_inverse=True)[1]
    n_groups = int(group_of.max()) + 1
    group_labels = np.zeros((n_groups, labels.shape[1]), dtype=bool)
    np.logical_or.at(group_labels, group_of, labels)
    everything = np.arange(n_groups)
    rest, test = _hold_out(everything, group_labels, settings.test_fraction, seed)
    train, val = _hold_out(rest, group_labels, settings.val_fraction / (1 - settings.test_fraction), seed + 1)
    parts = (np.flatnonzero(np.isin(group_of, part)).astype(np.int64) for part in (train, val, test))
    return Split(*parts)


def check_titles(titles: Sequence[str]) -> None:
    """Check that there are enough titles to split.

    Raises:
        DataError: If fewer than `MIN_TITLES` titles are distinct.
    """
    n_titles = len({_normal(title) for title in titles})
    if n_titles < MIN_TITLES:
        raise DataError(
            f"Training needs at least {MIN_TITLES} different titles with genres; there are {n_titles}. Add films."
        )


def _hold_out(groups: Int64, labels: Bool, fraction: float, seed: int) -> tuple[Int64, Int64]:
    size = min(max(1, round(fraction * len(groups))), len(groups) - 1)
    # The last column balances films without genres.
    strata = np.column_stack([labels[groups], ~labels[groups].any(axis=1)]).astype(int)
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=size / len(groups), random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, held_out = next(splitter.split(np.zeros((len(groups), 1)), strata))
    # With very few films the stratification misses its sizes; the surplus goes back to training.
    rng = np.random.default_rng(seed)
    order = rng.permutation(held_out) if len(held_out) else rng.permutation(len(groups))
    held_out = order[:size]
    return np.delete(groups, held_out), groups[np.sort(held_out)]


def _normal(title: str) -> str:
    return re.sub(r"[\W_]+", " ", title.casefold()).strip() or title
