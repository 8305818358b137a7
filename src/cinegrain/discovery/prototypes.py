"""Prototypes: centres that training has placed already."""

from cinegrain.discovery.agglomerative import merged
from cinegrain.discovery.clustering import Clusterer, Clustering, around, check_k
from cinegrain.errors import DataError
from cinegrain.types import Bool, Float64


def prototype_clusterer(prototypes: Float64) -> Clusterer:
    """Clusters around given centres; for a smaller k the most alike of them are merged.

    Args:
        prototypes: Unit rows, shape (p, d). Those that no film is nearest to give no cluster.
    """

    def cluster(points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:  # noqa: ARG001
        check_k(k, len(points))
        if k > len(prototypes):
            raise DataError(f"There are {len(prototypes)} prototypes, so at most so many sub-genres; asked for {k}.")
        taken = around(points, prototypes)
        if len(taken) <= k:
            return taken
        sizes = (taken.labels[:, None] == range(len(taken))).sum(axis=0)
        return around(points, merged(taken.centroids, sizes, k))

    return cluster
