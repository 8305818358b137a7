"""Files never seen, looked at and listened to as a run's own films were."""

from collections.abc import Sequence
from pathlib import Path

from cinegrain.config import Settings
from cinegrain.errors import ConfigError
from cinegrain.experts.base import Network
from cinegrain.experts.registry import load_networks
from cinegrain.media.cuts import CutFinder
from cinegrain.pipeline.embed import EmbeddedTrailer, embed_trailer, load_cut_finder
from cinegrain.pipeline.layout import Run
from cinegrain.places import cache_folder
from cinegrain.store.reader import EmbeddingDataset


class NewFilms:
    """Embeds one file after the other; networks are loaded for the first."""

    def __init__(self, run: Run, settings: Settings, experts: Sequence[str]) -> None:
        self._run, self._settings, self._experts = run, settings, tuple(experts)
        self._networks: list[Network] = []
        self._cut_finder: CutFinder | None = None

    def embed(self, path: Path, trailer_id: str = "") -> EmbeddedTrailer:
        """Looks at a file and listens to it.

        Args:
            path: The file.
            trailer_id: Key of the result; its path if not given.

        Raises:
            MediaError: If it cannot be read.
            ConfigError: If the run was made from vectors computed elsewhere.
        """
        if not self._networks:
            self._check_films_can_be_read()
            runtime = self._settings.extract.runtime(threads=self._settings.extract.n_workers)
            self._networks = load_networks(self._experts, cache_folder(), runtime)
            self._cut_finder = load_cut_finder(self._settings.media, cache_folder(), runtime)
        media, finder = self._settings.media, self._cut_finder
        return embed_trailer(trailer_id or str(path), path, self._networks, self._experts, media, cut_finder=finder)

    def _check_films_can_be_read(self) -> None:
        cards = EmbeddingDataset(self._run.dataset).cards
        if any(card["name"] in self._experts and card["needs"] == "vectors" for card in cards):
            raise ConfigError(
                "This run was made from vectors computed elsewhere, so nothing here can make them from a video. Ask "
                "about the run's own films with `cinegrain explain`; for new films make a run from videos, or one "
                "with the new films' vectors beside the old ones."
            )
