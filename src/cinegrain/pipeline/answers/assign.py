"""New films into an atlas, without training anything: looked at, placed, and kept in the run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinegrain.discovery.atlas import unit_rows
from cinegrain.discovery.newcomers import place
from cinegrain.errors import CinegrainError, ConfigError, StoreError
from cinegrain.media.files import path_text, plain_text
from cinegrain.pipeline.answers.answer import Answers, Film
from cinegrain.pipeline.answers.predict import Unread
from cinegrain.pipeline.atlas.arrivals import Arrivals, read_arrivals, write_arrivals
from cinegrain.pipeline.atlas.edit_log import locked, now
from cinegrain.pipeline.atlas.run_atlas import open_atlas, write_table
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.progress import Watcher
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.writer import DatasetWriter
from cinegrain.training.data import ExpertArray, TrailerArrays
from cinegrain.training.infer import encode_all
from cinegrain.types import Float32, JsonObject

ARRIVED = "arrived"
"""The part (`split`) of films that came after training."""
_LOCK = ".assign.lock"
_KEEP_EVERY = 20
_N_NEAR, _N_FOR_MAP = 5, 3


@dataclass(frozen=True)
class Assigned:
    """What came of new films.

    Attributes:
        rows: Those now in the atlas, as in trailers.json.
        there: Files that were in the run already, with the id they have.
        failed: Files that could not be read.
    """

    rows: tuple[JsonObject, ...]
    there: tuple[tuple[Path, str], ...]
    failed: tuple[Unread, ...]


def assign(run: Run, paths: Sequence[Path], watcher: Watcher) -> Assigned:
    """Puts films into the atlas; killed at any moment, the same call goes on where it was.

    Films are looked at once and stay in the run's dataset, so that a later discovery can place them again.

    Args:
        run: A finished run.
        paths: The files.
        watcher: Sees films pass.

    Raises:
        ConfigError: If the run was made from vectors computed elsewhere.
        StoreError: If the run is not finished, or cannot be written.
    """
    with locked(run.folder, _LOCK):
        if read_arrivals(run).rows and open_atlas(run).left_out:
            place_again(run, watcher)
        answers, rows, vectors = Answers(run), list[JsonObject](), list[Film]()
        there: list[tuple[Path, str]] = []
        failed: list[Unread] = []
        done_rows: list[JsonObject] = []
        desk = _Desk(answers)
        with watcher.stage("Looking and listening") as on_step:
            for done, path in enumerate(paths, start=1):
                try:
                    known = desk.known(path)
                    if known is not None:
                        there.append((path, known))
                    else:
                        film = desk.take(path)
                        row = _row(answers, film, film.name, path_text(path.absolute()), now())
                        rows.append(row)
                        vectors.append(film)
                except (ConfigError, StoreError):
                    raise  # the run's fault, not the film's
                except _KnownError as error:
                    there.append((path, error.trailer_id))
                except CinegrainError as error:
                    failed.append(Unread(path, str(error)))
                if len(rows) >= _KEEP_EVERY or done == len(paths):
                    _keep(run, answers, rows, vectors)
                    done_rows += rows
                    rows, vectors = [], []
                on_step(done, len(paths), path.name)
        desk.close()
    return Assigned(tuple(done_rows), tuple(there), tuple(failed))


def assign_stored(run: Run, trailer_ids: Sequence[str]) -> tuple[JsonObject, ...]:
    """Puts films into the atlas whose vectors the run's dataset holds though its catalogue does not name them.

    Args:
        run: A finished run.
        trailer_ids: Ids in its dataset; those that the atlas knows are left alone.

    Raises:
        StoreError: If the dataset does not hold one of them.
    """
    with locked(run.folder, _LOCK):
        answers = Answers(run)
        new = [id_ for id_ in trailer_ids if id_ not in set(answers.corpus.trailer_ids)]
        records = {record.trailer_id: record for record in EmbeddingDataset(run.dataset).trailers}
        absent = [id_ for id_ in new if id_ not in records]
        if absent:
            raise StoreError(f"The dataset of {run.folder} holds no {absent[0]!r}. Name films that it holds.")
        about = [
            {
                "trailer_id": id_,
                "title": id_,
                "duration_s": records[id_].duration_s,
                "n_scenes": records[id_].n_scenes,
                "flags": list(records[id_].flags),
                "concepts": {},
            }
            for id_ in new
        ]
        films = _stored_films(answers, about)
        rows = [_row(answers, film, film.name, records[film.name].path, now()) for film in films]
        _keep(run, answers, rows, films)
    return tuple(rows)


def place_again(run: Run, watcher: Watcher) -> None:
    """Places all films that came later in the atlas of a new discovery, with its model.

    Raises:
        StoreError: If the run is not finished, or cannot be written.
    """
    old = read_arrivals(run)
    if not old.rows:
        return
    answers = Answers(run)
    known = set(answers.corpus.trailer_ids)  # films that came later may be in the catalogue by now
    old = old.without([row["trailer_id"] for row in old.rows if row["trailer_id"] in known])
    films = _stored_films(answers, old.rows)
    if not films:
        run.arrivals.unlink()
        write_table(answers.joined)
        return
    rows = []
    for film, before in zip(films, old.rows, strict=True):
        row = _row(answers, film, before["trailer_id"], before["path"], before["at"])
        rows.append({**row, "title": before["title"]})
        if not film.encoded.any():
            watcher.say(f"{film.name} has no vectors of the experts that this run asks for; it fits nowhere for now")
    with locked(run.folder):
        write_arrivals(run, Arrivals(tuple(rows), _stack(films), answers.joined.found["key"]))
    write_table(open_atlas(run))


class _KnownError(CinegrainError):
    """A film is in the run already."""

    def __init__(self, trailer_id: str) -> None:
        super().__init__(trailer_id)
        self.trailer_id = trailer_id


class _Desk:
    """Takes files in: looks at each and writes it into the run's dataset."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._dataset = EmbeddingDataset(answers.run.dataset)
        self._ids = {record.trailer_id for record in self._dataset.trailers} | set(answers.corpus.trailer_ids)
        self._shas = {record.sha256: record.trailer_id for record in self._dataset.trailers}
        self._stamps = {(r.path, r.size_bytes, r.modified_ns): r.trailer_id for r in self._dataset.trailers}
        self._placed = set(answers.corpus.trailer_ids)
        self._writer: DatasetWriter | None = None

    def known(self, path: Path) -> str | None:
        """Id of a file that the atlas has, by its place, size and time."""
        try:
            status = path.stat()
        except OSError:
            return None  # looking at it will say what is wrong
        stamp = (path_text(path.absolute()), status.st_size, status.st_mtime_ns)
        found = self._stamps.get(stamp)
        return found if found in self._placed else None

    def take(self, path: Path) -> Film:
        """Looks at a film and keeps what was seen; a film that a kill left in the dataset alone is only placed."""
        found = self._answers.look(path.absolute(), self._free_id(path))
        same = self._shas.get(found.record.sha256)
        if same in self._placed:
            raise _KnownError(str(same))
        film = self._answers.as_film(found)
        trailer_id = same or found.record.trailer_id
        if same is None:
            if self._writer is None:
                self._writer = _open_writer(self._answers.run, self._dataset)
            self._writer.append(found.record, found.scenes, found.embeddings)
        self._ids.add(trailer_id)
        self._placed.add(trailer_id)
        self._shas[found.record.sha256] = trailer_id
        return Film(trailer_id, film.title, film.arrays, film.encoded, None, film.words, film.facts)

    def close(self) -> None:
        """Tidies the dataset."""
        if self._writer is not None:
            self._writer.compact()

    def _free_id(self, path: Path) -> str:
        name, number = plain_text(path.name), 2
        found = name
        while found in self._ids:
            found, number = f"{name} ({number})", number + 1
        return found


