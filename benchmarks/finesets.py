"""Items with several fine labels, each known only within a parent genre: how near are films of one sub-genre?"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from cinegrain.types import Bool, Float64, Int64

_FEWEST = 5  # films of a label
_RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class FineSets:
    """Fine labels of n films.

    Attributes:
        labels: Shape (n, q); a film without a known label has none.
        among: Films that a label is told apart in: those of its parent genre whose labels are known, shape (n, q).
    """

    labels: Bool
    among: Bool

    def within(self, films: Int64) -> "FineSets":
        """The same among some of the films; labels that are left with two films, and two others, or more."""
        inside = np.isin(np.arange(len(self.labels)), films)[:, None]
        labels, among = self.labels & inside, self.among & inside
        keep = (labels.sum(axis=0) >= 2) & ((among & ~labels).sum(axis=0) >= 2)
        return FineSets(labels[:, keep], among[:, keep])


def read_sets(folder: Path, genres: tuple[str, ...], coarse: Bool) -> FineSets:
    """The sub-genres of MMTF trailers whose parent is one of the genres, with at least five films in it."""
    with (folder / "items.csv").open(encoding="utf-8", newline="") as file:
        ids = [row["itemId"] for row in csv.DictReader(file)]
    with (folder / "subgenres.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["itemId"]: row for row in csv.DictReader(file)}
    vocabulary = json.loads((folder / "subgenre_vocab.json").read_text(encoding="utf-8"))
    known = np.array([i in rows and rows[i]["matched"] == "1" for i in ids])
    labels, among = [], []
    for name, about in vocabulary.items():
        if about["parent"] not in genres:
            continue
        inside = known & coarse[:, genres.index(about["parent"])]
        label = inside & np.array([i in rows and rows[i][name] == "1" for i in ids])
        if _FEWEST <= label.sum() <= inside.sum() - _FEWEST:
            labels.append(label)
            among.append(inside)
    return FineSets(np.stack(labels, axis=1), np.stack(among, axis=1))


def auc_by_film(points: Float64, sets: FineSets) -> Float64:
    """For each film and each of its labels: are films of that label nearer than the others of the parent genre?

    Args:
        points: Unit rows, shape (n, d).
        sets: Of these films.

    Returns:
        Area under the ROC curve of the cosine, 0.5 by chance, shape (n, q); NaN where the film has not the label.
    """
    found = np.full(sets.labels.shape, np.nan)
    for j in range(sets.labels.shape[1]):
        inside = np.flatnonzero(sets.among[:, j])
        near = points[inside] @ points[inside].T
        label = sets.labels[inside, j]
        for i in np.flatnonzero(label):
            others = np.delete(np.arange(len(inside)), i)
            same = label[others]
            ranks = rankdata(near[i, others])
            wins = ranks[same].sum() - same.sum() * (same.sum() + 1) / 2
            found[inside[i], j] = wins / (same.sum() * (~same).sum())
    return found


def mean_auc(values: Float64) -> float:
    """Mean over labels of the mean over their films, from (n, q)."""
    return float(np.nanmean(values, axis=0).mean())


def gain_interval(values: Float64, baseline: Float64, *, seed: int = 0) -> tuple[float, float, float]:
    """Gain in `mean_auc` over a baseline and its 95 % bootstrap interval over the films that ask; both (n, q)."""
    gains = np.nan_to_num(values - baseline)
    there = ~np.isnan(values)
    n = len(gains)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), _RESAMPLES)  # (b, n)
    counts = weights @ there
    drawn = np.where(counts > 0, weights @ gains / np.maximum(counts, 1), np.nan)
    low, high = np.percentile(np.nanmean(drawn, axis=1), [2.5, 97.5])
    return mean_auc(values) - mean_auc(baseline), float(low), float(high)
