"""Agreement of clusters with known classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


@dataclass(frozen=True)
class ClusterScores:
    """Adjusted Rand index (chance: 0), normalised mutual information and Hungarian accuracy, all at most 1."""

    n_clusters: int
    ari: float
    nmi: float
    accuracy: float


def cluster_scores(truth: Sequence[object], clusters: Sequence[int]) -> ClusterScores:
    """Compare two labellings of the same n items."""
    return ClusterScores(
        n_clusters=len(set(clusters)),
        ari=float(adjusted_rand_score(truth, clusters)),
        nmi=float(normalized_mutual_info_score(truth, clusters)),
        accuracy=hungarian_accuracy(truth, clusters),
    )


def hungarian_accuracy(truth: Sequence[object], clusters: Sequence[int]) -> float:
    """Accuracy under the best one-to-one assignment of clusters to classes."""
    table = np.asarray(contingency_matrix(truth, clusters))
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / table.sum())
