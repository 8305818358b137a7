"""Which clusterers there are."""

from cinegrain.discovery.clustering import Clusterer
from cinegrain.discovery.genres import under_genres
from cinegrain.discovery.kmeans import kmeans_clusterer
from cinegrain.discovery.settings import DiscoverSettings


def make_clusterer(settings: DiscoverSettings) -> Clusterer:
    """The clusterer that the settings name; `clusterer` and `restarts` count here."""
    return under_genres if settings.clusterer == "genres" else kmeans_clusterer(settings.restarts)
