"""Files never seen, looked at and listened to as a run's own films were."""

from collections.abc import Sequence
from pathlib import Path

from cinegrain.config import Settings
from cinegrain.errors import ConfigError
from cinegrain.experts.registry import load_networks
from cinegrain.pipeline.extraction.embed import EmbeddedTrailer, Embedder, Job, load_cut_finder
from cinegrain.pipeline.layout import Run
from cinegrain.places import cache_folder
from cinegrain.store.reader import EmbeddingDataset


class NewFilms:
    """Embeds one file after the other; networks are loaded for the first."""

    def __init__(self, run: Run, settings: Settings, experts: Sequence[str]) -> None:
        self._run, self._settings, self._experts = run, settings, tuple(experts)
        self._embedder: Embedder | None = None

    def embed(self, path: Path, trailer_id: str = "") -> EmbeddedTrailer:
        """Looks at a file and listens to it.

        Args:
            path: The file.
            trailer_id: Key of the result; its path if not given.

        Raises:
            MediaError: If it cannot be read.
            ConfigError: If the run was made from vectors computed elsewhere.
        """
        if self._embedder is None:
            self._check_films_can_be_read()
            media, extract = self._settings.media, self._settings.extract
            runtime = extract.runtime(threads=extract.n_workers)
            networks = load_networks(self._experts, cache_folder(), runtime)
            finder = load_cut_finder(media, cache_folder(), runtime)
            self._embedder = Embedder(networks, self._experts, media, finder)
        return self._embedder.one(Job(trailer_id or str(path), path))

    def _check_films_can_be_read(self) -> None:
        cards = EmbeddingDataset(self._run.dataset).cards
        if any(card["name"] in self._experts and card["needs"] == "vectors" for card in cards):
            raise ConfigError(
                "This run was made from vectors computed elsewhere, so nothing here can make them from a video. Ask "
                "about the run's own films with `cinegrain explain`; for new films make a run from videos, or one "
                "with the new films' vectors beside the old ones."
            )
