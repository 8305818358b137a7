"""Which clusterers there are."""

from cinegrain.discovery.agglomerative import agglomerative
from cinegrain.discovery.clustering import Clusterer
from cinegrain.discovery.density import density
from cinegrain.discovery.gaussian import gaussian_clusterer
from cinegrain.discovery.genres import under_genres
from cinegrain.discovery.kmeans import kmeans_clusterer
from cinegrain.discovery.prototypes import prototype_clusterer
from cinegrain.discovery.settings import DiscoverSettings
from cinegrain.errors import ConfigError
from cinegrain.types import Float64


def make_clusterer(settings: DiscoverSettings, prototypes: Float64 | None = None) -> Clusterer:
    """The clusterer that the settings name.

    Args:
        settings: `clusterer` and `restarts` count here.
        prototypes: Centres that training placed, unit rows, shape (p, d); only for `prototypes`.

    Raises:
        ConfigError: If prototypes are asked for and there are none.
    """
    if settings.clusterer == "genres":
        return under_genres
    if settings.clusterer == "gaussian":
        return gaussian_clusterer(settings.restarts)
    if settings.clusterer == "agglomerative":
        return agglomerative
    if settings.clusterer == "hdbscan":
        return density
    if settings.clusterer == "prototypes":
        if prototypes is None:
            raise ConfigError(
                "discover.clusterer is prototypes, but fine-tuning has trained none. Choose another clusterer, or a "
                "way of fine-tuning that trains prototypes."
            )
        return prototype_clusterer(prototypes)
    return kmeans_clusterer(settings.restarts)
