"""Stability of clusters over other seeds and subsamples."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from cinegrain.discovery.clustering import Clusterer, Clustering, fitted_temperature
from cinegrain.discovery.side_by_side import side_by_side
from cinegrain.types import Bool, Float64, Int64

_SHARE = 0.8  # fraction of the films in a subsample
_MOST_FILMS = 10_000
_MIN_HELD_OUT = 20


@dataclass(frozen=True, eq=False)
class Repeats:
    """Repeated searches.

    Attributes:
        rows: Films of the repeats, shape (m,); all, or a sample of very many.
        seeds: Labels with other seeds, each of shape (m,).
        subsamples: Labels by searches on subsamples, each of shape (m,).
        seen: Films of each subsample, each of shape (m,).
    """

    rows: Int64
    seeds: tuple[Int64, ...]
    subsamples: tuple[Int64, ...]
    seen: tuple[Bool, ...]


@dataclass(frozen=True, eq=False)
class Stability:
    """Stability of clusters, 0 to 1.

    Attributes:
        seeds: Mean Jaccard overlap of each cluster with the most similar one of other seeds, shape (k,).
        subsamples: The same over searches on 80 % of the films, shape (k,).
        ari_seeds: Mean adjusted Rand index of the whole clustering with those of other seeds.
        ari_subsamples: The same over the subsamples.
    """

    seeds: Float64
    subsamples: Float64
    ari_seeds: float
    ari_subsamples: float


def repeat_search(
    points: Float64,
    k: int,
    cluster: Clusterer,
    *,
    seed: int,
    n_seeds: int,
    n_subsamples: int,
    genres: Bool | None = None,
    on_step: Callable[[int, int, str], None] | None = None,
) -> Repeats:
    """Repeats a search with other seeds, and on random 80 % of the films.

    Args:
        points: Unit rows, shape (n, d).
        k: Number of clusters.
        cluster: Clusterer.
        seed: Seed of the original search; the others are drawn from it.
        n_seeds: Number of other seeds.
        n_subsamples: Number of subsamples.
        genres: Known genres of the films, shape (n, g).
        on_step: Called with (done, total, text).
    """
    told = on_step or (lambda *_: None)
    total = n_seeds + n_subsamples
    chance = np.random.default_rng(seed)
    n = len(points)
    rows = np.arange(n) if n <= _MOST_FILMS else np.sort(chance.choice(n, _MOST_FILMS, replace=False))
    chosen, known = points[rows], None if genres is None else genres[rows]
    all_films = np.ones(len(rows), dtype=bool)
    seen = [all_films] * n_seeds
    for _ in range(n_subsamples):
        inside = np.zeros(len(rows), dtype=bool)
        inside[chance.choice(len(rows), max(round(_SHARE * len(rows)), k), replace=False)] = True
        seen.append(inside)

    def labels_by(films: Bool, own_seed: int) -> Int64:
        found = cluster(chosen[films], k, seed=own_seed, genres=None if known is None else known[films])
        labels = found.assign(chosen)
        labels[films] = found.labels  # with their genres in mind, where those are known
        return labels

    told(0, total, "searching again")
    labels = []
    for found in side_by_side([partial(labels_by, films, seed + 1 + i) for i, films in enumerate(seen)]):
        labels.append(found)
        told(len(labels), total, f"{len(labels)} repeats")
    return Repeats(rows, tuple(labels[:n_seeds]), tuple(labels[n_seeds:]), tuple(seen[n_seeds:]))


def stability(labels: Int64, repeats: Repeats) -> Stability:
    """Stability of the clusters of n films over repeats.

    Source: Hennig 2007, Cluster-wise Assessment of Cluster Stability, with subsets in place of bootstrap samples.
    """
    k = int(labels.max()) + 1
    mine = labels[repeats.rows]
    by_seed = [(mine, other) for other in repeats.seeds]
    by_sample = [(mine[inside], other[inside]) for other, inside in zip(repeats.subsamples, repeats.seen, strict=True)]
    return Stability(_mean_overlap(by_seed, k), _mean_overlap(by_sample, k), _mean_ari(by_seed), _mean_ari(by_sample))


def with_calibrated_membership(clustering: Clustering, points: Float64, repeats: Repeats) -> Clustering:
    """The same clusters with memberships calibrated to how often a film joins each cluster when it is left out.

    The temperature is fitted on films outside of subsamples, and the clusters, matched one to one, that they join
    there.
    """
    scores, labels = [], []
    mine = clustering.labels[repeats.rows]
    for other, inside in zip(repeats.subsamples, repeats.seen, strict=True):
        table = _contingency(mine[inside], other[inside], len(clustering), int(other.max()) + 1)
        to_mine = np.full(table.shape[1], -1)
        matched, found = linear_sum_assignment(-table)
        to_mine[found] = matched
        label = to_mine[other]
        told = ~inside & (label >= 0)
        scores.append(clustering.scores(points[repeats.rows[told]]))
        labels.append(label[told])
    if sum(map(len, labels)) < _MIN_HELD_OUT or len(clustering) < 2:
        return clustering
    return clustering.tempered(fitted_temperature(np.concatenate(scores), np.concatenate(labels)))


def _contingency(a: Int64, b: Int64, k_a: int, k_b: int) -> Float64:
    table = np.zeros((k_a, k_b))
    np.add.at(table, (a, b), 1)
    return table


def _mean_ari(pairs: list[tuple[Int64, Int64]]) -> float:
    return float(np.mean([adjusted_rand_score(mine, other) for mine, other in pairs] or [1.0]))


def _mean_overlap(pairs: list[tuple[Int64, Int64]], k: int) -> Float64:
    """Mean over pairs of each cluster's best Jaccard overlap, shape (k,); a cluster with no film there is left out."""
    found = []
    for mine, other in pairs:
        both = _contingency(mine, other, k, int(other.max()) + 1)
        either = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
        best = (both / np.maximum(either, 1)).max(axis=1)
        found.append(np.where(both.sum(axis=1) > 0, best, np.nan))
    if not found:
        return np.ones(k)
    values = np.stack(found)
    counted = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    return np.asarray(np.nansum(values, axis=0) / counted)