def _open_writer(run: Run, dataset: EmbeddingDataset) -> DatasetWriter:
    keys = {card["name"]: card["key"] for card in dataset.cards}
    return DatasetWriter(run.dataset, cards=dataset.cards, settings=dataset.info["settings"], keys=keys)


def _row(answers: Answers, film: Film, trailer_id: str, path: str, at: str) -> JsonObject:
    """A film as in trailers.json, and where it fits."""
    joined = answers.joined
    answer = answers.predict(film, top_k=_N_NEAR + len(joined.arrivals.rows))
    point = unit_rows(film.encoded[None])
    placed = place(point, joined.fit)
    k = int(placed.nearest[0])
    card, distance = joined.cards[k], float(placed.distance[0])
    found = {row["trailer_id"]: row for row in joined.found_rows}
    near = [n for n in answer["neighbours"] if n["trailer_id"] in found][:_N_NEAR]
    around = [found[n["trailer_id"]] for n in near[:_N_FOR_MAP]]
    maps = [key for key in ("map", "map_before") if all(key in other for other in around)]
    otherwise = int((point @ joined.found_centroids.T)[0].argmax())
    fits = bool(placed.fits[0]) and bool(film.encoded.any())
    return {
        "trailer_id": trailer_id,
        "title": film.title,
        "year": None,
        "genres": [],
        "split": ARRIVED,
        **film.facts,
        "missing": answer["missing"],
        "predicted": answer["genres"],
        "subgenre": {"id": card["id"], "name": card["name"], "distance": distance} if fits else None,
        "concepts": film.words,
        "neighbours": [{"trailer_id": n["trailer_id"], "score": n["score"]} for n in near],
        **{key: np.mean([other[key] for other in around] or [[0.0, 0.0]], axis=0).tolist() for key in maps},
        "path": path,
        "at": at,
        "nearest": {"id": card["id"], "distance": distance, "limit": float(joined.fit.nowhere[k])},
        "otherwise": joined.found["subgenres"][otherwise]["id"],
    }


def _stored_films(answers: Answers, rows: Sequence[JsonObject]) -> list[Film]:
    """Films from the dataset's vectors, put through the models; one without vectors is encoded as zeros."""
    if not rows:
        return []
    ids = [row["trailer_id"] for row in rows]
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
        facts = {key: row[key] for key in ("duration_s", "n_scenes", "flags")}
        any_ = any(len(array.vectors) for array in own.values())
        vector = encoded[i] if any_ else np.zeros_like(encoded[i])
        films.append(Film(ids[i], row["title"], TrailerArrays(own), vector, None, row["concepts"], facts))
    return films


def _part(array: ExpertArray, start: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return array.vectors[start:end], array.scenes[start:end], np.array([0, end - start])


def _stack(films: Sequence[Film]) -> Float32:
    return np.stack([film.encoded for film in films]).astype(np.float32)


def _keep(run: Run, answers: Answers, rows: Sequence[JsonObject], films: Sequence[Film]) -> None:
    """Adds films to those that came later; when this returns they are on disk."""
    if not rows:
        return
    key = answers.joined.found["key"]
    with locked(run.folder):
        old = read_arrivals(run)
        encoded = np.concatenate([old.encoded, _stack(films)]) if old.rows else _stack(films)
        write_arrivals(run, Arrivals((*old.rows, *rows), encoded, key))
    write_table(open_atlas(run))
