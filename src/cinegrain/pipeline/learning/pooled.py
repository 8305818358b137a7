"""Vectors for training: scenes read on demand, mean vectors as memory-mapped files."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from cinegrain.errors import StoreError
from cinegrain.runs.artifacts import is_current, key_of, write_bytes, write_json
from cinegrain.runs.layout import Run
from cinegrain.store.location import Location
from cinegrain.store.pool import pool_scenes
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.types import Trailer


class StoredScenes(Mapping[str, ExpertArray]):
    """All scenes of some trailers by expert; those of an expert are read on first use."""

    def __init__(self, dataset: EmbeddingDataset, names: Sequence[str], trailers: Sequence[Trailer]) -> None:
        self._dataset, self._names, self._trailers = dataset, tuple(names), trailers
        self._read: dict[str, ExpertArray] = {}

    @cached_property
    def _ids(self) -> list[str]:
        return [trailer.trailer_id for trailer in self._trailers]

    def __getitem__(self, name: str) -> ExpertArray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            found = self._dataset.vectors(name, self._ids)
            self._read[name] = ExpertArray(found.vectors, found.scenes, found.offsets)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def mapped_arrays(run: Run, trailer_ids: Sequence[str], experts: Sequence[str], *, key: str) -> TrailerArrays:
    """One memory-mapped vector per trailer and expert, from `RUN/pooled`, which is created if needed.

    Networks that average scenes give the same results with these. Memory holds ids and row numbers; the operating
    system caches the vectors.

    Args:
        run: The run.
        trailer_ids: n trailers.
        experts: Experts.
        key: Hash of these trailers and their files.

    Raises:
        StoreError: If there is no dataset, or the run folder cannot be written.
    """
    stored = {expert.name: expert for expert in Location(run.dataset).read_info().experts}
    folder = run.folder / "pooled"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"Cannot create {folder}: {error.strerror}. Make the run folder writable.") from error
    arrays = {}
    for name in experts:
        note, file, rows = (folder / f"{name}.{kind}" for kind in ("json", "npy", "present"))
        own = key_of("pooled", stored[name].key, key)
        if not (is_current(note, own) and file.is_file() and rows.is_file()):
            note.unlink(missing_ok=True)
            present = pool_scenes(run.dataset, name, stored[name].dimension, trailer_ids, file)
            write_bytes(rows, np.packbits(present).tobytes())
            write_json(note, {"key": own})
        present = np.unpackbits(np.fromfile(rows, dtype=np.uint8), count=len(trailer_ids)).astype(bool)
        vectors = np.load(file, mmap_mode="r")
        offsets = np.concatenate([[0], np.cumsum(present)])
        arrays[name] = ExpertArray(vectors, np.zeros(len(vectors), dtype=np.int64), offsets)
    return TrailerArrays(arrays)
