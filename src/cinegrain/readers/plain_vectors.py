"""Reads vectors by id from .npz, Parquet, CSV or TSV, with a catalogue by id.

npz       an array of ids, shape (n,), and one array per set, shape (n, d); with an array `scene`, several rows per film
Parquet   an id column, and a list column or numbered columns (`name_0`, `name_1`, ...) per set; `scene` as above
CSV, TSV  an id column and numbered columns per set; `scene` as above
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.errors import DataError, UnsafeFileError
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.readers.foreign import (
    MAX_SCENES,
    ExpertRows,
    ForeignTrailer,
    as_rows,
    expert_name,
)
from cinegrain.readers.ids import ID_COLUMNS, join, plain_id, read_id_catalog
from cinegrain.types import Float32
from cinegrain.untrusted.safe_npz import read_npz
from cinegrain.untrusted.safe_pickle import check_is_file

MAX_TABLE_BYTES = 8 << 30
SCENE_COLUMNS = ("scene", "scene_id", "scenes")
_NUMBERED = re.compile(r"(.+?)[_.\[:-]?(\d+)\]?")


class PlainVectors:
    """An opened table of vectors."""

    def __init__(self, path: Path, catalog: Path, reading: Reading = AS_FOUND) -> None:
        """Reads the table and the catalogue.

        Args:
            path: Vectors; the format is given by the extension.
            catalog: Titles and genres by the same ids.
            reading: How to read its columns and genres.

        Raises:
            DataError: If the vectors cannot be used.
            ConfigError: If the catalogue cannot be used.
        """
        self.path = path
        self.kind = path.suffix.lower().lstrip(".")
        columns = read_npz(path) if self.kind == "npz" else _read_table(path)
        ids, scenes, kinds, notes = _sort_out(columns, path)
        self._vectors: dict[str, Float32] = {}
        for name, values in kinds.items():
            if expert_name(name) in self._vectors:
                raise DataError(f"{path} has two sets of vectors called {name!r}. Rename one.")
            self._vectors[expert_name(name)] = as_rows(values, f"{path}: {name!r}")
        self._rows = _rows_by_id(ids, scenes, path)
        self._scenes = scenes
        self.trailers, more = join(list(self._rows), read_id_catalog(catalog, path, reading))
        if not self.trailers:
            some = next(iter(self._rows), "none")
            raise DataError(f"No id of {path} (for example {some!r}) is in the catalogue {catalog}. {more[-1]}.")
        self._notes = [*notes, *more]

    @property
    def notes(self) -> list[str]:
        """A plain sentence for each oddity."""
        return self._notes

    def read(self) -> Iterator[ForeignTrailer]:
        """Reads the films one by one. A row of NaN alone counts as absent."""
        for trailer in self.trailers:
            rows = self._rows[trailer.trailer_id]
            experts = {}
            for name, values in self._vectors.items():
                there = ~np.isnan(values[rows]).all(axis=1)
                if there.any():
                    experts[name] = ExpertRows(np.flatnonzero(there).astype(np.int64), values[rows[there]])
            yield ForeignTrailer(trailer, len(rows), experts)


def _rows_by_id(ids: list[str], scenes: np.ndarray | None, path: Path) -> dict[str, np.ndarray]:
    """Row indices of each id, by scene."""
    rows: dict[str, list[int]] = {}
    for i, trailer_id in enumerate(ids):
        rows.setdefault(trailer_id, []).append(i)
    doubled = [trailer_id for trailer_id, found in rows.items() if len(found) > 1]
    if scenes is None:
        if doubled:
            raise DataError(f"{path} has duplicate ids and no column `scene`: {', '.join(doubled[:3])}.")
        return {trailer_id: np.array(found) for trailer_id, found in rows.items()}
    result = {}
    for trailer_id, found in rows.items():
        own = scenes[found]
        if len(set(own.tolist())) != len(own) or len(own) > MAX_SCENES:
            raise DataError(f"{path} holds a scene of {trailer_id!r} twice, or more than {MAX_SCENES:,} scenes.")
        result[trailer_id] = np.array(found)[np.argsort(own, kind="stable")]
    return result


def _sort_out(
    columns: Mapping[str, np.ndarray], path: Path
) -> tuple[list[str], np.ndarray | None, dict[str, np.ndarray], list[str]]:
    """Finds the columns of ids, scenes and vectors."""
    by_lower = {name.strip().lower(): name for name in reversed(list(columns))}
    id_name = next((by_lower[n] for n in (*ID_COLUMNS, "ids") if n in by_lower), None)
    if id_name is None:
        flat = [n for n, v in columns.items() if v.ndim == 1 and v.dtype.kind in "iuUSO"]
        if len(flat) != 1:
            raise DataError(
                f"{path} has no column of ids (trailer_id, id, itemId, imdb_id ...); it has: {', '.join(columns)}."
            )
        id_name = flat[0]
    raw_ids = columns[id_name]
    if raw_ids.ndim != 1 or not len(raw_ids):
        raise DataError(f"{path}: the ids {id_name!r} have shape {raw_ids.shape}; expected (n,) with n above 0.")
    ids = [plain_id(value) for value in raw_ids.tolist()]
    scene_name = next((by_lower[n] for n in SCENE_COLUMNS if n in by_lower), None)
    scenes = columns[scene_name] if scene_name else None
    if scenes is not None:
        try:
            scenes = scenes.astype(np.int64)
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}: the column {scene_name!r} must have whole numbers: {error}.") from error
    kinds, left = {}, []
    for name, values in columns.items():
        if name in (id_name, scene_name):
            continue
        if values.ndim == 2 and values.dtype.kind in "fiu":
            kinds[name] = values
        else:
            left.append(name)
    wrong = [name for name, values in [*kinds.items(), *([("scene", scenes)] if scenes is not None else [])]
             if len(values) != len(ids)]  # fmt: skip
    if wrong:
        name = wrong[0]
        raise DataError(f"{path}: {name!r} has {len(columns.get(name, []))} rows, but there are {len(ids)} ids.")
    if not kinds:
        raise DataError(f"{path} has no vectors, which are arrays of shape (n, d); found {', '.join(left) or 'none'}.")
    notes = [f"columns of {path.name} that are not vectors are ignored: {', '.join(left[:8])}"] if left else []
    return ids, scenes, kinds, notes


def _read_table(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() not in (".parquet", ".csv", ".tsv"):
        raise DataError(f"{path}: vectors are read from .npz, .parquet, .csv and .tsv, not {path.suffix or 'this'}.")
    size = check_is_file(path)
    if size > MAX_TABLE_BYTES:
        raise UnsafeFileError(f"{path} has {size:,} bytes; the maximum is {MAX_TABLE_BYTES:,}. Split it.")
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    try:
        if path.suffix.lower() == ".parquet":
            _check_parquet(pq.ParquetFile(path).metadata, path)
            found = pq.read_table(path)
        else:
            tab = pacsv.ParseOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            found = pacsv.read_csv(path, parse_options=tab)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise UnsafeFileError(f"{path} is not a readable table: {str(error)[:200]}. Copy it again.") from error
    return _columns(found, path)


def _check_parquet(metadata: Any, path: Path) -> None:
    total = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    values = sum(
        metadata.row_group(i).column(j).num_values
        for i in range(metadata.num_row_groups)
        for j in range(metadata.num_columns)
    )
    if max(total, 4 * values) > MAX_TABLE_BYTES:
        raise UnsafeFileError(f"{path} would unpack to more than {MAX_TABLE_BYTES:,} bytes. Split it.")


def _columns(found: Any, path: Path) -> dict[str, np.ndarray]:
    """List columns as (n, d) arrays, numbered columns joined, missing rows as NaN."""
    import pyarrow as pa

    result: dict[str, np.ndarray] = {}
    numbered: dict[str, list[tuple[int, np.ndarray]]] = {}
    for name, column in zip(found.column_names, found.columns, strict=True):
        kind = column.type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        match = _NUMBERED.fullmatch(name)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            result[name] = _list_column(column, f"{path}: {name!r}")
        elif match and (is_number or pa.types.is_null(kind)) and name.strip().lower() not in ID_COLUMNS:
            values = column.to_numpy(zero_copy_only=False)
            values = np.full(len(column), np.nan, np.float32) if pa.types.is_null(kind) else values.astype(np.float32)
            numbered.setdefault(match[1], []).append((int(match[2]), values))
        else:
            result[name] = np.asarray(column.to_pylist(), dtype=None if is_number else object)
    for name, parts in numbered.items():
        result[name] = np.stack([values for _, values in sorted(parts, key=lambda part: part[0])], axis=1)
    return result


def _list_column(column: Any, where: str) -> Float32:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    known = lengths[~np.isnan(lengths.astype(np.float64))]
    sizes = sorted({int(n) for n in known.tolist()} - {0})
    if len(sizes) != 1:
        raise DataError(f"{where} holds lists of lengths {sizes[:5]}; expected one length.")
    there = np.nan_to_num(lengths.astype(np.float64)) > 0
    try:
        flat = pc.list_flatten(column).to_numpy(zero_copy_only=False).astype(np.float32)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where} holds lists that are not made of numbers.") from error
    values = np.full((len(there), sizes[0]), np.nan, np.float32)
    values[there] = flat.reshape(-1, sizes[0])
    return values
