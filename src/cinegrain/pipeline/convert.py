"""A dataset in other people's formats: Parquet, safetensors with JSON, WebDataset, MMX-Trailer-20's pickles."""

import io
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.artifacts import write_bytes, write_json
from cinegrain.errors import ConfigError, StoreError
from cinegrain.pipeline.shards import write_shards
from cinegrain.store.reader import EmbeddingDataset, SceneVectors
from cinegrain.store.schema import SceneRow, TrailerRecord
from cinegrain.types import JsonObject, Trailer

FORMATS = ("parquet", "safetensors", "webdataset", "mmx")


@dataclass(frozen=True, eq=False)
class _Contents:
    """A whole dataset in memory: scenes and films by trailer_id, vectors by expert."""

    records: Sequence[TrailerRecord]
    scenes: Mapping[str, Sequence[SceneRow]]
    vectors: Mapping[str, SceneVectors]
    films: Mapping[str, Trailer]


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
    write_json(info, {**dataset.info, "converted_to": form})
    if form == "webdataset":
        rows = {record.trailer_id: film_row(record, films) for record in dataset.trailers}
        return [*write_shards(out, dataset, rows), info]
    writers = {"parquet": _parquet, "safetensors": _safetensors, "mmx": _mmx}
    ids = [record.trailer_id for record in dataset.trailers]
    vectors = {card["name"]: dataset.vectors(card["name"], ids) for card in dataset.cards}
    scenes = {trailer_id: dataset.scenes(trailer_id) for trailer_id in ids}
    return [*writers[form](out, _Contents(dataset.trailers, scenes, vectors, films)), info]


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


def _parquet(out: Path, data: _Contents) -> list[Path]:
    """trailers.parquet, and vectors.parquet with one row a scene and one list column an expert."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"trailer_id": r.trailer_id, "scene": s.scene, "start_s": s.start_s, "end_s": s.end_s}
        for r in data.records
        for s in data.scenes[r.trailer_id]
    ]
    position = {(row["trailer_id"], row["scene"]): i for i, row in enumerate(rows)}
    table = pa.Table.from_pylist(rows)
    for name, found in data.vectors.items():
        column: list[Any] = [None] * len(rows)
        for trailer_id, scene, vector in _rows(data.records, found):
            column[position[trailer_id, scene]] = vector
        table = table.append_column(name, pa.array(column, pa.list_(pa.float16())))
    films_table = pa.Table.from_pylist([film_row(record, data.films) for record in data.records])
    paths = []
    for name, data in (("trailers", films_table), ("vectors", table)):
        buffer = io.BytesIO()
        pq.write_table(data, buffer, compression="zstd")
        write_bytes(out / f"{name}.parquet", buffer.getvalue())
        paths.append(out / f"{name}.parquet")
    return paths


def _safetensors(out: Path, data: _Contents) -> list[Path]:
    """vectors.safetensors with three arrays an expert, and trailers.json in the order that `trailer` counts in."""
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    for name, found in data.vectors.items():
        arrays[f"{name}.vectors"] = np.ascontiguousarray(found.vectors)
        arrays[f"{name}.scene"] = np.ascontiguousarray(found.scenes)
        arrays[f"{name}.trailer"] = np.repeat(np.arange(len(data.records), dtype=np.int64), np.diff(found.offsets))
    write_bytes(out / "vectors.safetensors", save(arrays))
    rows = [
        {**film_row(r, data.films), "scenes": [[s.start_s, s.end_s] for s in data.scenes[r.trailer_id]]}
        for r in data.records
    ]
    write_json(out / "trailers.json", rows)
    return [out / "vectors.safetensors", out / "trailers.json"]


def _mmx(out: Path, data: _Contents) -> list[Path]:
    """A stream of movie records; beside the authors' keys each has trailer_id and title."""
    by_film: dict[str, dict[int, dict[str, np.ndarray]]] = {r.trailer_id: {} for r in data.records}
    for name, found in data.vectors.items():
        for trailer_id, scene, vector in _rows(data.records, found):
            by_film[trailer_id].setdefault(scene, {})[f"{name}-embeddings"] = vector
    buffer = io.BytesIO()
    for record in data.records:
        film = data.films.get(record.trailer_id)
        own = by_film[record.trailer_id]
        pickle.dump(
            {
                "label": (list(film.genres) if film else [], film.year if film else None),
                "path": record.path,
                "trailer_id": record.trailer_id,
                "title": film.title if film else record.trailer_id,
                "scenes": {f"{s.scene:03d}": {"0": own.get(s.scene, {})} for s in data.scenes[record.trailer_id]},
            },
            buffer,
            protocol=4,
        )
    write_bytes(out / "vectors.pkl", buffer.getvalue())
    return [out / "vectors.pkl"]


def _rows(records: Sequence[TrailerRecord], found: SceneVectors) -> Iterator[tuple[str, int, np.ndarray]]:
    for i, record in enumerate(records):
        for row in range(found.offsets[i], found.offsets[i + 1]):
            yield record.trailer_id, int(found.scenes[row]), found.vectors[row]
