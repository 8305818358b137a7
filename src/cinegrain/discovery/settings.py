"""Settings of discovery. No heavy imports: the command line reads them for its help."""

from dataclasses import dataclass, field

from cinegrain.errors import ConfigError

CLUSTERERS = ("genres", "kmeans", "gaussian", "agglomerative", "hdbscan", "prototypes")


@dataclass(frozen=True)
class DiscoverSettings:
    """How sub-genres are found."""

    clusterer: str = field(
        default="genres",
        metadata={
            "help": "What finds sub-genres: " + ", ".join(CLUSTERERS) + "; `genres` finds some under each genre."
        },
    )
    k: int = field(default=0, metadata={"help": "Number of sub-genres; 0 chooses it by silhouette."})
    k_min: int = field(default=2, metadata={"help": "Fewest sub-genres to consider."})
    k_max: int = field(
        default=0, metadata={"help": "Most to consider; 0 is four a genre, at most a third of the films."}
    )
    restarts: int = field(default=10, metadata={"help": "Runs of k-means from new starts; the best is kept."})
    text_columns: str = field(
        default="plot,synopsis,overview,description,summary,tagline,keywords,tags",
        metadata={"help": "Catalogue columns whose words may name sub-genres, joined by commas."},
    )
    nuisance_columns: str = field(
        default="studio,studios,distributor,production_company,production_companies,company,network,country,language",
        metadata={
            "help": "Catalogue columns that should not make a sub-genre, joined by commas; tested beside year, length, "
            "aspect, brightness and loudness."
        },
    )
    stability_seeds: int = field(
        default=10, metadata={"help": "Repeats with other seeds that each sub-genre's stability is measured over."}
    )
    stability_subsamples: int = field(
        default=10, metadata={"help": "The same on random 80 % of the films, which also calibrate soft membership."}
    )

    def __post_init__(self) -> None:
        if self.clusterer not in CLUSTERERS:
            raise ConfigError(f"discover.clusterer must be one of {', '.join(CLUSTERERS)}; found {self.clusterer!r}.")
        if min(self.k, self.k_max) < 0 or self.k_min < 2 or self.restarts < 1:
            raise ConfigError("discover.k and .k_max must be at least 0, .k_min 2 and .restarts 1.")
        if min(self.stability_seeds, self.stability_subsamples) < 1:
            raise ConfigError("discover.stability_seeds and .stability_subsamples must be at least 1.")


@dataclass(frozen=True)
class AssignSettings:
    """How new films are put into an atlas."""

    nowhere: float = field(
        default=0.99,
        metadata={"help": "A film fits nowhere if it is farther out than this share of a sub-genre's own films."},
    )
    loose: float = field(
        default=0.75,
        metadata={"help": "Films farther out than this share fit loosely: new sub-genres are looked for among them."},
    )
    min_films: int = field(default=8, metadata={"help": "Fewest new films that make a new sub-genre."})

    def __post_init__(self) -> None:
        if not 0 <= self.loose <= self.nowhere <= 1 or self.min_films < 2:
            raise ConfigError(
                "assign.loose and assign.nowhere must be shares, the first no larger than the second, and "
                f"assign.min_films at least 2; found {self.loose}, {self.nowhere} and {self.min_films}."
            )
