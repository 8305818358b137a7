"""Reads a dataset as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cinegrain.errors import StoreError
from cinegrain.store.location import Location
from cinegrain.store.schema import (
    EMBEDDINGS,
    SCENES,
    SCHEMAS,
    TRAILERS,
    DatasetInfo,
    SceneRow,
    StoredExpert,
    TrailerRecord,
)
from cinegrain.store.writer import quoted, read_trailers
from cinegrain.types import Concept, Int64, Source

_FEW = 64  # up to so many trailers are selected by a filter


@dataclass(frozen=True, eq=False)
class SceneVectors:
    """Vectors of one expert, grouped by trailer.

    Attributes:
        vectors: Shape (r, d), float16; one row for each scene that the expert could embed.
        scenes: Scene index of each row, shape (r,).
        offsets: Rows of trailer i are offsets[i]:offsets[i + 1]; shape (n + 1,).
    """

    vectors: NDArray[np.float16]
    scenes: Int64
    offsets: Int64


@dataclass(frozen=True)
class ConceptRow:
    """Concepts of one expert in one scene."""

    trailer_id: str
    scene: int
    expert: str
    concepts: tuple[Concept, ...]


class EmbeddingDataset:
    """A dataset, read-only. Trailers are sorted by id."""

    def __init__(self, folder: Source) -> None:
        """Opens the dataset.

        Raises:
            StoreError: If there is no dataset, or one of another version.
        """
        self._location = Location(folder)
        if not self._location.has_info():
            raise StoreError(f"{folder} is not an embedding dataset. Create one with `cinegrain extract`.")
        self.info: DatasetInfo = self._location.read_info()
        self._folder = folder

    @cached_property
    def trailers(self) -> tuple[TrailerRecord, ...]:
        """Every complete trailer, sorted by id."""
        return tuple(sorted(read_trailers(self._folder), key=lambda t: t.trailer_id))

    def seen_by(self, experts: Sequence[str]) -> pa.Table:
        """Trailers that all the given experts have processed, unordered: `trailer_id`, `sha256`, `n_scenes`.

        Stays small for millions of trailers, unlike `trailers`.
        """
        columns = ["trailer_id", "sha256", "n_scenes"]
        if not self._location.has_table(TRAILERS):
            return SCHEMAS[TRAILERS].empty_table().select(columns)
        table = lance.dataset(self._location.table(TRAILERS)).to_table(columns=[*columns, "experts"])
        joined = pc.binary_join(table["experts"], ",")
        good = [names for names in joined.unique().to_pylist() if set(experts) <= set(names.split(","))]
        return table.select(columns).filter(pc.is_in(joined, value_set=pa.array(good, pa.string())))

    @property
    def experts(self) -> tuple[StoredExpert, ...]:
        """Experts whose vectors the dataset has."""
        return self.info.experts

    def vectors(self, expert: str, trailer_ids: Sequence[str]) -> SceneVectors:
        """One expert's vectors for the given trailers, in their order.

        Args:
            expert: Its name.
            trailer_ids: Trailers; one that the expert could not embed has no rows.

        Raises:
            StoreError: If the dataset has no such expert.
        """
        dimension = next((one.dimension for one in self.experts if one.name == expert), None)
        if dimension is None:
            known = ", ".join(one.name for one in self.experts)
            raise StoreError(f"The dataset has no expert {expert!r}. It has: {known}.")
        where = f"expert = {quoted([expert])}"
        if len(trailer_ids) <= _FEW:
            where += f" AND trailer_id IN ({quoted(trailer_ids)})" if trailer_ids else " AND false"
        table = self._read(EMBEDDINGS, ["trailer_id", "scene", "vector"], where)
        position = {trailer_id: i for i, trailer_id in enumerate(trailer_ids)}
        owner = np.array([position.get(t, -1) for t in table["trailer_id"].to_pylist()], dtype=np.int64)
        scenes = table["scene"].to_numpy().astype(np.int64)
        flat = pc.list_flatten(table["vector"].combine_chunks()).to_numpy(zero_copy_only=False)
        vectors = np.asarray(flat, dtype=np.float16).reshape(-1, dimension)
        order = np.lexsort((scenes, owner))
        order = order[owner[order] >= 0]
        counts = np.bincount(owner[order], minlength=len(trailer_ids))
        return SceneVectors(vectors[order], scenes[order], np.concatenate([[0], np.cumsum(counts)]))

    def concepts(self, trailer_id: str | None = None) -> list[ConceptRow]:
        """Concepts of every expert and scene, best first; of one trailer or of all."""
        where = None if trailer_id is None else f"trailer_id = {quoted([trailer_id])}"
        table = self._read(EMBEDDINGS, ["trailer_id", "scene", "expert", "concepts"], where)
        return [
            ConceptRow(
                row["trailer_id"],
                row["scene"],
                row["expert"],
                tuple(Concept(c["name"], c["score"]) for c in row["concepts"]),
            )
            for row in table.to_pylist()
            if row["concepts"]
        ]

    def scenes(self, trailer_id: str) -> list[SceneRow]:
        """A trailer's scenes with thumbnails, in order."""
        where = "trailer_id = '" + trailer_id.replace("'", "''") + "'"
        rows = self._read(SCENES, ["scene", "start_s", "end_s", "thumbnail"], where).to_pylist()
        return sorted((SceneRow(**row) for row in rows), key=lambda scene: scene.scene)

    def table(self, table: str) -> lance.LanceDataset:
        """A Lance table.

        Raises:
            StoreError: If the dataset is empty.
        """
        if not self._location.has_table(table):
            raise StoreError(f"{self._location} has no films yet. Run `cinegrain extract` first.")
        return lance.dataset(self._location.table(table))

    def _read(self, table: str, columns: list[str], where: str | None) -> pa.Table:
        return self.table(table).to_table(columns=columns, filter=where)
