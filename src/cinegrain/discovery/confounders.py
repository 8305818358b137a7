"""Tests whether loudness, brightness, length, year or studio explain a sub-genre."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import mannwhitneyu

from cinegrain.types import Bool, Float64, Int64

EXPLAINS, SURE = 0.85, 0.01
_FEWEST = 5  # minimum number of films with a known value, inside and outside
_FOLDS = 5

Values = Float64 | Sequence[str]
"""Values of n films: numbers (NaN if unknown) or words ("" if unknown)."""


@dataclass(frozen=True)
class Confounder:
    """How well a variable separates a sub-genre from the rest of its genre.

    Attributes:
        name: Name of the variable.
        auc: Probability that a film of the sub-genre scores above one of the rest; 0.5 is no separation.
        higher: Whether its films have higher values; None for words.
        p: p-value (Mann-Whitney), with Holm's correction over all sub-genres and variables.
        value: For words, the most over-represented one; otherwise "".
        explains: Whether the variable alone may explain the sub-genre: `auc` at least 0.85, `p` at most 0.01.
    """

    name: str
    auc: float
    higher: bool | None
    p: float
    value: str = ""
    explains: bool = False


def measure_confounders(
    groups: Sequence[Bool], backgrounds: Sequence[Bool], variables: Mapping[str, Values], *, seed: int
) -> list[tuple[Confounder, ...]]:
    """Tests every variable on every group against its background; best separation first.

    Words are scored by the frequency of members among other films with the same word, by five-fold cross-validation, so
    that many rare words do not separate.

    Args:
        groups: Members of each sub-genre, shape (n,) each.
        backgrounds: Films to compare each with, such as the rest of its main genre, shape (n,) each.
        variables: Variables by name.
        seed: Random seed of the folds.

    Source: Mann and Whitney 1947; Holm 1979.
    """
    found: list[list[Confounder]] = []
    for inside, background in zip(groups, backgrounds, strict=True):
        outside = background & ~inside
        one = [_test(name, values, inside, outside, seed) for name, values in variables.items()]
        found.append([confounder for confounder in one if confounder is not None])
    every = sorted((n.p, g, i) for g, group in enumerate(found) for i, n in enumerate(group))
    worst = 0.0
    for rank, (p, g, i) in enumerate(every):
        worst = max(worst, min(p * (len(every) - rank), 1.0))
        explains = found[g][i].auc >= EXPLAINS and worst <= SURE
        found[g][i] = replace(found[g][i], p=worst, explains=explains)
    return [tuple(sorted(group, key=lambda n: (-n.auc, n.name))) for group in found]


def _test(name: str, values: Values, inside: Bool, outside: Bool, seed: int) -> Confounder | None:
    if isinstance(values, np.ndarray):
        known = ~np.isnan(values)
        scores = values
    else:
        known = np.array([bool(value) for value in values])
        scores = _word_scores(values, inside, (inside | outside) & known, seed)
    a, b = scores[inside & known], scores[outside & known]
    if min(len(a), len(b)) < _FEWEST or len(set(np.concatenate([a, b]).tolist())) < 2:
        return None
    if isinstance(values, np.ndarray):
        test = mannwhitneyu(a, b)
        auc = float(test.statistic) / (len(a) * len(b))
        return Confounder(name, max(auc, 1 - auc), auc > 0.5, float(test.pvalue))
    test = mannwhitneyu(a, b, alternative="greater")
    auc = float(test.statistic) / (len(a) * len(b))
    return Confounder(name, auc, None, float(test.pvalue), _most_in_excess(values, inside & known, outside & known))


def _word_scores(words: Sequence[str], inside: Bool, rows: Bool, seed: int) -> Float64:
    """Fraction of members among films with the same word in other folds; the overall fraction for unknown words."""
    scores = np.full(len(words), np.nan)
    at: Int64 = np.flatnonzero(rows)
    part = np.random.default_rng(seed).permutation(len(at)) % _FOLDS
    for fold in range(_FOLDS):
        others = at[part != fold]
        overall = float(inside[others].mean()) if len(others) else 0.0
        total, members = Counter(words[i] for i in others), Counter(words[i] for i in others[inside[others]])
        for i in at[part == fold]:
            scores[i] = (members[words[i]] + overall) / (total[words[i]] + 1)
    return scores


def _most_in_excess(words: Sequence[str], inside: Bool, outside: Bool) -> str:
    counts_in = Counter(words[i] for i in np.flatnonzero(inside).tolist())
    counts_out = Counter(words[i] for i in np.flatnonzero(outside).tolist())
    n_in, n_out = sum(counts_in.values()), sum(counts_out.values())
    return max(sorted(counts_in), key=lambda word: counts_in[word] / n_in - counts_out[word] / n_out)
