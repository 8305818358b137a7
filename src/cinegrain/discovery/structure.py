"""Tests for finer structure inside genres, beyond what other genres and chance explain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy.stats import t

from cinegrain.discovery.null_films import NullFilms
from cinegrain.types import Bool, Float64, Int64

SURE = 0.01  # family-wise error rate over all genres
_MIN_FILMS, _ENOUGH_FILMS, _MOST_FILMS = 20, 50, 400
_NUMBERS = (2, 3, 4)
_AXES = 4  # number of principal axes; more would add noise
_STARTS, _ROUNDS = 4, 20
_REFERENCES = 60


@dataclass(frozen=True)
class GenreStructure:
    """Test of structure inside a genre.

    Attributes:
        genre: Its name, or that of another tested group.
        n_films: Number of films tested: those with the fewest other genres.
        n_genres: Maximum number of genres of these.
        k: Number of clusters with the most significant gap.
        gap: Log of the scatter around k centres in data without structure, minus that of the real films.
        chance: 95th percentile of the gap over data without structure.
        p: p-value over all numbers tried.
        finer: Whether there is finer structure, with Holm's correction over all genres; None with too few films.
    """

    genre: str
    n_films: int
    n_genres: int = 0
    k: int = 1
    gap: float = 0.0
    chance: float = 0.0
    p: float = 1.0
    finer: bool | None = None


Blocks: TypeAlias = Callable[[Int64], Sequence[Float64]]
"""Returns the rows of each expert for some films, shape (n, d_e), unit length or zero without a vector."""


def genre_structures(
    blocks: Blocks,
    labels: Bool,
    genres: Sequence[str],
    *,
    seed: int,
    on_step: Callable[[int, int, str], None] | None = None,
) -> tuple[GenreStructure, ...]:
    """Tests each genre for structure beyond its films' other genres and chance.

    Films with that genre alone are tested, since other genres blur it. If there are fewer than 50, films with a second
    genre are added, and so on.

    Args:
        blocks: Returns the experts' vectors of some of the n films.
        labels: Shape (n, g).
        genres: Names, length g.
        seed: Random seed.
        on_step: Called with (done, total, text).
    """
    groups = {genre: _purest(labels, j) for j, genre in enumerate(genres)}
    return structures_within(blocks, labels, groups, seed=seed, on_step=on_step)


def structures_within(
    blocks: Blocks,
    labels: Bool,
    groups: Mapping[str, Int64],
    *,
    seed: int,
    on_step: Callable[[int, int, str], None] | None = None,
) -> tuple[GenreStructure, ...]:
    """Tests groups of films, each against films by chance (`NullFilms`) with the same genres, with Holm's correction.

    Args:
        blocks: Returns the experts' vectors of some of the n films.
        labels: Shape (n, g).
        groups: Rows of each group by name.
        seed: Random seed.
        on_step: Called with (done, total, text).

    Source: Tibshirani, Walther and Hastie 2001, Estimating the Number of Clusters in a Data Set via the Gap
    Statistic, with references that hold the genres; Holm 1979 for many groups.
    """
    found = []
    for j, (name, rows) in enumerate(groups.items()):
        rng = np.random.default_rng([seed, j])
        if len(rows) > _MOST_FILMS:
            rows = np.sort(rng.choice(rows, _MOST_FILMS, replace=False))
        structure = GenreStructure(name, len(rows), int(labels[rows].sum(axis=1).max(initial=0)))
        if len(rows) >= _MIN_FILMS:
            structure = _tested(structure, NullFilms(blocks(rows), labels[rows]), rng, _REFERENCES)
        found.append(structure)
        if on_step:
            on_step(j + 1, len(groups), f"{name}: {len(rows)} films")
    return _corrected(found)


def said_of(structure: GenreStructure) -> str:
    """The result in a sentence."""
    if structure.finer is None:
        return f"Too few films to look for finer structure inside {structure.genre} ({structure.n_films})."
    if structure.finer:
        return f"Finer structure was found inside {structure.genre} (gap {structure.gap:.2f}, {_p_said(structure.p)})."
    if structure.gap <= structure.chance:
        beside = f"gap {structure.gap:.2f}, within the 95 % range of chance, {structure.chance:.2f}"
    else:
        beside = f"gap {structure.gap:.2f}, {_p_said(structure.p)}: not significant for so many genres"
    return f"No finer structure was found inside {structure.genre} ({beside})."


def said_of_all(structures: Sequence[GenreStructure]) -> str:
    """The result over all genres in a sentence."""
    tested = [structure for structure in structures if structure.finer is not None]
    finer = [structure.genre for structure in tested if structure.finer]
    if not tested:
        return f"No genre has the {_MIN_FILMS} films needed to test for finer structure."
    if len(tested) == 1:
        return said_of(tested[0])
    if not finer:
        return (
            f"No finer structure was found inside any of {len(tested)} genres: in these films, clusters within a genre "
            "only cut through it."
        )
    return f"Finer structure was found inside {len(finer)} of {len(tested)} genres: {', '.join(finer)}."


def _p_said(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def _purest(labels: Bool, genre: int) -> Int64:
    """Films of a genre with the fewest other genres, as many as needed."""
    counts = labels.sum(axis=1)
    for most in range(1, labels.shape[1] + 1):
        rows = np.flatnonzero(labels[:, genre] & (counts <= most))
        if len(rows) >= _ENOUGH_FILMS:
            break
    return rows.astype(np.int64)


def _tested(structure: GenreStructure, null: NullFilms, rng: np.random.Generator, n: int) -> GenreStructure:
    numbers = [k for k in _NUMBERS if k <= len(null.points) // 5]
    sets = [null.points, *(null.draw(rng) for _ in range(n))]
    frames = np.stack([_first_axes(null.remainder_of(points)) for points in sets])  # (1 + b, n, a)
    scatter = np.stack([_log_scatter(frames, k, rng) for k in numbers], axis=1)  # (1 + b, k)
    found, chance = scatter[0], scatter[1:]
    middle, deviation = chance.mean(axis=0), np.maximum(chance.std(axis=0, ddof=1), 1e-9)
    gaps = middle - found
    best = int((gaps / deviation).argmax())
    by_chance = ((middle - chance) / deviation).max(axis=1)  # the best over all k, as above
    z = (float((gaps / deviation)[best]) - by_chance.mean()) / (by_chance.std(ddof=1) * np.sqrt(1 + 1 / n))
    return replace(
        structure,
        k=numbers[best],
        gap=float(gaps[best]),
        chance=float(np.quantile(middle[best] - chance[:, best], 0.95)),
        p=float(t.sf(z, n - 1)),  # Student's t, since mean and deviation are estimates
    )


def _first_axes(rows: Float64) -> Float64:
    """Rows (n, m) in their first principal axes, (n, a), in an order that depends only on their content."""
    centred = rows - rows.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_AXES]
    seen = centred @ axes
    return np.asarray(seen[np.lexsort(seen.T)])


def _log_scatter(sets: Float64, k: int, rng: np.random.Generator) -> Float64:
    """Log of the fraction of scatter around k centres by k-means, best of some starts, for all sets at once.

    Args:
        sets: Shape (b, n, a).
        k: Number of centres.
        rng: Random starts, the same for all sets.
    """
    best = np.full(len(sets), np.inf)
    for _ in range(_STARTS):
        centres = sets[:, rng.choice(sets.shape[1], k, replace=False)]  # (b, k, a)
        for _ in range(_ROUNDS):
            near = _squares(sets, centres)
            mine = near.argmin(axis=2)[:, :, None] == np.arange(k)  # (b, n, k)
            sizes = mine.sum(axis=1)[:, :, None]
            centres = np.where(sizes > 0, np.einsum("bnk,bna->bka", mine, sets) / np.maximum(sizes, 1), centres)
        best = np.minimum(best, _squares(sets, centres).min(axis=2).sum(axis=1))
    whole = ((sets - sets.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
    return np.asarray(np.log(np.maximum(best, 1e-12) / np.maximum(whole, 1e-12)))


def _squares(sets: Float64, centres: Float64) -> Float64:
    """Squared distances of rows (b, n, a) to centres (b, k, a), shape (b, n, k)."""
    rows = (sets**2).sum(axis=2)[:, :, None]
    return np.asarray(rows - 2 * sets @ centres.transpose(0, 2, 1) + (centres**2).sum(axis=2)[:, None])


def _corrected(found: Sequence[GenreStructure]) -> tuple[GenreStructure, ...]:
    """Holm: compares the smallest p with SURE / m, the next with SURE / (m - 1), until one fails."""
    tested = sorted((i for i, s in enumerate(found) if s.k > 1), key=lambda i: found[i].p)
    result, still = list(found), True
    for rank, i in enumerate(tested):
        still = still and found[i].p <= SURE / (len(tested) - rank)
        result[i] = replace(found[i], finer=still)
    return tuple(result)
