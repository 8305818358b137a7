"""How many sub-genres: a stated criterion over a range, shown as a curve."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import adjusted_rand_score, silhouette_score

from cinegrain.discovery.clustering import Clusterer
from cinegrain.discovery.settings import DiscoverSettings
from cinegrain.errors import DataError
from cinegrain.types import Float64

_SILHOUETTE_SAMPLE = 5000
_CURVE_SEEDS = 3


@dataclass(frozen=True)
class KPoint:
    """One k: mean cosine silhouette (-1..1) and mean ARI between seeds (stability, at most 1)."""

    k: int
    silhouette: float
    stability: float


@dataclass(frozen=True)
class KChoice:
    """The number chosen, why, and the curve it was chosen on."""

    k: int
    criterion: str
    curve: tuple[KPoint, ...]


def choose_k(
    points: Float64,
    n_genres: int,
    settings: DiscoverSettings,
    *,
    cluster: Clusterer,
    seed: int,
    on_step: Callable[[int, int, str], None] | None = None,
) -> KChoice:
    """The k with the best silhouette, or the one asked for; the curve is there either way.

    Args:
        points: Unit rows, shape (n, d).
        n_genres: Sets the default range.
        settings: Range and effort.
        cluster: Finds the groups.
        seed: Of the clusterer and of the silhouette's sample.
        on_step: Called with (done, total, a line to show).

    Raises:
        DataError: If there are fewer than three trailers, or k exceeds their number.
    """
    n = len(points)
    if n < 3:
        raise DataError(f"Sub-genres need at least 3 trailers with embeddings; there are {n}.")
    if settings.k > n:
        raise DataError(f"discover.k is {settings.k}, but there are only {n} trailers.")
    highest = settings.k_max or min(4 * max(n_genres, 2), n // 3)
    highest = max(min(highest, n - 1), settings.k_min if settings.k_min < n else 2)
    tried = _spread(min(settings.k_min, highest), highest)
    curve = []
    for done, k in enumerate(tried, start=1):
        curve.append(_measure(points, k, cluster, seed))
        if on_step:
            on_step(done, len(tried), f"k = {k}, silhouette {curve[-1].silhouette:.3f}")
    if settings.k:
        return KChoice(settings.k, "asked for", tuple(curve))
    best = max(curve, key=lambda point: point.silhouette)
    return KChoice(best.k, "best mean cosine silhouette", tuple(curve))


def _spread(low: int, high: int, most: int = 30) -> list[int]:
    """All numbers of a range, or about `most` spread over it."""
    return sorted({round(k) for k in np.linspace(low, high, min(most, high - low + 1))})


def _measure(points: Float64, k: int, cluster: Clusterer, seed: int) -> KPoint:
    runs = [cluster(points, k, seed=seed + i).labels for i in range(_CURVE_SEEDS)]
    pairs = [adjusted_rand_score(a, b) for i, a in enumerate(runs) for b in runs[:i]]
    sample = _SILHOUETTE_SAMPLE if len(points) > _SILHOUETTE_SAMPLE else None
    silhouette = silhouette_score(points, runs[0], metric="cosine", sample_size=sample, random_state=seed)
    return KPoint(k, float(silhouette), float(np.mean(pairs)))
