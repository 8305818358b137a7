"""Splits films by title, seeded, with every genre shared out evenly."""

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
    """Row numbers of the films in each part, sorted."""

    train: Int64
    val: Int64
    test: Int64


def split_by_title(titles: Sequence[str], labels: Bool, settings: SplitSettings, *, seed: int) -> Split:
    """Three parts; trailers of one title never part company.

    Args:
        titles: One a film; compared without case and punctuation.
        labels: Genres, shape (n, g).
        settings: Shares.
        seed: Same seed, same split.

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
    rest, test = _cut(everything, group_labels, settings.test_fraction, seed)
    train, val = _cut(rest, group_labels, settings.val_fraction / (1 - settings.test_fraction), seed + 1)
    parts = (np.flatnonzero(np.isin(group_of, part)).astype(np.int64) for part in (train, val, test))
    return Split(*parts)


def check_titles(titles: Sequence[str]) -> None:
    """Refuses titles that are too few to split.

    Raises:
        DataError: If there are fewer than `MIN_TITLES` different ones.
    """
    n_titles = len({_normal(title) for title in titles})
    if n_titles < MIN_TITLES:
        raise DataError(
            f"Training needs at least {MIN_TITLES} different titles with genres; there are {n_titles}. Add films."
        )


def _cut(groups: Int64, labels: Bool, share: float, seed: int) -> tuple[Int64, Int64]:
    size = min(max(1, round(share * len(groups))), len(groups) - 1)
    # A rest column keeps films without any of the genres balanced as well.
    wanted = np.column_stack([labels[groups], ~labels[groups].any(axis=1)]).astype(int)
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=size / len(groups), random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, held = next(splitter.split(np.zeros((len(groups), 1)), wanted))
    # With very few films the stratification misses its sizes; training then needs what is too much.
    chance = np.random.default_rng(seed)
    order = chance.permutation(held) if len(held) else chance.permutation(len(groups))
    held = order[:size]
    return np.delete(groups, held), groups[np.sort(held)]


def _normal(title: str) -> str:
    return re.sub(r"[\W_]+", " ", title.casefold()).strip() or title
