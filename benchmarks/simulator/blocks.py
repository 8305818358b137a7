"""Appends whole blocks of trailers from arrays, for corpora too large to be handled trailer by trailer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import lance
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cinegrain.errors import StoreError
from cinegrain.store.location import Location
from cinegrain.store.schema import (
    EMBEDDINGS,
    FORMAT,
    SCENES,
    SCHEMAS,
    TRAILERS,
    DatasetInfo,
    StoredExpert,
    TrailerRecord,
)
from cinegrain.store.writer import quoted
from cinegrain.types import Float64, Int64, JsonObject, Source


@dataclass(frozen=True, eq=False)
class BlockVectors:
    """One expert's vectors for a block.

    Attributes:
        rows: Scene of each vector as a row of the block's scenes, shape (r,).
        vectors: Shape (r, d), finite.
    """

    rows: Int64
    vectors: NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Block:
    """Some trailers whose ids rise, and all their scenes one after the other.

    Attributes:
        records: n trailers.
        owner: Trailer of each scene, 0..n-1, rising; shape (s,).
        scene: Index of each scene within its trailer, shape (s,).
        start_s: Shape (s,).
        end_s: Shape (s,).
        experts: Vectors by expert name.
    """

    records: Sequence[TrailerRecord]
    owner: Int64
    scene: Int64
    start_s: Float64
    end_s: Float64
    experts: Mapping[str, BlockVectors]


class BlockWriter:
    """Fills a dataset of its own whose trailers come in the order of their ids; keeps none of them in memory.

    A block is whole when its trailers' rows, written last, are there; what a kill left without them is taken out when
    the dataset is opened again. Killed at any moment, `n_trailers` says where to go on.
    """

    def __init__(self, folder: Source, *, experts: Sequence[StoredExpert], settings: JsonObject) -> None:
        """Opens or creates the dataset.

        Args:
            folder: Where it lies.
            experts: What is to be stored of each expert.
            settings: What the dataset is made with.

        Raises:
            StoreError: If there is one that was made otherwise, or it cannot be written.
        """
        self._location = Location(folder)
        info = DatasetInfo(FORMAT, tuple(experts), settings)
        if self._location.has_info() and self._location.read_info().experts != info.experts:
            raise StoreError(f"{folder} holds a dataset that was made otherwise. Choose another folder for this one.")
        self._location.drop_empty_tables()
        self._location.write_info(info)
        self.n_trailers = self._count()
        self._sweep()

    def append(self, block: Block) -> None:
        """Adds a block; when this returns it is on disk, and a kill in between leaves none of it.

        Raises:
            StoreError: If a vector is not finite, or the disk is full.
        """
        owner = pa.array([record.trailer_id for record in block.records], pa.string()).take(pa.array(block.owner))
        tables = [_embeddings(name, part, block, owner) for name, part in block.experts.items() if len(part.rows)]
        nothing = pa.nulls(len(owner), pa.binary())
        columns = [owner, pa.array(block.scene, pa.int32()), pa.array(block.start_s), pa.array(block.end_s), nothing]
        self._append(SCENES, pa.Table.from_arrays(columns, schema=SCHEMAS[SCENES]))
        if tables:
            self._append(EMBEDDINGS, pa.concat_tables(tables))
        self._append(TRAILERS, pa.Table.from_pylist([asdict(record) for record in block.records], SCHEMAS[TRAILERS]))
        self.n_trailers += len(block.records)

    def _count(self) -> int:
        if not self._location.has_table(TRAILERS):
            return 0
        return int(lance.dataset(self._location.table(TRAILERS)).count_rows())

    def _sweep(self) -> None:
        """Deletes rows beyond the last whole trailer; ids rise, so they are the greater ones."""
        last = ""
        if self.n_trailers:
            tail = lance.dataset(self._location.table(TRAILERS)).to_table(
                columns=["trailer_id"], offset=self.n_trailers - 1, limit=1
            )
            last = tail["trailer_id"][0].as_py()
        for table in (SCENES, EMBEDDINGS):
            if self._location.has_table(table):
                with self._location.writing(table) as path:
                    lance.dataset(path).delete(f"trailer_id > {quoted([last])}")

    def _append(self, table: str, data: pa.Table) -> None:
        with self._location.writing(table) as path:
            mode = "append" if self._location.has_table(table) else "create"
            lance.write_dataset(data, path, mode=mode)


def _embeddings(name: str, part: BlockVectors, block: Block, owner: pa.Array) -> pa.Table:
    """Rows of one expert.

    Raises:
        StoreError: If a vector is not finite.
    """
    n, d = part.vectors.shape
    if not np.isfinite(part.vectors).all():
        raise StoreError(f"Expert {name} gave a vector that is not finite, after {block.records[0].trailer_id!r}.")
    schema, rows = SCHEMAS[EMBEDDINGS], pa.array(part.rows)
    flat = pa.array(np.ascontiguousarray(part.vectors).ravel())
    limits = pa.array(np.arange(0, n * d + 1, d, dtype=np.int32))
    words = schema.field("concepts").type
    columns = {
        "trailer_id": owner.take(rows),
        "scene": pa.array(block.scene[part.rows], pa.int32()),
        "expert": pa.repeat(pa.scalar(name), n),
        "start_s": pa.array(block.start_s[part.rows]),
        "end_s": pa.array(block.end_s[part.rows]),
        "vector": pa.ListArray.from_arrays(limits, flat, type=schema.field("vector").type),
        "concepts": pa.ListArray.from_arrays(np.zeros(n + 1, np.int32), pa.array([], words.value_type), type=words),
    }
    return pa.Table.from_arrays([columns[column] for column in schema.names], schema=schema)
