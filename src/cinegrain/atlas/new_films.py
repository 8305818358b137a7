"""Films added to an atlas after discovery, stored in one file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cinegrain.errors import StoreError
from cinegrain.results import Film, from_json, to_json
from cinegrain.runs.artifacts import write_bytes
from cinegrain.runs.layout import Run
from cinegrain.types import Float32


@dataclass(frozen=True)
class Limit:
    """The nearest sub-genre, the cosine distance to it, and its limit."""

    id: str
    distance: float
    limit: float


@dataclass(frozen=True, kw_only=True)
class Arrival(Film):
    """A film added after discovery.

    Attributes:
        path: Its file.
        at: Time when it was added, UTC.
        nearest: Nearest sub-genre.
        otherwise: Id of the nearest discovered sub-genre.
    """

    path: str
    at: str
    nearest: Limit
    otherwise: str


@dataclass(frozen=True, eq=False)
class NewFilms:
    """Films added after discovery, in order.

    Attributes:
        rows: The films.
        encoded: Trailer embeddings by expert, shape (a, e, d).
        placed_for: Key of the discovery that they were placed in.
    """

    rows: tuple[Arrival, ...]
    encoded: Float32
    placed_for: str

    @property
    def home(self) -> dict[str, str]:
        """Sub-genre of each film by id; "" if it fits nowhere."""
        return {row.trailer_id: row.sub_genre.id if row.sub_genre else "" for row in self.rows}

    @property
    def otherwise(self) -> dict[str, str]:
        """Nearest discovered sub-genre of films in a sub-genre that people made."""
        return {row.trailer_id: row.otherwise for row in self.rows if row.sub_genre}

    def without(self, trailer_ids: Sequence[str]) -> "NewFilms":
        """Films that are not among the given ones."""
        gone = set(trailer_ids)
        keep = [i for i, row in enumerate(self.rows) if row.trailer_id not in gone]
        return NewFilms(tuple(self.rows[i] for i in keep), self.encoded[keep], self.placed_for)


NO_NEW_FILMS = NewFilms((), np.zeros((0, 0, 0), dtype=np.float32), "")


def read_new_films(run: Run) -> NewFilms:
    """Films added after discovery; none if there is no file.

    Raises:
        StoreError: If the file is damaged.
    """
    if not run.new_films.is_file():
        return NO_NEW_FILMS
    try:
        with safe_open(run.new_films, framework="numpy") as file:
            about = file.metadata() or {}
            encoded = file.get_tensor("encoded")
        rows = from_json(tuple[Arrival, ...], json.loads(about["rows"]))
        if len(rows) != len(encoded):
            raise ValueError(f"{len(rows)} rows for {len(encoded)} vectors")
        return NewFilms(rows, np.asarray(encoded, dtype=np.float32), about["placed_for"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise StoreError(
            f"{run.new_films} cannot be read: {error}. Restore a backup, or delete it and assign its films again."
        ) from error


def write_new_films(run: Run, new_films: NewFilms) -> None:
    """Writes them atomically.

    Raises:
        StoreError: If the file cannot be written.
    """
    about = {"rows": json.dumps(to_json(new_films.rows), ensure_ascii=False), "placed_for": new_films.placed_for}
    write_bytes(run.new_films, save({"encoded": np.ascontiguousarray(new_films.encoded)}, metadata=about))
