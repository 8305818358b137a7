"""The current state of a run, loaded once per state."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cinegrain.atlas.cards import Card, Discovered
from cinegrain.atlas.edit_log import read_log
from cinegrain.atlas.new_films import NO_NEW_FILMS, NewFilms, read_new_films
from cinegrain.atlas.run_atlas import RunAtlas, join_atlas
from cinegrain.errors import NotFoundError
from cinegrain.media.files import text_path
from cinegrain.results import Film
from cinegrain.runs.artifacts import read_as
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.search.library import Library, open_library
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import SceneRow, TrailerRecord
from cinegrain.types import Trailer
from cinegrain.web.film_columns import Columns, make_columns, text_columns, with_edits

if TYPE_CHECKING:
    from cinegrain.search.library import Library

_SCENES_KEPT = 64  # films, with half a megabyte of thumbnails each
_ANSWERS_BYTES = 64 << 20
_Stamp = tuple[int, int, int]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class State:
    """A state of a run.

    Attributes:
        atlas: Its atlas after edits.
        stamp: Identifies the state.
    """

    atlas: RunAtlas
    stamp: str

    @property
    def row(self) -> dict[str, int]:
        """Row of each film by id."""
        return self.atlas.names.rows

    @cached_property
    def card(self) -> dict[str, Card]:
        """Card of each sub-genre by id."""
        return {card.id: card for card in self.atlas.cards}

    def film(self, trailer_id: str) -> Film:
        """A film by its id.

        Raises:
            NotFoundError: If there is none of this id.
        """
        return self.atlas.rows[self.row_of(trailer_id)]

    def row_of(self, trailer_id: str) -> int:
        """Row of a film.

        Raises:
            NotFoundError: If there is none of this id.
        """
        if trailer_id not in self.row:
            raise self.atlas.names.unknown(trailer_id)
        return self.row[trailer_id]

    def subgenre(self, id_: str) -> Card:
        """A sub-genre's card.

        Raises:
            NotFoundError: If there is none of this id.
        """
        if id_ not in self.card:
            raise NotFoundError(f"There is no sub-genre {id_!r} in this run. It may have been merged; see the history.")
        return self.card[id_]


class Explorer:
    """A run folder, reloaded after edits and new films; thread-safe."""

    def __init__(self, run: Run) -> None:
        """Opens a finished run.

        Raises:
            StoreError: If discovery has not been run, or something is damaged.
        """
        self.run = run
        self._lock = threading.RLock()
        self._found: tuple[Discovered, list[Film]] | None = None
        self._new_films: NewFilms = NO_NEW_FILMS
        self._stamps: tuple[_Stamp, ...] = ()
        self._state: State | None = None
        self._made: dict[str, tuple[object, Any]] = {}
        self._making: dict[str, threading.Lock] = {}
        self._answers: OrderedDict[str, bytes] = OrderedDict()
        self._scenes = lru_cache(maxsize=_SCENES_KEPT)(lambda trailer_id, _: self.dataset.scenes(trailer_id))
        self.state()

    def state(self) -> State:
        """The current state.

        Raises:
            StoreError: If something is damaged.
        """
        stamps = tuple(map(_stamp, (self.run.atlas, self.run.new_films, self.run.edits)))
        with self._lock:
            if self._state is None or stamps != self._stamps:
                if self._found is None or stamps[0] != self._stamps[0]:
                    self._found = read_as(self.run.atlas, Discovered), read_as(self.run.trailers, list[Film])
                    self._new_films = read_new_films(self.run)
                elif stamps[1] != self._stamps[1]:
                    self._new_films = read_new_films(self.run)
                atlas = join_atlas(self.run, *self._found, self._new_films, read_log(self.run.edits))
                state = State(atlas, "-".join(f"{part:x}" for stamp in stamps for part in stamp))
                _ = atlas.rows, state.row, state.card  # computed once under the lock
                self._state, self._stamps = state, stamps
            return self._state

    @property
    def dataset(self) -> EmbeddingDataset:
        """The embedding dataset, reopened when films were added."""
        return self._kept("dataset", self._films_stamp(), lambda: EmbeddingDataset(self.run.dataset))

    def record(self, trailer_id: str) -> TrailerRecord:
        """The dataset's record of a film.

        Raises:
            NotFoundError: If there is none of this id.
        """
        by_id = self._kept("records", self._films_stamp(), lambda: {r.trailer_id: r for r in self.dataset.trailers})
        if trailer_id not in by_id:
            raise NotFoundError(f"The dataset has no film {trailer_id!r}.")
        return by_id[trailer_id]

    def videos(self) -> list[Path]:
        """Files of the films at the time of extraction."""
        return [text_path(record.path) for record in self.dataset.trailers]

    def scenes(self, trailer_id: str) -> list[SceneRow]:
        """A film's scenes with thumbnails, cached for some films."""
        return self._scenes(trailer_id, self._films_stamp())

    @property
    def catalog(self) -> Mapping[str, Trailer]:
        """The catalogue's films by id."""
        stamp = _stamp(self.run.catalog)
        return self._kept("catalog", stamp, lambda: {t.trailer_id: t for t in load_matched(self.run.catalog).trailers})

    def columns(self, state: State) -> Columns:
        """A state's films as columns."""
        films = self._films_stamp(), _stamp(self.run.catalog)
        once = self._kept("films as columns", films, lambda: make_columns(state.atlas, self.catalog))
        return self._kept("columns", (films, state.stamp), lambda: with_edits(once, state.atlas))

    def text_columns(self) -> list[str]:
        """Text columns of the catalogue with few enough values to colour by."""
        return self._kept("text columns", _stamp(self.run.catalog), lambda: text_columns(self.catalog))

    def library(self) -> "Library":
        """The run opened for searching.

        Raises:
            StoreError: If it has no films, or its folder cannot be written.
        """
        return self._kept("library", self._films_stamp(), lambda: open_library(self.run, Silent()))

    def answer(self, tag: str, make: Callable[[], bytes]) -> bytes:
        """A cached answer by tag, computed if needed; tens of megabytes are cached."""
        with self._lock:
            making = self._making.setdefault(tag, threading.Lock())
        with making:  # of several equal requests, one computes
            with self._lock:
                if tag in self._answers:
                    self._answers.move_to_end(tag)
                    return self._answers[tag]
            try:
                made = make()
            except BaseException:
                self._making.pop(tag, None)
                raise
            with self._lock:
                self._answers[tag] = made
                while sum(map(len, self._answers.values())) > _ANSWERS_BYTES:
                    self._making.pop(self._answers.popitem(last=False)[0], None)
        return made

    def _films_stamp(self) -> object:
        return _stamp(self.run.new_films), _stamp(self.run.atlas)

    def _kept(self, what: str, stamp: object, make: Callable[[], T]) -> T:
        """The cached value for a stamp, computed if needed."""
        with self._lock:
            if what not in self._made or self._made[what][0] != stamp:
                self._made[what] = stamp, make()
            made: T = self._made[what][1]
            return made


def _stamp(path: Path) -> _Stamp:
    """Identifies the content of a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino
