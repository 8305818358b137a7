"""Adds new films to an atlas without training: embeds, places and stores them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cinegrain.atlas.edit_log import locked, now
from cinegrain.atlas.new_films import Arrival, Limit, NewFilms, read_new_films, write_new_films
from cinegrain.atlas.placement import place
from cinegrain.atlas.run_atlas import open_atlas, write_table
from cinegrain.discovery.clustering import unit_rows
from cinegrain.media.files import plain_text
from cinegrain.media.remote import source, source_name, source_text
from cinegrain.pipeline.answers.answer import Answers, ReadFilm
from cinegrain.pipeline.answers.film_workers import film_workers
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import Failed
from cinegrain.pipeline.extraction.sources import stamp_of
from cinegrain.pipeline.extraction.workers import WorkerPool
from cinegrain.results import Failure, NearFilm, NearSubGenre
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Watcher
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.store.writer import DatasetWriter
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.infer import encode_all
from cinegrain.types import Float32, Source

ARRIVED = "arrived"
"""`split` of films added after training."""
_LOCK = ".assign.lock"
_KEEP_EVERY, _KEEP_EVERY_S = 20, 30.0
_N_NEAR, _N_FOR_MAP = 5, 3


@dataclass(frozen=True)
class Assigned:
    """Result of adding films.

    Attributes:
        rows: Films added to the atlas.
        there: Files that were in the run already, with their ids.
        failed: Files that could not be read.
    """

    rows: tuple[Arrival, ...]
    there: tuple[tuple[Source, str], ...]
    failed: tuple[Failure, ...]


def assign(run: Run, places: Sequence[Source], watcher: Watcher) -> Assigned:
    """Adds films to the atlas; if interrupted, the same call continues.

    Films are embedded once, in workers, and stored in the run's dataset, so that a later discovery can place them
    again. A film that cannot be read, or crashes its worker, does not affect others.

    Args:
        run: A finished run.
        places: Files or URLs.
        watcher: Receives progress.

    Raises:
        ConfigError: If the run was made from vectors computed elsewhere.
        StoreError: If the run is not finished, or cannot be written.
    """
    with locked(run.folder, _LOCK):
        if read_new_films(run).rows and open_atlas(run).left_out:
            place_again(run, watcher)
        answers = Answers(run)
        desk = _Desk(answers)
        known = {place: desk.known(place) for place in dict.fromkeys(places)}
        there = [(place, id_) for place, id_ in known.items() if id_ is not None]
        jobs = [desk.job(place) for place, id_ in known.items() if id_ is None]
        failed: list[Failure] = []
        try:
            if jobs:
                _take_all(desk, jobs, there, failed, watcher)
        finally:  # also when interrupted: films read so far are kept
            desk.close()
    return Assigned(tuple(desk.rows), tuple(there), tuple(failed))


def _take_all(
    desk: "_Desk", jobs: Sequence[Job], there: list[tuple[Source, str]], failed: list[Failure], watcher: Watcher
) -> None:
    """Embeds films and adds each; records those already there under another name, and failures."""
    n_known = len(there)
    with watcher.stage("Embedding films") as on_step, desk.workers(len(jobs)) as workers:
        for done, outcome in enumerate(workers.each(jobs), start=1 + n_known):
            if isinstance(outcome, Failed):
                failed.append(Failure(source_text(outcome.job.path), outcome.reason))
            elif (same := desk.placed(outcome)) is not None:
                there.append((source(outcome.record.path), same))
            else:
                desk.take(outcome)
            on_step(done, n_known + len(jobs), outcome.trailer_id)


def place_again(run: Run, watcher: Watcher) -> None:
    """Places all added films in the atlas of a new discovery.

    Raises:
        StoreError: If the run is not finished, or cannot be written.
    """
    old = read_new_films(run)
    if not old.rows:
        return
    answers = Answers(run)
    known = set(answers.atlas.trailer_ids)  # added films may be in the catalogue by now
    old = old.without([row.trailer_id for row in old.rows if row.trailer_id in known])
    films = _stored_films(answers, old.rows)
    if not films:
        run.new_films.unlink()
        write_table(answers.atlas)
        return
    rows = []
    for film, before in zip(films, old.rows, strict=True):
        rows.append(_row(answers, film, before.path, before.at))
        if not film.encoded.any():
            watcher.say(f"{film.name} has no vectors of this run's experts, so it fits nowhere")
    with locked(run.folder):
        write_new_films(run, NewFilms(tuple(rows), _stack(films), answers.atlas.found.key))
    write_table(open_atlas(run))


class _Desk:
    """Adds embedded films: writes each into the dataset, and soon after its place in the atlas."""

    def __init__(self, answers: Answers) -> None:
        self.rows: list[Arrival] = []
        self._answers = answers
        self._dataset = EmbeddingDataset(answers.run.dataset)
        self._ids = {record.trailer_id for record in self._dataset.trailers} | set(answers.atlas.trailer_ids)
        self._shas = {record.sha256: record.trailer_id for record in self._dataset.trailers}
        self._stamps = {(r.path, r.size_bytes, r.modified_ns): r.trailer_id for r in self._dataset.trailers}
        self._placed = set(answers.atlas.trailer_ids)
        self._writer: DatasetWriter | None = None
        self._not_kept: list[tuple[Arrival, ReadFilm]] = []
        self._kept_s = time.monotonic()

    def workers(self, n_films: int) -> WorkerPool[EmbeddedTrailer]:
        """Workers for so many films, with the run's settings."""
        answers = self._answers
        return film_workers(answers.run, n_films, settings=answers.settings, experts=answers.coarse.spec.experts)

    def known(self, place: Source) -> str | None:
        """Id of a film of the atlas by path, size and time."""
        found = self._stamps.get((source_text(_absolute(place)), *stamp_of(place)))
        return found if found in self._placed else None

    def job(self, place: Source) -> Job:
        """Job for a film, with a new id."""
        name, number = plain_text(source_name(place)), 2
        found = name
        while found in self._ids:
            found, number = f"{name} ({number})", number + 1
        self._ids.add(found)
        return Job(found, _absolute(place))

    def placed(self, found: EmbeddedTrailer) -> str | None:
        """Id of a film of the atlas with the same content."""
        same = self._shas.get(found.record.sha256)
        return same if same in self._placed else None

    def take(self, found: EmbeddedTrailer) -> None:
        """Adds a film; one that is already in the dataset is only placed."""
        same = self._shas.get(found.record.sha256)
        trailer_id = same or found.trailer_id
        film = replace(self._answers.as_film(found), name=trailer_id)
        row = _row(self._answers, film, found.record.path, now())
        if same is None:
            if self._writer is None:
                self._writer = _open_writer(self._answers.run, self._dataset)
            self._writer.append(found.record, found.scenes, found.embeddings)
        self._placed.add(trailer_id)
        self._shas[found.record.sha256] = trailer_id
        self._not_kept.append((row, film))
        if len(self._not_kept) >= _KEEP_EVERY or time.monotonic() - self._kept_s >= _KEEP_EVERY_S:
            self._keep()

    def close(self) -> None:
        """Stores the remaining films and compacts the dataset."""
        self._keep()
        if self._writer is not None:
            self._writer.compact()

    def _keep(self) -> None:
        rows, films = [row for row, _ in self._not_kept], [film for _, film in self._not_kept]
        _keep(self._answers.run, self._answers, rows, films)
        self.rows += rows
        self._not_kept, self._kept_s = [], time.monotonic()


