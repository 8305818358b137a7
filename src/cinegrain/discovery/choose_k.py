"""Chooses the number of sub-genres by silhouette, stability and gap over a range."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import t
from sklearn.metrics import adjusted_rand_score, silhouette_score

from cinegrain.discovery.clustering import Clusterer, canonical_order
from cinegrain.discovery.null_films import NullFilms
from cinegrain.discovery.side_by_side import side_by_side
from cinegrain.errors import DataError
from cinegrain.settings import AUTO, DiscoverSettings, chosen
from cinegrain.types import Bool, Float64, Int64

COMES_BACK = 0.75
_MOST_FILMS = 1500  # for measuring the curve
_SEEDS, _REFERENCES = 3, 8
_FIRST_TRIED, _NEAR_TRIED = 14, 4


@dataclass(frozen=True)
class KPoint:
    """Figures for one number of sub-genres.

    Attributes:
        k: The number.
        silhouette: Mean cosine silhouette, -1..1.
        stability: Mean ARI between seeds, at most 1.
        gap: Log of the scatter around centres in films by chance, minus that of the real films.
        chance: 95th percentile of the gap over data sets by chance.
    """

    k: int
    silhouette: float
    stability: float
    gap: float
    chance: float

    @property
    def holds(self) -> bool:
        """Whether the clusters are stable, and beyond what genres and chance explain."""
        return self.stability >= COMES_BACK and self.gap > self.chance


@dataclass(frozen=True)
class KChoice:
    """The chosen number, the criterion, and the curve."""

    k: int
    criterion: str
    curve: tuple[KPoint, ...]


@dataclass(frozen=True, eq=False)
class _Sample:
    """The films that the curve is measured on, their genres (n, g), and films without groups; unit rows (n, d)."""

    points: Float64
    genres: Bool
    reduced: Float64
    chance: tuple[Float64, ...]


def choose_k(
    encoded: Float64,
    labels: Bool,
    settings: DiscoverSettings,
    *,
    cluster: Clusterer,
    seed: int,
    quick: Clusterer | None = None,
    on_step: Callable[[int, int, str], None] | None = None,
) -> KChoice:
    """Chooses the best silhouette among numbers that hold, or takes the given number; measures the curve in any case.

    A number holds if its clusters are stable (mean ARI between seeds at least 0.75) and its gap exceeds that of 95 of
    100 data sets with the same genres and no structure within them. If none holds, the best silhouette is chosen, and
    the criterion says so. About 14 numbers are tried first, then those between the best one and its neighbours.
    Sub-genres under genres are at least as many as genres, if there are enough films.

    Args:
        encoded: Trailer embeddings by expert, shape (n, e, d).
        labels: Genres, shape (n, g); their number determines the default range.
        settings: Range.
        cluster: Clusterer for silhouette and stability: the one that will be used.
        seed: Random seed.
        quick: Clusterer for the gap; the same one by default.
        on_step: Called with (done, total, text).

    Raises:
        DataError: If there are fewer than three trailers, or k exceeds their number.

    Source: Rousseeuw 1987 (silhouette); Tibshirani, Walther and Hastie 2001 (gap), with references from `NullFilms`.
    """
    n = len(encoded)
    if n < 3:
        raise DataError(f"Sub-genres need at least 3 films with embeddings; there are {n}.")
    if settings.n_clusters != AUTO and settings.n_clusters > n:
        raise DataError(f"discover.n_clusters is {settings.n_clusters}, but there are only {n} films.")
    highest = chosen(settings.max_clusters, min(4 * max(labels.shape[1], 2), n // 3))
    highest = max(min(highest, n - 1), 2)
    sample = _sample(encoded, labels, seed)
    highest = min(highest, len(sample.points) - 1)
    lowest = 2
    if settings.clusterer == "genres":  # fewer would be merged genres, which are stable but uninformative
        lowest = max(lowest, int(labels.any(axis=0).sum()))
    tried = _spread(min(lowest, highest), highest, _FIRST_TRIED)
    curve: dict[int, KPoint] = {}
    while tried:
        total = len(curve) + len(tried)
        for point in side_by_side([partial(_measure, sample, k, cluster, quick or cluster, seed) for k in tried]):
            curve[point.k] = point
            if on_step:
                on_step(len(curve), total, f"k = {point.k}, silhouette {point.silhouette:.3f}")
        tried = _between(curve)
    points = tuple(curve[k] for k in sorted(curve))
    if settings.n_clusters != AUTO:
        return KChoice(settings.n_clusters, "asked for", points)
    return best_number(points)


def best_number(curve: Sequence[KPoint]) -> KChoice:
    """Applies the rule of `choose_k` to a curve."""
    holding = [point for point in curve if point.holds]
    best = max(holding or curve, key=lambda point: point.silhouette)
    if holding:
        return KChoice(best.k, "best silhouette among numbers that are stable and beyond chance", tuple(curve))
    why = "best silhouette; no number is both stable and beyond chance"
    return KChoice(best.k, why, tuple(curve))


def _sample(encoded: Float64, labels: Bool, seed: int) -> _Sample:
    flat = encoded.reshape(len(encoded), -1)
    rows: Int64 = canonical_order(flat)
    rng = np.random.default_rng(seed)
    if len(rows) > _MOST_FILMS:
        rows = rows[np.sort(rng.choice(len(rows), _MOST_FILMS, replace=False))]
    null = NullFilms([encoded[rows, expert] for expert in range(encoded.shape[1])], labels[rows])
    return _Sample(
        _unit(flat[rows]),
        labels[rows],
        _unit(null.points),
        tuple(_unit(null.draw(rng)) for _ in range(_REFERENCES)),
    )


def _unit(rows: Float64) -> Float64:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _spread(low: int, high: int, most: int) -> list[int]:
    """All numbers of a range, or about `most` at equal ratios."""
    if high - low < most:
        return list(range(low, high + 1))
    return sorted({round(k) for k in np.geomspace(low, high, most)})


def _between(curve: dict[int, KPoint]) -> list[int]:
    """Untried numbers between the best one and its neighbours, at most four on either side."""
    tried = sorted(curve)
    at = tried.index(best_number([curve[k] for k in tried]).k)
    found = set()
    for low, high in ((tried[max(at - 1, 0)], tried[at]), (tried[at], tried[min(at + 1, len(tried) - 1)])):
        if high - low > 1:
            found |= set(_spread(low + 1, high - 1, _NEAR_TRIED))
    return sorted(found)


def _measure(sample: _Sample, k: int, cluster: Clusterer, quick: Clusterer, seed: int) -> KPoint:
    runs = [cluster(sample.points, k, seed=seed + i, genres=sample.genres).labels for i in range(_SEEDS)]
    pairs = [adjusted_rand_score(a, b) for i, a in enumerate(runs) for b in runs[:i]]
    several = 1 < runs[0].max() + 1 < len(sample.points)
    silhouette = silhouette_score(sample.points, runs[0], metric="cosine") if several else -1.0
    found = _log_scatter(sample.reduced, k, quick, seed)
    by_chance = np.array([_log_scatter(rows, k, quick, seed) for rows in sample.chance])
    spread = float(by_chance.std(ddof=1)) * np.sqrt(1 + 1 / len(by_chance))
    return KPoint(
        k,
        float(silhouette),
        float(np.mean(pairs)),
        float(by_chance.mean()) - found,
        float(t.ppf(0.95, len(by_chance) - 1) * spread),
    )


def _log_scatter(points: Float64, k: int, cluster: Clusterer, seed: int) -> float:
    """Log of the mean cosine distance of films to their centres."""
    return float(np.log(max(1 - cluster(points, k, seed=seed).objective, 1e-12)))
