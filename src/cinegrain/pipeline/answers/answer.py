"""Answers about films of a run and new films."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.config import Settings, load_settings
from cinegrain.discovery.clustering import unit_rows
from cinegrain.explain.familiarity import Familiarity
from cinegrain.explain.influence import expert_influence
from cinegrain.explain.neighbours import expert_contributions
from cinegrain.media.files import plain_text
from cinegrain.media.remote import source, source_name, source_text
from cinegrain.naming.trailer_words import best_words, word_strengths
from cinegrain.pipeline.answers.film_workers import film_workers, new_job
from cinegrain.pipeline.answers.similar import similar_films
from cinegrain.pipeline.learning.rows import N_WORDS, calibrated_influence
from cinegrain.pipeline.learning.sure import FAMILIARITY_FILE, make_prediction
from cinegrain.results import NearSubGenre, Neighbour, Prediction, SubGenreAnswer, by_modality, genre_answers
from cinegrain.runs.artifacts import key_of
from cinegrain.runs.layout import Run
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.calibrate import Calibration
from cinegrain.training.checkpoint import CoarseCard, FinetunedCard, load_model
from cinegrain.training.infer import encode_all, predict_genres
from cinegrain.types import Concept, Float64, Source


@dataclass(frozen=True, eq=False)
class ReadFilm:
    """One film encoded by a run's models.

    Attributes:
        name: Id or path.
        title: Title.
        arrays: Its vectors.
        encoded: Trailer embedding by expert, shape (e, d).
        row: Its row in the run; None for a new film.
        words: Concepts by modality.
        duration_s: Duration.
        n_scenes: Number of scenes.
        flags: Flags of the file.
    """

    name: str
    title: str
    arrays: TrailerArrays
    encoded: Float64
    row: int | None
    words: Mapping[str, tuple[Concept, ...]]
    duration_s: float
    n_scenes: int
    flags: tuple[str, ...]


class Answers:
    """A finished run, loaded once for many answers."""

    def __init__(self, run: Run) -> None:
        """Loads the models and the atlas.

        Raises:
            StoreError: If the run is not finished.
        """
        self.run = run
        self.settings: Settings = load_settings(run.settings)
        self.coarse, self._coarse_card = load_model(run.coarse, CoarseCard)
        self._calibration = Calibration.from_stored(self._coarse_card.calibration, len(self.coarse.spec.genres))
        self.finetuned, self._finetuned_card = load_model(run.finetuned, FinetunedCard)
        kept = run.coarse / FAMILIARITY_FILE
        self._familiarity = (
            Familiarity.from_bytes(kept.read_bytes(), self.coarse.spec.experts) if kept.is_file() else None
        )
        self.atlas = open_atlas(run)

    @property
    def key(self) -> str:
        """Hash of what answers depend on: both models, and the edited atlas."""
        return key_of(self._coarse_card.key, self._finetuned_card.key, self.atlas.found.key, self.atlas.version)

    @property
    def modality_of(self) -> dict[str, str]:
        """Modality of each expert in the models' order."""
        return self.coarse.spec.modality_of

    def film(self, name: str) -> ReadFilm:
        """A film of the run by id or title, or a new film by path or URL.

        Raises:
            NotFoundError: If there is neither.
            MediaError: If the file cannot be read.
        """
        found = self.atlas.names.row_or_file(name)
        return self._known(found) if isinstance(found, int) else self.new_film(found)

    def new_film(self, place: Source) -> ReadFilm:
        """Reads a new film in a separate process.

        Raises:
            MediaError: If it cannot be read.
            ConfigError: If the run was made from vectors computed elsewhere.
        """
        with film_workers(self.run, 1, settings=self.settings, experts=self.coarse.spec.experts) as workers:
            return self.as_film(workers.one(new_job(place)))

    def as_film(self, found: EmbeddedTrailer) -> ReadFilm:
        """Encodes an embedded film with the models."""
        arrays = _arrays_of(found, self.coarse.spec.dimensions)
        encoded = encode_all(self.finetuned, arrays, np.arange(1)).double().numpy()[0]
        record, place = found.record, source(found.record.path)
        title, words = plain_text(Path(source_name(place)).stem), self._words_of(found)
        facts = record.duration_s, record.n_scenes, record.flags
        return ReadFilm(source_text(place), title, arrays, encoded, None, words, *facts)

    def predict(self, film: ReadFilm, *, top_k: int) -> Prediction:
        """Genres with reasons, sub-genre, concepts, similar films and missing modalities of one film."""
        spec, modality_of = self.coarse.spec, self.modality_of
        influence = calibrated_influence(
            expert_influence(self.coarse, film.arrays.batch(np.arange(1))), self._calibration
        )
        probabilities = self._calibration.apply(predict_genres(self.coarse, film.arrays, np.arange(1)))
        thresholds = self._coarse_card.thresholds
        return make_prediction(
            genre_answers(spec.genres, modality_of, probabilities[0], thresholds, influence.values[0]),
            modality_of,
            {name: film.arrays.means(name) for name in spec.experts},
            self._familiarity,
            path=film.name,
            title=film.title,
            duration_s=film.duration_s,
            n_scenes=film.n_scenes,
            flags=film.flags,
            sub_genre=self._sub_genre(film.encoded),
            concepts=film.words,
            neighbours=self.similar(film, top_k=top_k),
        )

    def similar(self, film: ReadFilm, *, top_k: int, modality: str | None = None) -> tuple[Neighbour, ...]:
        """The most similar trailers of the run, with each modality's contribution.

        Args:
            film: The film; never part of the result.
            top_k: Number of trailers.
            modality: Compare by this modality alone.

        Raises:
            StoreError: If the film lacks that modality.
        """
        return similar_films(self.atlas, film.encoded, top_k=top_k, modality=modality, row=film.row)

    def _sub_genre(self, encoded: Float64) -> SubGenreAnswer:
        distances = 1 - (unit_rows(encoded[None]) @ self.atlas.centroids.T)[0]
        order = np.argsort(distances, kind="stable")[:2]
        cards = self.atlas.cards
        near = [NearSubGenre(cards[i].id, cards[i].name, float(distances[i])) for i in order]
        centre = self.atlas.centroids[order[0]].reshape(1, *encoded.shape)
        parts = by_modality(self.modality_of.values(), expert_contributions(encoded, centre)[0].tolist())
        return SubGenreAnswer(near[0].id, near[0].name, near[0].distance, near[1] if len(near) > 1 else None, parts)

    def _known(self, row: int) -> ReadFilm:
        known = self.atlas.rows[row]
        dataset = EmbeddingDataset(self.run.dataset)
        arrays = {}
        for name in self.coarse.spec.experts:
            found = dataset.vectors(name, [known.trailer_id])
            arrays[name] = ExpertArray(found.vectors, found.scenes, found.offsets)
        facts = known.concepts, known.duration_s, known.n_scenes, known.flags
        return ReadFilm(known.trailer_id, known.title, TrailerArrays(arrays), self.atlas.encoded[row], row, *facts)

    def _words_of(self, found: EmbeddedTrailer) -> dict[str, tuple[Concept, ...]]:
        words = word_strengths(
            (self.modality_of[expert], number, embedding.concepts)
            for expert, column in found.embeddings.items()
            for number, embedding in enumerate(column)
            if embedding is not None and embedding.concepts
        )
        return {modality: tuple(best_words(some, N_WORDS)) for modality, some in words.items()}


def _arrays_of(found: EmbeddedTrailer, dimensions: Mapping[str, int]) -> TrailerArrays:
    arrays = {}
    for name, dimension in dimensions.items():
        there = [(i, e.vector) for i, e in enumerate(found.embeddings[name]) if e is not None]
        # Through float16, as stored, so that a film gets the same answer either way.
        vectors = np.array([vector for _, vector in there], dtype=np.float16).reshape(-1, dimension)
        arrays[name] = ExpertArray(vectors, np.array([i for i, _ in there], dtype=np.int64), np.array([0, len(there)]))
    return TrailerArrays(arrays)
