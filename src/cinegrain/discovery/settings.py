"""Settings of discovery. No heavy imports: the command line reads them for its help."""

from dataclasses import dataclass, field

from cinegrain.auto import AUTO, Auto, check_least
from cinegrain.errors import ConfigError

CLUSTERERS = ("genres", "kmeans")


@dataclass(frozen=True)
class DiscoverSettings:
    """How sub-genres are found."""

    clusterer: str = field(
        default="genres",
        metadata={
            "help": "What finds sub-genres: " + ", ".join(CLUSTERERS) + "; `genres` finds some under each genre."
        },
    )
    k: int | Auto = field(default=AUTO, metadata={"help": "Number of sub-genres; auto: chosen by silhouette."})
    k_min: int = field(default=2, metadata={"help": "Fewest sub-genres to consider."})
    k_max: int | Auto = field(
        default=AUTO, metadata={"help": "Most to consider; auto: four a genre, at most a third of the films."}
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
        check_least("discover", self, k=1, k_min=2, k_max=1, restarts=1, stability_seeds=1, stability_subsamples=1)


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
