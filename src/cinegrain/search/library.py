"""A run opened for search: its films, each expert's mean vectors, and the genres as one more space."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.atlas.film_names import FilmNames
from cinegrain.atlas.new_films import Arrival, read_new_films
from cinegrain.config import Settings, load_settings
from cinegrain.errors import StoreError
from cinegrain.experts.registry import expert_names
from cinegrain.media.remote import source
from cinegrain.pipeline.learning.pooled import StoredScenes, mapped_arrays
from cinegrain.pipeline.learning.train import seen_films
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Watcher
from cinegrain.search.criteria import GENRES
from cinegrain.search.spaces import ExpertSpace
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.arrays import TrailerArrays
from cinegrain.types import Float32, Source, Trailer


@dataclass(frozen=True, eq=False)
class Library:
    """Films of a run that can be searched.

    Attributes:
        run: The run.
        settings: Its settings.
        dataset: Its dataset.
        films: Films of the catalogue, then those added with `cinegrain assign`.
        names: Finds a film by id or title.
        spaces: By expert, the mean scene vector of each film; under GENRES the catalogue's genres, or for added films
            the predicted probabilities.
        modality: Modality of each expert; GENRES of the genres.
    """

    run: Run
    settings: Settings
    dataset: EmbeddingDataset
    films: tuple[Trailer, ...]
    names: FilmNames
    spaces: Mapping[str, ExpertSpace]
    modality: Mapping[str, str]

    @property
    def number(self) -> Mapping[str, int]:
        """Index of each film by trailer_id."""
        return self.names.rows

    @property
    def experts(self) -> list[str]:
        """Names of the experts."""
        return [name for name in self.spaces if name != GENRES]

    def find(self, name: str) -> int | Source:
        """Index of a film by id or title; otherwise the file or URL.

        Raises:
            NotFoundError: If it is neither, or several films have that title.
        """
        return self.names.row_or_file(name)


def open_library(run: Run, watcher: Watcher) -> Library:
    """Opens a run; the mean vectors are computed once and kept in `RUN/pooled`.

    Raises:
        StoreError: If the run has no films, or its folder cannot be written.
        DataError: If no film could be embedded.
    """
    settings, dataset = load_settings(run.settings), EmbeddingDataset(run.dataset)
    wanted = expert_names(settings.extract.experts)
    stored = [expert for expert in dataset.experts if expert.name in wanted]
    names = [expert.name for expert in stored]
    films, _, key = seen_films(dataset, load_matched(run.catalog).trailers, names)
    ids = [film.trailer_id for film in films]
    try:
        with watcher.stage("Reading the films' vectors"):
            arrays = mapped_arrays(run, ids, names, key=key)
            spaces = {name: ExpertSpace.measure(a.vectors, a.counts > 0) for name, a in arrays.experts.items()}
            spaces[GENRES] = genre_space(films)
    except OSError as error:
        raise StoreError(f"{run.folder}/pooled cannot be written: {error}. Search needs some space there.") from error
    later, answers = _later(run, dataset, names, set(ids))
    if later:
        means = TrailerArrays(StoredScenes(dataset, names, later)).pooled().experts
        likely = _probabilities(answers, _genres(films))
        further = {name: (means[name].vectors, means[name].counts > 0) for name in names}
        further[GENRES] = likely, np.ones(len(later), bool)
        spaces = {name: spaces[name].extended(*own) for name, own in further.items()}
    films = (*films, *later)
    found = FilmNames([film.trailer_id for film in films], [film.title for film in films])
    modality = {**{expert.name: expert.modality for expert in stored}, GENRES: GENRES}
    return Library(run, settings, dataset, films, found, spaces, modality)


def genre_space(films: Sequence[Trailer]) -> ExpertSpace:
    """Each film's genres as zeros and ones; films without genres have no vector."""
    place = {genre: i for i, genre in enumerate(_genres(films))}
    known = [film.genres for film in films if film.genres]
    vectors = np.zeros((len(known), len(place)), np.float32)
    for row, genres in zip(vectors, known, strict=True):
        row[[place[genre] for genre in genres]] = 1
    return ExpertSpace.measure(vectors, np.array([bool(film.genres) for film in films]))


def _genres(films: Sequence[Trailer]) -> list[str]:
    return sorted({genre for film in films for genre in film.genres})


def _probabilities(answers: Sequence[Arrival], genres: Sequence[str]) -> Float32:
    """Predicted probabilities, shape (n, g); 0 for genres that were not learned."""
    known = [{genre.name: genre.probability for genre in answer.predicted} for answer in answers]
    return np.array([[one.get(genre, 0.0) for genre in genres] for one in known], np.float32).reshape(-1, len(genres))


def _later(
    run: Run, dataset: EmbeddingDataset, experts: Sequence[str], known: Collection[str]
) -> tuple[list[Trailer], list[Arrival]]:
    """Films added after discovery that all experts have embedded, and their rows."""
    rows = [row for row in read_new_films(run).rows if row.trailer_id not in known]
    seen = set(dataset.seen_by(experts)["trailer_id"].to_pylist()) if rows else set()
    rows = [row for row in rows if row.trailer_id in seen]
    return [Trailer(row.trailer_id, source(row.path), row.title) for row in rows], rows
