"""A dataset as WebDataset: numbered tar files of some hundred films each, which training reads one after the other."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from cinegrain.artifacts import write_bytes
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import TrailerRecord
from cinegrain.types import JsonObject

FILMS_A_SHARD = 256


def write_shards(
    out: Path, dataset: EmbeddingDataset, rows: Mapping[str, JsonObject], *, films_a_shard: int = FILMS_A_SHARD
) -> list[Path]:
    """Writes trailers-000000.tar and so on; memory holds one shard.

    A sample is a film: KEY.json (its record, titles and genres, and for each expert the scene of each row),
    KEY.scenes.npy (start and end in seconds, shape (s, 2)) and KEY.EXPERT.npy (vectors, shape (rows, d)). Keys are
    numbers, since WebDataset ends a key at its first dot.

    Args:
        out: The folder.
        dataset: What to write.
        rows: A film's record by trailer_id.
        films_a_shard: Films in one tar file.

    Returns:
        The files.
    """
    paths = []
    for number, start in enumerate(range(0, len(dataset.trailers), films_a_shard)):
        group = dataset.trailers[start : start + films_a_shard]
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for position, name, content in _members(dataset, rows, group):
                info = tarfile.TarInfo(f"{start + position:09d}.{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        paths.append(out / f"trailers-{number:06d}.tar")
        write_bytes(paths[-1], buffer.getvalue())
    return paths


def _members(
    dataset: EmbeddingDataset, rows: Mapping[str, JsonObject], group: Sequence[TrailerRecord]
) -> Iterator[tuple[int, str, bytes]]:
    """Position in the shard, file name after the key, content; a sample's files stand together, as readers expect."""
    ids = [record.trailer_id for record in group]
    found = {card["name"]: dataset.vectors(card["name"], ids) for card in dataset.cards}
    for position, trailer_id in enumerate(ids):
        own = {name: slice(v.offsets[position], v.offsets[position + 1]) for name, v in found.items()}
        scene_of_row = {name: found[name].scenes[rows_of].tolist() for name, rows_of in own.items()}
        record = {**rows[trailer_id], "scene_of_row": scene_of_row}
        yield position, "json", json.dumps(record, ensure_ascii=True).encode()
        times = [[scene.start_s, scene.end_s] for scene in dataset.scenes(trailer_id)]
        yield position, "scenes.npy", _npy(np.array(times, np.float64).reshape(-1, 2))
        for name, rows_of in own.items():
            yield position, f"{name}.npy", _npy(found[name].vectors[rows_of])


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
