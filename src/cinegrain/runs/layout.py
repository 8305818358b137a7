"""Where everything lies in a run folder."""

from dataclasses import dataclass
from pathlib import Path

from cinegrain.errors import ConfigError
from cinegrain.runs.artifacts import open_run, read_json, write_json
from cinegrain.types import Source, Url

SETTINGS_FILE = "settings.toml"
EXPORT_FILE = "model.json"
"""Marks the folder of an exported model, as run.json marks that of a run."""
_POINTER = "dataset-place.json"


@dataclass(frozen=True)
class Run:
    """A run folder of this version."""

    folder: Path

    @classmethod
    def open(cls, folder: Path, *, create: bool = False) -> "Run":
        """Checks the folder, or makes it.

        Raises:
            StoreError: If it is no run, or one of another version, or cannot be written.
        """
        return cls(open_run(folder, create=create))

    @property
    def catalog(self) -> Path:
        """The films of this run, as matched with their files."""
        return self.folder / "catalog.json"

    @property
    def dataset(self) -> Source:
        """The embedding dataset: a folder here, or where `place_dataset` put it."""
        pointer = self.folder / _POINTER
        return Url(read_json(pointer)["dataset"]) if pointer.is_file() else self.folder / "dataset"

    def place_dataset(self, url: Url) -> None:
        """Keeps this run's dataset on an object store from its first film on.

        Raises:
            ConfigError: If the run has a dataset elsewhere.
        """
        if self.dataset == url:
            return
        if (self.folder / _POINTER).is_file() or (self.folder / "dataset").exists():
            raise ConfigError(
                f"The dataset of this run is at {self.dataset}, not at {url}. Choose another --out for it."
            )
        write_json(self.folder / _POINTER, {"dataset": url})

    @property
    def settings(self) -> Path:
        """The resolved settings."""
        return self.folder / SETTINGS_FILE

    @property
    def failures(self) -> Path:
        """Films that could not be read, and why."""
        return self.folder / "failures.csv"

    @property
    def coarse(self) -> Path:
        """The coarse genre model."""
        return self.folder / "models" / "coarse"

    @property
    def finetuned(self) -> Path:
        """The fine-tuned model."""
        return self.folder / "models" / "finetuned"

    @property
    def metrics(self) -> Path:
        """All figures."""
        return self.folder / "metrics.json"

    @property
    def atlas(self) -> Path:
        """The sub-genres."""
        return self.folder / "atlas.json"

    @property
    def ids(self) -> Path:
        """Every sub-genre that was ever found, so that ids stay."""
        return self.folder / "ids.json"

    @property
    def edits(self) -> Path:
        """The log of people's edits."""
        return self.folder / "edits.jsonl"

    @property
    def new_films(self) -> Path:
        """Films that were put into the atlas after discovery."""
        return self.folder / "arrivals.safetensors"

    @property
    def embeddings(self) -> Path:
        """Their centres and every trailer's gated vectors."""
        return self.folder / "embeddings.safetensors"

    @property
    def trailers(self) -> Path:
        """What is known of each trailer: genres, influence, sub-genre, place on the map."""
        return self.folder / "trailers.json"

    @property
    def table(self) -> Path:
        """The same as a table to take away."""
        return self.folder / "subgenres.csv"

    @property
    def recovery(self) -> Path:
        """How well planted sub-genres were recovered, where some were planted."""
        return self.folder / "recovery.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.folder / "report.html"
