"""Writes a dataset as WebDataset: numbered tar files of some hundred films each."""

import io
import itertools
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from cinegrain.runs.artifacts import written_whole
from cinegrain.store.groups import Group, Groups
from cinegrain.types import JsonObject

GROUPS_A_SHARD = 4


def write_shards(out: Path, groups: Groups, rows: Mapping[str, JsonObject]) -> list[Path]:
    """Writes trailers-000000.tar and so on, with GROUPS_A_SHARD groups each.

    A sample is a film: KEY.json (its record, titles and genres, and for each expert the scene of each row),
    KEY.scenes.npy (start and end in seconds, shape (s, 2)) and KEY.EXPERT.npy (vectors, shape (rows, d)). Keys are
    numbers, since WebDataset ends a key at its first dot.

    Args:
        out: Output folder.
        groups: Groups of films.
        rows: Record of each film by trailer_id.

    Returns:
        Files written.
    """
    paths: list[Path] = []
    n_before = 0
    for first in (left := iter(groups)):
        paths.append(out / f"trailers-{len(paths):06d}.tar")
        with written_whole(paths[-1]) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for group in itertools.chain([first], itertools.islice(left, GROUPS_A_SHARD - 1)):
                for position, name, content in _members(group, rows):
                    info = tarfile.TarInfo(f"{n_before + position:09d}.{name}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
                n_before += len(group.records)
    return paths


def _members(group: Group, rows: Mapping[str, JsonObject]) -> Iterator[tuple[int, str, bytes]]:
    """Position in the shard, file name after the key, and content; files of a sample are adjacent."""
    for position, (record, times) in enumerate(zip(group.records, group.times_s, strict=True)):
        own = {name: slice(v.offsets[position], v.offsets[position + 1]) for name, v in group.vectors.items()}
        scene_of_row = {name: group.vectors[name].scenes[rows_of].tolist() for name, rows_of in own.items()}
        row = {**rows[record.trailer_id], "scene_of_row": scene_of_row}
        yield position, "json", json.dumps(row, ensure_ascii=True).encode()
        yield position, "scenes.npy", _npy(times)
        for name, rows_of in own.items():
            yield position, f"{name}.npy", _npy(group.vectors[name].vectors[rows_of])


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
