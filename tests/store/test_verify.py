import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from cinegrain.errors import StoreError
from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import (
    EMBEDDINGS,
    SCENES,
    SCHEMAS,
    TRAILERS,
    EmbeddedTrailer,
    SceneRow,
    StoredExpert,
    TrailerRecord,
    table_path,
)
from cinegrain.store.verify import verify
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import Concept, SceneEmbedding

EXPERTS = [StoredExpert("a", dimension=4), StoredExpert("b", dimension=3)]


def stored(trailer_id: str, source: Path, n: int = 2) -> EmbeddedTrailer:
    rng = np.random.default_rng(len(trailer_id))
    scenes = [SceneRow(i, 1.5 * i, 1.5 * i + 1.5) for i in range(n)]
    embeddings: dict[str, list[SceneEmbedding | None]] = {
        "a": [SceneEmbedding(rng.normal(size=4).astype(np.float32), (Concept("sea", 0.5),)) for _ in range(n)],
        "b": [SceneEmbedding(rng.normal(size=3).astype(np.float32)), *([None] * (n - 1))],
    }
    sha = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"  # of b"12345"
    return EmbeddedTrailer(
        TrailerRecord(trailer_id, str(source), sha, 5, 0, 1.5 * n, n, (), ("a", "b")), scenes, embeddings
    )


def same_bytes(record: TrailerRecord) -> bool | None:
    path = Path(record.path)
    return hashlib.sha256(path.read_bytes()).hexdigest() == record.sha256 if path.is_file() else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "film").write_bytes(b"12345")
    writer = DatasetWriter(tmp_path / "d", experts=EXPERTS, settings={})
    writer.append_many([stored("x", tmp_path / "film"), stored("it's", tmp_path / "film", 3)])
    writer.append_many([stored("gone", tmp_path / "nowhere", 1)])
    return tmp_path / "d"


def test_a_sound_dataset_has_no_fault(folder: Path) -> None:
    found = verify(folder, is_unchanged=same_bytes)
    assert found.faults == ()
    assert (found.n_trailers, found.n_scenes, found.n_vectors) == (3, 6, 9)
    assert (found.n_files_checked, found.n_files_gone) == (1, 1)


def add(folder: Path, table: str, **changed: Any) -> None:
    """A copy of the table's first row with other values."""
    path = str(table_path(folder, table))
    row = lance.dataset(path).to_table(filter="trailer_id = 'x'").slice(0, 1).to_pylist()[0]
    lance.write_dataset(pa.Table.from_pylist([{**row, **changed}], schema=SCHEMAS[table]), path, mode="append")


def change(folder: Path, table: str, where: str, **changed: str) -> None:
    lance.dataset(str(table_path(folder, table))).update(changed, where=where)


def other_card(folder: Path) -> None:
    info = read_json(folder / "dataset.json")
    info["experts"][0]["dimension"] = 5
    write_json(folder / "dataset.json", info)


def other_film(folder: Path) -> None:
    (folder.parent / "film").write_bytes(b"12346")


def break_table(folder: Path) -> None:
    for file in (table_path(folder, SCENES) / "data").glob("*"):
        file.write_bytes(b"rubbish")


FAULTS: dict[str, Callable[[Path], None]] = {
    "doubled trailer": lambda f: add(f, TRAILERS),
    "doubled scene": lambda f: add(f, SCENES),
    "doubled vector": lambda f: add(f, EMBEDDINGS),
    "orphaned scenes": lambda f: add(f, SCENES, trailer_id="stray"),
    "orphaned vectors": lambda f: add(f, EMBEDDINGS, trailer_id="stray"),
    "missing scenes": lambda f: change(f, TRAILERS, "trailer_id = 'x'", n_scenes="3"),
    "vector without a scene": lambda f: add(f, EMBEDDINGS, scene=7),
    "vector at other times": lambda f: change(f, EMBEDDINGS, "trailer_id = 'x'", start_s="0.25"),
    "scenes not contiguous": lambda f: change(f, SCENES, "trailer_id = 'x' AND scene = 1", start_s="1.75"),
    "impossible scene times": lambda f: change(f, SCENES, "trailer_id = 'x' AND scene = 1", end_s="1.0"),
    "impossible length": lambda f: change(f, TRAILERS, "trailer_id = 'x'", duration_s="-1.0"),
    "unreadable facts": lambda f: change(f, TRAILERS, "trailer_id = 'x'", facts="'{'"),
    "not finite": lambda f: add(f, EMBEDDINGS, scene=1, expert="b", vector=np.array([0, np.nan, 0], np.float16)),
    "wrong length": other_card,
    "expert without a card": lambda f: add(f, TRAILERS, trailer_id="y", n_scenes=0, experts=["c"]),
    "source has changed": other_film,
    "unreadable table": break_table,
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_found_and_named(folder: Path, kind: str) -> None:
    FAULTS[kind](folder)
    faults = verify(folder, is_unchanged=same_bytes).faults
    assert kind in {fault.kind for fault in faults}
    named = next(fault for fault in faults if fault.kind == kind)
    assert named.where
    assert named.found


def test_no_dataset_is_an_error_and_no_fault(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not an embedding dataset"):
        verify(tmp_path, is_unchanged=same_bytes)


def test_ids_stay_unique_in_bulk_and_in_copies(folder: Path, tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "e", experts=EXPERTS, settings={})
    with pytest.raises(StoreError, match="unique"):
        writer.append_many([stored("y", tmp_path), stored("y", tmp_path)])
    writer.copy(folder, ["x", "it's"])
    with pytest.raises(StoreError, match="unique"):
        writer.copy(folder, ["gone", "x"])
    assert verify(tmp_path / "e", is_unchanged=same_bytes).faults == ()
    before, after = EmbeddingDataset(folder), EmbeddingDataset(tmp_path / "e")
    for name in ("a", "b"):
        old, new = (dataset.vectors(name, ["x", "it's"]) for dataset in (before, after))
        np.testing.assert_array_equal(old.vectors, new.vectors)
        np.testing.assert_array_equal(old.scenes, new.scenes)
    assert len(after.concepts()) == 5
