"""Mean scene vector of each trailer, in a memory-mapped file, in bounded memory."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from cinegrain.errors import StoreError
from cinegrain.store.location import Location
from cinegrain.store.schema import EMBEDDINGS
from cinegrain.store.writer import quoted
from cinegrain.types import Bool, Int64, Source

ROWS_PER_BATCH = 4096  # read at once


def pool_scenes(place: Source, expert: str, dimension: int, trailer_ids: Sequence[str], out: Path) -> Bool:
    """Writes the mean scene vector of each trailer that the expert could embed, in the order of the ids.

    Memory holds the ids, a count for each, and some thousand vectors. Table rows may be in any order.

    Args:
        place: The dataset.
        expert: Its name.
        dimension: Length d of its vectors.
        trailer_ids: n ids.
        out: .npy file to write, shape (m, d), for m trailers with vectors: float16 if each has one scene, else float32.

    Returns:
        Which trailers have a row, shape (n,).

    Raises:
        StoreError: If the file cannot be written.
    """
    ids = np.array([name.encode() for name in trailer_ids])  # a quarter of the memory of Python strings
    order = np.argsort(ids)
    counts = np.zeros(len(ids), dtype=np.int64)
    for owner, _ in _batches(place, expert, ids, order, with_vectors=False):
        counts += np.bincount(owner, minlength=len(ids))
    present = counts > 0
    row = np.cumsum(present) - 1
    kind = np.float16 if counts.max(initial=0) <= 1 else np.float32
    part = out.with_name(f".{out.name}.{os.getpid()}.part")  # two processes may pool the same at once
    try:
        pooled = np.lib.format.open_memmap(part, mode="w+", dtype=kind, shape=(int(present.sum()), dimension))
        _reserve(part)
        for owner, vectors in _batches(place, expert, ids, order, with_vectors=True):
            films, column = np.unique(owner, return_inverse=True)
            weights = (1 / counts[owner]).astype(np.float32)
            mix = sparse.csr_array((weights, (column, np.arange(len(owner)))), shape=(len(films), len(owner)))
            pooled[row[films]] += (mix @ vectors.reshape(-1, dimension).astype(np.float32)).astype(kind)
        pooled.flush()
        del pooled
        part.replace(out)
    except OSError as error:
        raise StoreError(
            f"Cannot write {out}: {error.strerror or error}. Free some space there, or make the folder writable, "
            "and run the same command again."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return present


def _reserve(path: Path) -> None:
    """Allocates the file on disk: writing to a sparse mapped file on a full disk would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _batches(
    place: Source, expert: str, ids: np.ndarray, order: Int64, *, with_vectors: bool
) -> Iterator[tuple[Int64, np.ndarray]]:
    """Batches of vectors with the position of each one's trailer among the ids; other trailers are skipped."""
    columns = ["trailer_id", *(["vector"] if with_vectors else [])]
    dataset = lance.dataset(Location(place).table(EMBEDDINGS))
    for batch in dataset.to_batches(columns=columns, filter=f"expert = {quoted([expert])}", batch_size=ROWS_PER_BATCH):
        if not len(batch):
            continue
        names = np.array([name.encode() for name in batch["trailer_id"].to_pylist()])
        place_in_order = np.minimum(np.searchsorted(ids, names, sorter=order), len(ids) - 1)
        owner = order[place_in_order]
        known = ids[owner] == names
        if not with_vectors:
            yield owner[known], np.zeros(0)
        elif known.all():
            yield owner, _flat(batch["vector"])
        else:
            yield owner[known], _flat(batch["vector"].filter(pa.array(known)))


def _flat(vectors: pa.ListArray) -> np.ndarray:
    return np.asarray(pc.list_flatten(vectors).to_numpy(zero_copy_only=False))
