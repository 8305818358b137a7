"""Checks a dataset: shapes, values, scenes, and source files."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinegrain.errors import StoreError
from cinegrain.store.location import Location
from cinegrain.store.schema import (
    EMBEDDINGS,
    INFO_FILE,
    SCENES,
    SCHEMAS,
    TRAILERS,
    TrailerRecord,
)
from cinegrain.types import Source

GAP_S = 1e-3  # seconds; only for rounding, since times are float64


@dataclass(frozen=True)
class Fault:
    """A fault: its kind, where, and what was found."""

    kind: str
    where: str
    found: str


@dataclass(frozen=True)
class Verified:
    """Numbers of things checked, and all faults."""

    n_trailers: int
    n_scenes: int
    n_vectors: int
    n_files_checked: int
    n_files_gone: int
    faults: tuple[Fault, ...]


def verify(folder: Source, *, is_unchanged: Callable[[TrailerRecord], bool | None]) -> Verified:
    """Checks a dataset. Memory holds the ids and the scenes' times.

    Args:
        folder: The dataset.
        is_unchanged: Whether a trailer's source file is unchanged; None if it no longer exists, which is counted but
            not a fault.

    Raises:
        StoreError: If there is no dataset, or one of another version.
    """
    location = Location(folder)
    if not location.has_info():
        raise StoreError(f"{folder} is not an embedding dataset (no {INFO_FILE}).")
    info = location.read_info()
    faults: list[Fault] = []
    dimensions = {expert.name: expert.dimension for expert in info.experts}
    records = _trailers(location, dimensions, faults)
    scenes, n_scenes = _scenes(location, records, faults)
    n_vectors = _embeddings(location, records, scenes, dimensions, faults)
    checked, gone = _sources(records, is_unchanged, faults)
    return Verified(len(records), n_scenes, n_vectors, checked, gone, tuple(faults))


def _trailers(location: Location, dimensions: Mapping[str, int], faults: list[Fault]) -> dict[str, TrailerRecord]:
    rows = [row for batch in _batches(location, TRAILERS, None, faults) for row in batch.to_pylist()]
    records: dict[str, TrailerRecord] = {}
    for trailer_id, n in Counter(row["trailer_id"] for row in rows).items():
        if n > 1:
            faults.append(Fault("doubled trailer", trailer_id, f"{n} rows"))
    for row in rows:
        flags, experts = tuple(row["flags"]), tuple(row["experts"])
        record = TrailerRecord(**{**row, "flags": flags, "experts": experts})
        records.setdefault(record.trailer_id, record)
        unknown = [name for name in experts if name not in dimensions]
        if unknown:
            faults.append(Fault("expert without a card", record.trailer_id, ", ".join(unknown)))
        if not np.isfinite(record.duration_s) or record.duration_s < 0 or record.n_scenes < 0:
            shown = f"{record.duration_s} s, {record.n_scenes} scenes"
            faults.append(Fault("impossible length", record.trailer_id, shown))
        try:
            json.loads(record.facts)
        except ValueError:
            faults.append(Fault("unreadable facts", record.trailer_id, record.facts[:40]))
    return records


def _scenes(
    location: Location, records: Mapping[str, TrailerRecord], faults: list[Fault]
) -> tuple[dict[str, dict[int, tuple[float, float]]], int]:
    times: dict[str, dict[int, tuple[float, float]]] = {}
    n = 0
    for batch in _batches(location, SCENES, ["trailer_id", "scene", "start_s", "end_s"], faults):
        for row in batch.to_pylist():
            n += 1
            own, where = times.setdefault(row["trailer_id"], {}), f"{row['trailer_id']} scene {row['scene']}"
            if row["scene"] in own:
                faults.append(Fault("doubled scene", where, f"{row['start_s']} to {row['end_s']} s"))
            own[row["scene"]] = (row["start_s"], row["end_s"])
    for trailer_id, own in times.items():
        if trailer_id not in records:
            faults.append(Fault("orphaned scenes", trailer_id, f"{len(own)} scenes without a trailer"))
    for trailer_id, record in records.items():
        _scene_faults(trailer_id, record.n_scenes, times.get(trailer_id, {}), faults)
    return times, n


def _scene_faults(trailer_id: str, n: int, own: Mapping[int, tuple[float, float]], faults: list[Fault]) -> None:
    if sorted(own) != list(range(n)):
        faults.append(Fault("missing scenes", trailer_id, f"{len(own)} of {n}, numbered {sorted(own)[:8]}"))
    last: float | None = None
    for scene in sorted(own):
        start, end = own[scene]
        if not (np.isfinite(start) and np.isfinite(end) and start < end):
            faults.append(Fault("impossible scene times", f"{trailer_id} scene {scene}", f"{start} to {end} s"))
        elif last is not None and abs(start - last) > GAP_S:
            found = f"starts at {start} s, the one before ends at {last} s"
            faults.append(Fault("scenes not contiguous", f"{trailer_id} scene {scene}", found))
        last = end


def _embeddings(
    location: Location,
    records: Mapping[str, TrailerRecord],
    scenes: Mapping[str, Mapping[int, tuple[float, float]]],
    dimensions: Mapping[str, int],
    faults: list[Fault],
) -> int:
    seen: set[tuple[str, int, str]] = set()
    orphans: Counter[tuple[str, str]] = Counter()
    for batch in _batches(
        location, EMBEDDINGS, ["trailer_id", "scene", "expert", "start_s", "end_s", "vector"], faults
    ):
        lengths = pc.list_value_length(batch["vector"]).to_pylist()
        finite = _finite(batch["vector"])
        columns = (batch[name].to_pylist() for name in ("trailer_id", "scene", "expert", "start_s", "end_s"))
        for i, (trailer_id, scene, expert, start, end) in enumerate(zip(*columns, strict=True)):
            where = f"{trailer_id} scene {scene} {expert}"
            if (trailer_id, scene, expert) in seen:
                faults.append(Fault("doubled vector", where, "two rows"))
            seen.add((trailer_id, scene, expert))
            record = records.get(trailer_id)
            if record is None or expert not in record.experts:
                orphans[trailer_id, expert] += 1
            elif scene not in scenes.get(trailer_id, {}):
                faults.append(Fault("vector without a scene", where, f"the trailer has {record.n_scenes}"))
            elif scenes[trailer_id][scene] != (start, end):
                faults.append(Fault("vector at other times", where, f"{start} to {end} s"))
            wanted = dimensions.get(expert)
            if lengths[i] != wanted:
                faults.append(Fault("wrong length", where, f"{lengths[i]} numbers; its card says {wanted}"))
            if not finite[i]:
                faults.append(Fault("not finite", where, "NaN or infinite values"))
    faults += [
        Fault("orphaned vectors", f"{trailer_id} {expert}", f"{n} that belong to no trailer")
        for (trailer_id, expert), n in orphans.items()
    ]
    return len(seen)


def _finite(vectors: pa.ListArray) -> list[bool]:
    """Whether each row is finite."""
    flat = pc.list_flatten(vectors).to_numpy(zero_copy_only=False)
    parents = pc.list_parent_indices(vectors).to_numpy(zero_copy_only=False)
    bad = np.zeros(len(vectors), bool)
    bad[parents[~np.isfinite(flat)]] = True
    return list((~bad).tolist())


def _sources(
    records: Mapping[str, TrailerRecord], is_unchanged: Callable[[TrailerRecord], bool | None], faults: list[Fault]
) -> tuple[int, int]:
    """Numbers of files compared, and missing."""
    found: dict[tuple[str, str], bool | None] = {}
    for record in records.values():
        file = (record.path, record.sha256)
        if file not in found:
            found[file] = is_unchanged(record)
        if found[file] is False:
            faults.append(Fault("source has changed", record.trailer_id, f"{record.path} is no longer the same file"))
    gone = {path for (path, _), same in found.items() if same is None}
    return len({path for path, _ in found} - gone), len(gone)


def _batches(
    location: Location, table: str, columns: list[str] | None, faults: list[Fault]
) -> Iterator[pa.RecordBatch]:
    if not location.has_table(table):
        return
    try:
        dataset = lance.dataset(location.table(table))
        if not dataset.schema.equals(SCHEMAS[table]):
            faults.append(Fault("other columns", table, ", ".join(dataset.schema.names)))
        yield from dataset.to_batches(columns=columns)
    except (OSError, ValueError) as error:
        faults.append(Fault("unreadable table", table, str(error).split("\n")[0][:200]))
