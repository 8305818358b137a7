"""Paths in a run folder."""

from dataclasses import dataclass
from pathlib import Path

from cinegrain.errors import ConfigError
from cinegrain.runs.artifacts import open_run, read_json, write_json
from cinegrain.types import Source, Url

SETTINGS_FILE = "settings.toml"
EXPORT_FILE = "model.json"
"""Marks the folder of an exported model, like run.json that of a run."""
_POINTER = "dataset-place.json"


@dataclass(frozen=True)
class Run:
    """A run folder of this version."""

    folder: Path

    @classmethod
    def open(cls, folder: Path, *, create: bool = False) -> "Run":
        """Opens the folder, or creates it.

        Raises:
            StoreError: If it is not a run, is of another version, or cannot be written.
        """
        return cls(open_run(folder, create=create))

    @property
    def catalog(self) -> Path:
        """Films matched with their files."""
        return self.folder / "catalog.json"

    @property
    def dataset(self) -> Source:
        """The embedding dataset: a folder of the run, or the URL set by `place_dataset`."""
        pointer = self.folder / _POINTER
        return Url(read_json(pointer)["dataset"]) if pointer.is_file() else self.folder / "dataset"

    def place_dataset(self, url: Url) -> None:
        """Stores the dataset of a new run on an object store.

        Raises:
            ConfigError: If the run already has a dataset elsewhere.
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
        """Metrics."""
        return self.folder / "metrics.json"

    @property
    def atlas(self) -> Path:
        """The sub-genres."""
        return self.folder / "atlas.json"

    @property
    def ids(self) -> Path:
        """Every sub-genre ever found, so that ids stay the same."""
        return self.folder / "ids.json"

    @property
    def edits(self) -> Path:
        """The log of people's edits."""
        return self.folder / "edits.jsonl"

    @property
    def new_films(self) -> Path:
        """Films added to the atlas after discovery."""
        return self.folder / "arrivals.safetensors"

    @property
    def embeddings(self) -> Path:
        """Centres of the sub-genres and trailer embeddings."""
        return self.folder / "embeddings.safetensors"

    @property
    def trailers(self) -> Path:
        """One row per trailer: genres, influence, sub-genre, position on the map."""
        return self.folder / "trailers.json"

    @property
    def table(self) -> Path:
        """The same as CSV."""
        return self.folder / "subgenres.csv"

    @property
    def recovery(self) -> Path:
        """Recovery of planted sub-genres, in the demo."""
        return self.folder / "recovery.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.folder / "report.html"