def _absolute(place: Source) -> Source:
    return place.absolute() if isinstance(place, Path) else place


def _open_writer(run: Run, dataset: EmbeddingDataset) -> DatasetWriter:
    return DatasetWriter(run.dataset, experts=dataset.experts, settings=dataset.info.settings)


def _row(answers: Answers, film: ReadFilm, path: str, at: str) -> Arrival:
    """Row of an added film, with its place."""
    joined = answers.atlas
    answer = answers.predict(film, top_k=_N_NEAR + len(joined.new_films.rows))
    point = unit_rows(film.encoded[None])
    placed = place(point, joined.fit)
    k = int(placed.nearest[0])
    card, distance = joined.cards[k], float(placed.distance[0])
    found = {row.trailer_id: row for row in joined.found_rows}
    near = [NearFilm(n.trailer_id, n.score) for n in answer.neighbours if n.trailer_id in found][:_N_NEAR]
    around = [found[n.trailer_id] for n in near[:_N_FOR_MAP]]
    before = [other.map_before for other in around if other.map_before]
    otherwise = int((point @ joined.found_centroids.T)[0].argmax())
    fits = bool(placed.fits[0]) and bool(film.encoded.any())
    return Arrival(
        trailer_id=film.name,
        title=film.title,
        year=None,
        catalog_genres=(),
        split=ARRIVED,
        duration_s=film.duration_s,
        n_scenes=film.n_scenes,
        flags=film.flags,
        missing=answer.missing,
        predicted=answer.genres,
        sub_genre=NearSubGenre(card.id, card.name, distance) if fits else None,
        concepts=film.words,
        neighbours=tuple(near),
        map=_middle([other.map for other in around]),
        map_before=_middle(before) if len(before) == len(around) else None,
        path=path,
        at=at,
        nearest=Limit(card.id, distance, float(joined.fit.nowhere[k])),
        otherwise=joined.found.subgenres[otherwise].id,
    )


