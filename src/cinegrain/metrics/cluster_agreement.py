"""How well clusters agree with a known truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


@dataclass(frozen=True)
class ClusterScores:
    """Agreement of a clustering with the truth: `ari` (chance 0), `nmi`, `accuracy` (Hungarian), all at most 1."""

    n_clusters: int
    ari: float
    nmi: float
    accuracy: float


def cluster_scores(truth: Sequence[object], clusters: Sequence[int]) -> ClusterScores:
    """Scores two labellings of the same n items against each other."""
    return ClusterScores(
        n_clusters=len(set(clusters)),
        ari=float(adjusted_rand_score(truth, clusters)),
        nmi=float(normalized_mutual_info_score(truth, clusters)),
        accuracy=hungarian_accuracy(truth, clusters),
    )


def hungarian_accuracy(truth: Sequence[object], clusters: Sequence[int]) -> float:
    """Share of items that are right when each cluster is given at most one true class in the best way."""
    table = np.asarray(contingency_matrix(truth, clusters))
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / table.sum())
