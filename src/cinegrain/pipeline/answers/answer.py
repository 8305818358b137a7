"""Answers about films: ones in the run, and ones never seen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cinegrain.artifacts import key_of
from cinegrain.config import Settings, load_settings
from cinegrain.discovery.atlas import unit_rows
from cinegrain.explain.familiarity import Familiarity
from cinegrain.explain.influence import mode_influence
from cinegrain.explain.neighbours import mode_contributions
from cinegrain.media.files import plain_text
from cinegrain.media.remote import source, source_name, source_text
from cinegrain.pipeline.answers.new_films import film_workers, new_job
from cinegrain.pipeline.answers.similar import similar_films
from cinegrain.pipeline.atlas.run_atlas import Corpus, corpus_of, open_atlas
from cinegrain.pipeline.extraction.embed import EmbeddedTrailer
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.learning.rows import N_WORDS, calibrated_influence, genre_answers
from cinegrain.pipeline.learning.sure import FAMILIARITY_FILE, how_sure
from cinegrain.pipeline.words import best_words, word_strength
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.calibrate import Calibration
from cinegrain.training.checkpoint import load_model
from cinegrain.training.data import ExpertArray, TrailerArrays
from cinegrain.training.infer import encode_all, predict_genres
from cinegrain.types import Float64, JsonObject, Source


@dataclass(frozen=True, eq=False)
class Film:
    """One film put through a run's models.

    Attributes:
        name: Id or path.
        title: For people.
        arrays: Its vectors.
        encoded: Gated vectors of the fine-tuned network, shape (e, d).
        row: Its row in the corpus; None for a film never seen.
        words: Words by mode.
        facts: Length and flags.
    """

    name: str
    title: str
    arrays: TrailerArrays
    encoded: Float64
    row: int | None
    words: dict[str, list[JsonObject]]
    facts: JsonObject


class Answers:
    """A finished run, loaded once for many questions."""

    def __init__(self, run: Run) -> None:
        """Loads the models, the corpus and the atlas.

        Raises:
            StoreError: If the run is not finished.
        """
        self.run = run
        self.settings: Settings = load_settings(run.settings)
        self.coarse, self._coarse_card = load_model(run.coarse)
        self._calibration = Calibration.from_card(self._coarse_card, len(self.coarse.spec.genres))
        self.finetuned, self._finetuned_card = load_model(run.finetuned)
        kept = run.coarse / FAMILIARITY_FILE
        self._familiarity = (
            Familiarity.from_bytes(kept.read_bytes(), self.coarse.spec.experts) if kept.is_file() else None
        )
        self.joined = open_atlas(run)
        self.corpus: Corpus = corpus_of(self.joined)
        self.atlas: JsonObject = self.joined.json
        self.rows: list[JsonObject] = self.joined.rows

    @property
    def key(self) -> str:
        """Of what answers are made from: both models, and the sub-genres as discovered and edited."""
        cards = self._coarse_card, self._finetuned_card
        return key_of(*(card["key"] for card in cards), self.joined.found["key"], self.joined.version)

    @property
    def modes(self) -> list[str]:
        """Mode of each expert in the models' order."""
        return [self.coarse.spec.modalities[name] for name in self.coarse.spec.experts]

    def film(self, name: str) -> Film:
        """A film of the run by id (or title), or one never seen by its path or address.

        Raises:
            NotFoundError: If it is neither.
            MediaError: If the file cannot be read.
        """
        found = self.joined.names.row_or_file(name)
        return self._known(found) if isinstance(found, int) else self.new_film(found)

    def new_film(self, place: Source) -> Film:
        """Reads a film never seen, in a process of its own.

        Raises:
            MediaError: If it cannot be read.
            ConfigError: If the run was made from vectors computed elsewhere.
        """
        with film_workers(self.run, 1, settings=self.settings, experts=self.coarse.spec.experts) as workers:
            return self.as_film(workers.one(new_job(place)))

    def as_film(self, found: EmbeddedTrailer) -> Film:
        """A looked-at file put through the models."""
        arrays = _arrays_of(found, self.coarse.spec.dimensions)
        encoded = encode_all(self.finetuned, arrays, np.arange(1)).double().numpy()[0]
        facts = {
            "duration_s": found.record.duration_s,
            "n_scenes": found.record.n_scenes,
            "flags": list(found.record.flags),
        }
        place = source(found.record.path)
        title = plain_text(Path(source_name(place)).stem)
        return Film(source_text(place), title, arrays, encoded, None, self._words_of(found), facts)

    def predict(self, film: Film, *, top_k: int) -> JsonObject:
        """Genres with reasons, sub-genre, words, neighbours and missing modes of one film."""
        batch = film.arrays.batch(np.arange(1))
        influence = calibrated_influence(mode_influence(self.coarse, batch), self._calibration)
        raw = predict_genres(self.coarse, film.arrays, np.arange(1))
        probabilities = self._calibration.apply(raw)[0]
        present = batch.present(self.coarse.spec.experts)[0].tolist()
        genres = genre_answers(self.coarse, probabilities, self._coarse_card["thresholds"], influence.values[0])
        means = {name: film.arrays.means(name) for name in self.coarse.spec.experts}
        return {
            "path": film.name,
            "title": film.title,
            **film.facts,
            **how_sure(genres, self.modes, present, means, self._familiarity),
            "genres": sorted(genres, key=lambda genre: -float(genre["probability"])),
            "subgenre": self._subgenre(film.encoded),
            "concepts": film.words,
            "neighbours": self.similar(film, top_k=top_k),
            "missing": [mode for mode, there in zip(self.modes, present, strict=True) if not there],
        }

    def similar(self, film: Film, *, top_k: int, mode: str | None = None) -> list[JsonObject]:
        """The nearest trailers of the run, with each mode's part in it.

        Args:
            film: The film asked about; it never comes back itself.
            top_k: How many.
            mode: Compare by this mode alone.

        Raises:
            StoreError: If the film lacks that mode.
        """
        return similar_films(self.joined, film.encoded, top_k=top_k, mode=mode, row=film.row)

    def _subgenre(self, encoded: Float64) -> JsonObject:
        distances = 1 - (unit_rows(encoded[None]) @ self.corpus.centroids.T)[0]
        order = np.argsort(distances, kind="stable")
        cards = self.atlas["subgenres"]
        best = int(order[0])
        answer = {"id": cards[best]["id"], "name": cards[best]["name"], "distance": float(distances[best])}
        if len(order) > 1:
            second = int(order[1])
            answer["runner_up"] = {
                "id": cards[second]["id"],
                "name": cards[second]["name"],
                "distance": float(distances[second]),
            }
        centre = self.corpus.centroids[best].reshape(1, *encoded.shape)
        answer["modes"] = dict(zip(self.modes, mode_contributions(encoded, centre)[0].tolist(), strict=True))
        return answer

    def _known(self, row: int) -> Film:
        known = self.rows[row]
        dataset = EmbeddingDataset(self.run.dataset)
        arrays = {}
        for name in self.coarse.spec.experts:
            found = dataset.vectors(name, [known["trailer_id"]])
            arrays[name] = ExpertArray(found.vectors, found.scenes, found.offsets)
        facts = {key: known[key] for key in ("duration_s", "n_scenes", "flags")}
        return Film(
            known["trailer_id"],
            known["title"],
            TrailerArrays(arrays),
            self.corpus.encoded[row],
            row,
            known["concepts"],
            facts,
        )

    def _words_of(self, found: EmbeddedTrailer) -> dict[str, list[JsonObject]]:
        words: dict[str, list[JsonObject]] = {}
        for expert, column in found.embeddings.items():
            scenes = [embedding.concepts for embedding in column if embedding is not None and embedding.concepts]
            if scenes:
                best = best_words(word_strength(scenes), N_WORDS)
                words[self.coarse.spec.modalities[expert]] = [asdict(concept) for concept in best]
        return words


def _arrays_of(found: EmbeddedTrailer, dimensions: Mapping[str, int]) -> TrailerArrays:
    arrays = {}
    for name, dimension in dimensions.items():
        there = [(i, e.vector) for i, e in enumerate(found.embeddings[name]) if e is not None]
        # Through float16, as the dataset keeps them, so that a film gets one answer whichever way it comes.
        vectors = np.array([vector for _, vector in there], dtype=np.float16).reshape(-1, dimension)
        arrays[name] = ExpertArray(vectors, np.array([i for i, _ in there], dtype=np.int64), np.array([0, len(there)]))
    return TrailerArrays(arrays)