def _middle(places: Sequence[tuple[float, float]]) -> tuple[float, float]:
    x, y = np.mean(places or [(0.0, 0.0)], axis=0).tolist()
    return x, y


def _stored_films(answers: Answers, rows: Sequence[Arrival]) -> list[ReadFilm]:
    """Films encoded from stored vectors; zeros for one without vectors."""
    if not rows:
        return []
    ids = [row.trailer_id for row in rows]
    dataset = EmbeddingDataset(answers.run.dataset)
    experts = {}
    for name in answers.coarse.spec.experts:
        found = dataset.vectors(name, ids)
        experts[name] = ExpertArray(found.vectors, found.scenes, found.offsets)
    arrays = TrailerArrays(experts)
    encoded = encode_all(answers.finetuned, arrays, np.arange(len(ids))).double().numpy()
    films = []
    for i, row in enumerate(rows):
        own = {
            name: ExpertArray(*_part(array, int(array.offsets[i]), int(array.offsets[i + 1])))
            for name, array in experts.items()
        }
        any_ = any(len(array.vectors) for array in own.values())
        vector = encoded[i] if any_ else np.zeros_like(encoded[i])
        facts = row.concepts, row.duration_s, row.n_scenes, row.flags
        films.append(ReadFilm(ids[i], row.title, TrailerArrays(own), vector, None, *facts))
    return films


def _part(array: ExpertArray, start: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return array.vectors[start:end], array.scenes[start:end], np.array([0, end - start])


def _stack(films: Sequence[ReadFilm]) -> Float32:
    return np.stack([film.encoded for film in films]).astype(np.float32)


def _keep(run: Run, answers: Answers, rows: Sequence[Arrival], films: Sequence[ReadFilm]) -> None:
    """Stores added films. They are on disk when this returns."""
    if not rows:
        return
    key = answers.atlas.found.key
    with locked(run.folder):
        old = read_new_films(run)
        encoded = np.concatenate([old.encoded, _stack(films)]) if old.rows else _stack(films)
        write_new_films(run, NewFilms((*old.rows, *rows), encoded, key))
    write_table(open_atlas(run))
