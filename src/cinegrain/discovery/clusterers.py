"""Clusterers by name."""

from cinegrain.discovery.clustering import Clusterer
from cinegrain.discovery.genres import under_genres
from cinegrain.discovery.kmeans import RESTARTS, kmeans_clusterer


def make_clusterer(name: str, restarts: int = RESTARTS) -> Clusterer:
    """The clusterer of a name; `restarts` counts for k-means."""
    return under_genres if name == "genres" else kmeans_clusterer(restarts)
