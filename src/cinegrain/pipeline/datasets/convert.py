"""Converts a dataset to Parquet, safetensors with JSON, or WebDataset.

All are written some hundred films at a time, so that memory does not grow with the number of films.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.errors import ConfigError, StoreError
from cinegrain.pipeline.datasets.shards import write_shards
from cinegrain.pipeline.datasets.tensor_file import TensorFile
from cinegrain.runs.artifacts import rows_written, write_json, written_whole
from cinegrain.store.groups import TRAILERS_AT_ONCE, Group, Groups
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import TrailerRecord
from cinegrain.types import JsonObject, Trailer

FORMATS = ("parquet", "safetensors", "webdataset")


def convert(dataset: EmbeddingDataset, films: Mapping[str, Trailer], form: str, out: Path) -> list[Path]:
    """Writes a dataset anew in another format.

    Args:
        dataset: It.
        films: Titles and genres by trailer_id, as far as they are known.
        form: One of FORMATS.
        out: A new or empty folder.

    Returns:
        The files.

    Raises:
        ConfigError: If the format is unknown.
        StoreError: If the folder holds anything, or cannot be written.
    """
    if form not in FORMATS:
        raise ConfigError(f"--to must be one of {', '.join(FORMATS)}; found {form!r}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out} exists and is not empty. Choose a new folder for --out.")
    info = out / "dataset.json"
    write_json(info, {**asdict(dataset.info), "converted_to": form})
    writers = {"parquet": _parquet, "safetensors": _safetensors, "webdataset": write_shards}
    rows = {record.trailer_id: film_row(record, films) for record in dataset.trailers}
    return [*writers[form](out, Groups(dataset, trailers_at_once=TRAILERS_AT_ONCE), rows), info]


def film_row(record: TrailerRecord, films: Mapping[str, Trailer]) -> JsonObject:
    """A trailer's record with title, year and genres where the catalogue is known."""
    film = films.get(record.trailer_id)
    return {
        "trailer_id": record.trailer_id,
        "title": film.title if film else record.trailer_id,
        "year": film.year if film else None,
        "genres": list(film.genres) if film else [],
        **{k: v for k, v in asdict(record).items() if k not in ("trailer_id", "facts")},
        "flags": list(record.flags),
        "experts": list(record.experts),
    }


def _parquet(out: Path, groups: Groups, rows: Mapping[str, JsonObject]) -> list[Path]:
    """trailers.parquet, and vectors.parquet with one row a scene and one list column an expert; a row group a group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    films, vectors = out / "trailers.parquet", out / "vectors.parquet"
    with written_whole(films) as file:
        pq.write_table(pa.Table.from_pylist(list(rows.values())), file, compression="zstd")
    with written_whole(vectors) as file:
        writer: pq.ParquetWriter | None = None
        for group in groups:
            table = _scene_table(group)
            writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()
    return [films, vectors]


def _scene_table(group: Group) -> Any:
    import pyarrow as pa

    counts = [len(times) for times in group.times_s]
    first_row = np.concatenate([[0], np.cumsum(counts)])
    times = np.concatenate(group.times_s)
    columns = {
        "trailer_id": pa.array([r.trailer_id for r, n in zip(group.records, counts, strict=True) for _ in range(n)]),
        "scene": pa.array(np.concatenate([np.arange(n) for n in counts])),
        "start_s": pa.array(times[:, 0]),
        "end_s": pa.array(times[:, 1]),
    }
    for name, found in group.vectors.items():
        row = np.repeat(first_row[:-1], np.diff(found.offsets)) + found.scenes
        taken = np.full(first_row[-1], -1)
        taken[row] = np.arange(len(row))
        wide = pa.FixedSizeListArray.from_arrays(pa.array(found.vectors.ravel()), found.vectors.shape[1])
        place = pa.array(taken, mask=taken < 0)
        columns[name] = wide.cast(pa.list_(pa.float16())).take(place)
    return pa.table(columns)


def _safetensors(out: Path, groups: Groups, rows: Mapping[str, JsonObject]) -> list[Path]:
    """vectors.safetensors with three arrays an expert, and trailers.json in the order that `trailer` counts in."""
    tensors: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {}
    for name, (n, d) in groups.shapes().items():
        tensors[f"{name}.vectors"] = (np.float16, (n, d))
        tensors[f"{name}.scene"] = (np.int64, (n,))
        tensors[f"{name}.trailer"] = (np.int64, (n,))
    n_before = 0
    with written_whole(out / "vectors.safetensors") as vectors, rows_written(out / "trailers.json") as add:
        file = TensorFile(vectors, tensors)
        for group in groups:
            for name, found in group.vectors.items():
                trailer = np.repeat(np.arange(len(group.records)) + n_before, np.diff(found.offsets))
                file.append(f"{name}.vectors", found.vectors)
                file.append(f"{name}.scene", found.scenes)
                file.append(f"{name}.trailer", trailer)
            for record, times in zip(group.records, group.times_s, strict=True):
                add({**rows[record.trailer_id], "scenes": times.tolist()})
            n_before += len(group.records)
    return [out / "vectors.safetensors", out / "trailers.json"]
