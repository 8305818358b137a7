"""Reads clip features in a Zarr store, as in Trailers12k, with a catalogue by id.

root/<id>            one array per film, shape (clips, d) or (d,); the expert has the store's name
root/<expert>/<id>   the same, for several experts
root/<expert>        one array for all films, shape (n, clips, d) or (n, d), beside an array of ids, shape (n,)
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.errors import DataError, UnsafeFileError
from cinegrain.extras import require
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.readers.foreign import (
    MAX_SCENES,
    MAX_TRAILER_BYTES,
    ExpertRows,
    ForeignTrailer,
    Oddities,
    as_rows,
    check_dimension,
    expert_name,
)
from cinegrain.readers.ids import ID_COLUMNS, join, plain_id, read_id_catalog


class Trailers12kVectors:
    """An opened Zarr store."""

    kind = "trailers12k"

    def __init__(self, path: Path, catalog: Path, reading: Reading = AS_FOUND) -> None:
        """Lists the arrays of the store; vectors are read later, film by film.

        Args:
            path: Folder of the store.
            catalog: Titles and genres by the same ids.
            reading: How to read its columns and genres.

        Raises:
            ConfigError: If zarr is not installed, or the catalogue cannot be used.
            DataError: If the store cannot be used.
        """
        require("Reading Zarr stores", "zarr")
        import zarr

        self.path = path
        try:
            root = zarr.open(str(path), mode="r")
        except Exception as error:  # zarr raises errors of many kinds
            raise UnsafeFileError(f"{path} is not a readable Zarr store: {str(error)[:200]}") from error
        self._oddities = Oddities()
        self._dimensions: dict[str, int] = {}
        self._places: dict[str, dict[str, tuple[Any, int | None]]] = {}  # id -> expert -> array, row
        if not hasattr(root, "arrays"):
            raise DataError(f"{path} is a single Zarr array without ids. Give a group of arrays by id.")
        self._index(root)
        if not self._places:
            raise DataError(f"{path} has no arrays of vectors.")
        self.trailers, self._joined = join(list(self._places), read_id_catalog(catalog, path, reading))
        if not self.trailers:
            raise DataError(f"No id of {path} (for example {next(iter(self._places))!r}) is in {catalog}.")

    @property
    def notes(self) -> list[str]:
        """A note for each oddity."""
        return [*self._joined, *self._oddities.lines()]

    def read(self) -> Iterator[ForeignTrailer]:
        """Reads the films one by one; each clip is a scene."""
        for trailer in self.trailers:
            experts: dict[str, ExpertRows] = {}
            for expert, (array, row) in self._places[trailer.trailer_id].items():
                where = f"{self.path}: {expert!r} of {trailer.trailer_id!r}"
                rows = as_rows(_values(array, row, where), where)
                check_dimension(self._dimensions, expert, rows.shape[1], where)
                there = ~np.isnan(rows).all(axis=1)  # films of fewer clips are padded
                if there.any():
                    experts[expert] = ExpertRows(np.flatnonzero(there).astype(np.int64), rows[there])
            n_scenes = max((int(rows.scenes[-1]) + 1 for rows in experts.values()), default=0)
            yield ForeignTrailer(trailer, n_scenes, experts)

    def _index(self, root: Any) -> None:
        arrays = dict(root.arrays())
        ids_name = next((n for n in arrays if n.lower() in (*ID_COLUMNS, "ids") and arrays[n].ndim == 1), None)
        if ids_name is not None:
            ids = [plain_id(v) for v in _values(arrays[ids_name], None, f"{self.path}: {ids_name!r}").tolist()]
            for name, array in arrays.items():
                if name == ids_name or array.ndim not in (2, 3):
                    continue
                if array.shape[0] != len(ids):
                    raise DataError(f"{self.path}: {name!r} has {array.shape[0]} rows, but there are {len(ids)} ids.")
                for row, trailer_id in enumerate(ids):
                    self._places.setdefault(trailer_id, {})[expert_name(name)] = (array, row)
            return
        for name, array in arrays.items():
            self._places.setdefault(plain_id(name), {})[expert_name(self.path.stem)] = (array, None)
        for group_name, group in root.groups():
            for name, array in group.arrays():
                self._places.setdefault(plain_id(name), {})[expert_name(group_name)] = (array, None)


def _values(array: Any, row: int | None, where: str) -> np.ndarray:
    """Values of one film, after a check of their declared size."""
    shape = array.shape if row is None else array.shape[1:]
    chunk = math.prod(array.chunks) * array.dtype.itemsize
    if math.prod(shape) * array.dtype.itemsize > MAX_TRAILER_BYTES or chunk > MAX_TRAILER_BYTES:
        raise UnsafeFileError(
            f"{where} claims shape {array.shape} in chunks of {chunk:,} bytes; at most 1 GiB is read."
        )
    if len(shape) == 2 and shape[0] > MAX_SCENES:
        raise UnsafeFileError(f"{where} claims {shape[0]:,} clips; the maximum is {MAX_SCENES:,}.")
    try:
        return np.asarray(array[:] if row is None else array[row])
    except Exception as error:  # codecs raise errors of many kinds
        raise UnsafeFileError(f"{where} cannot be read: {str(error)[:200]}") from error
