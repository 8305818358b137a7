"""Settings of discovery. No heavy imports: the command line reads them for its help."""

from dataclasses import dataclass, field

from cinegrain.errors import ConfigError


@dataclass(frozen=True)
class DiscoverSettings:
    """How sub-genres are found."""

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
    stability_seeds: int = field(default=5, metadata={"help": "Seeds whose clusters are compared for stability."})

    def __post_init__(self) -> None:
        if min(self.k, self.k_max) < 0 or self.k_min < 2 or self.restarts < 1 or self.stability_seeds < 2:
            raise ConfigError("discover.k and .k_max must be at least 0, .k_min 2, .restarts 1 and .stability_seeds 2.")
