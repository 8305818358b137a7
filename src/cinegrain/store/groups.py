"""Reads a dataset some hundred trailers at a time, in bounded memory."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinegrain.store.reader import EmbeddingDataset, SceneVectors
from cinegrain.store.schema import EMBEDDINGS, SCENES, TrailerRecord
from cinegrain.types import Float64, Int64

TRAILERS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Group:
    """Some trailers with all their data except concepts and thumbnails.

    Attributes:
        records: n trailers in the order of their ids.
        times_s: Start and end of each one's scenes in seconds, n arrays of shape (s, 2).
        vectors: By expert, as for `EmbeddingDataset.vectors`.
    """

    records: Sequence[TrailerRecord]
    times_s: Sequence[Float64]
    vectors: Mapping[str, SceneVectors]


class Groups:
    """A dataset's trailers in groups that are read one at a time; may be iterated repeatedly.

    Memory holds one group, and twelve bytes per row of the tables.
    """

    def __init__(
        self,
        dataset: EmbeddingDataset,
        *,
        trailers_at_once: int = TRAILERS_AT_ONCE,
        experts: Sequence[str] | None = None,
    ) -> None:
        """Indexes the rows of the tables.

        Args:
            dataset: What to read.
            trailers_at_once: Size of a group.
            experts: Whose vectors; all if not given.

        Raises:
            StoreError: If the dataset is empty.
        """
        self._dataset, self._size = dataset, trailers_at_once
        self._experts = [one for one in dataset.experts if experts is None or one.name in experts]
        self._scenes = _Rows(dataset.table(SCENES), dataset.trailers)
        self._embeddings = _Rows(dataset.table(EMBEDDINGS), dataset.trailers, [expert.name for expert in self._experts])

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Number and dimension of each expert's vectors, over all groups."""
        ids = pa.array([record.trailer_id for record in self._dataset.trailers], pa.string())
        counts: Counter[str] = Counter()
        for batch in self._dataset.table(EMBEDDINGS).to_batches(columns=["trailer_id", "expert"]):
            experts = batch["expert"].filter(pc.is_in(batch["trailer_id"], ids))
            counts.update({row["values"]: row["counts"] for row in pc.value_counts(experts).to_pylist()})
        return {expert.name: (counts[expert.name], expert.dimension) for expert in self._experts}

    def __len__(self) -> int:
        return -(-len(self._dataset.trailers) // self._size)

    def __iter__(self) -> Iterator[Group]:
        for start in range(0, len(self._dataset.trailers), self._size):
            yield self._group(start, min(start + self._size, len(self._dataset.trailers)))

    def _group(self, start: int, stop: int) -> Group:
        owner, scenes = self._scenes.read(start, stop, ["scene", "start_s", "end_s"])
        order = np.lexsort((scenes["scene"].to_numpy(), owner))
        times = np.stack([scenes["start_s"].to_numpy(), scenes["end_s"].to_numpy()], axis=1)[order]
        ends = np.cumsum(np.bincount(owner, minlength=stop - start))
        found = self._embeddings.read(start, stop, ["expert", "scene", "vector"])
        vectors = {one.name: _vectors(one.name, one.dimension, *found, n=stop - start) for one in self._experts}
        return Group(self._dataset.trailers[start:stop], np.split(times, ends[:-1]), vectors)


class _Rows:
    """Index of a table's rows by trailer; those of one trailer need not be contiguous."""

    def __init__(
        self, table: lance.LanceDataset, trailers: Sequence[TrailerRecord], experts: Sequence[str] | None = None
    ) -> None:
        self._table = table
        position = {record.trailer_id: i for i, record in enumerate(trailers)}
        parts = [np.zeros(0, np.int32)]
        for batch in table.to_batches(columns=["trailer_id", *(["expert"] if experts is not None else [])]):
            names = batch["trailer_id"].dictionary_encode()
            known = np.array([position.get(name, -1) for name in names.dictionary.to_pylist()], np.int32)
            owner = known[names.indices.to_numpy()]
            if experts is not None:
                wanted = pc.is_in(batch["expert"], pa.array(list(experts), pa.string()))
                owner[~wanted.to_numpy(zero_copy_only=False)] = -1
            parts.append(owner)
        self._owner = np.concatenate(parts)
        self._order = np.argsort(self._owner, kind="stable")
        self._offsets = np.searchsorted(self._owner, np.arange(len(trailers) + 1), sorter=self._order)

    def read(self, start: int, stop: int, columns: list[str]) -> tuple[Int64, pa.Table]:
        """Rows of the trailers start..stop-1 in table order, and for each the position of its trailer."""
        rows = np.sort(self._order[self._offsets[start] : self._offsets[stop]])
        return self._owner[rows].astype(np.int64) - start, self._table.take(rows.tolist(), columns=columns)


def _vectors(expert: str, dimension: int, owner: Int64, rows: pa.Table, *, n: int) -> SceneVectors:
    mine = pc.equal(rows["expert"], expert).to_numpy()
    own, scenes = owner[mine], rows["scene"].to_numpy()[mine].astype(np.int64)
    flat = pc.list_flatten(rows["vector"].filter(pa.array(mine)).combine_chunks())
    vectors = np.asarray(flat.to_numpy(zero_copy_only=False), np.float16).reshape(-1, dimension)
    order = np.lexsort((scenes, own))
    counts = np.bincount(own, minlength=n)
    return SceneVectors(vectors[order], scenes[order], np.concatenate([[0], np.cumsum(counts)]))
