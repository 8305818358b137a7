import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cinegrain.errors import StoreError
from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import SceneRow, StoredExpert, TrailerRecord
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import Concept, SceneEmbedding

EXPERTS = [StoredExpert("a", dimension=4), StoredExpert("b", dimension=3)]


def record(trailer_id: str, n_scenes: int = 2) -> TrailerRecord:
    return TrailerRecord(
        trailer_id, f"/films/{trailer_id}", "0" * 64, 10, 20, 2.0 * n_scenes, n_scenes, ("no_audio",), ("a", "b")
    )


def rows(n: int = 2) -> list[SceneRow]:
    return [SceneRow(i, 2.0 * i, 2.0 * i + 2, b"jpeg") for i in range(n)]


def test_a_printed_scene_shows_no_picture() -> None:
    assert repr(rows(1)) == "[SceneRow(scene=0, start_s=0.0, end_s=2.0)]"


def embeddings(seed: int, n: int = 2) -> dict[str, list[SceneEmbedding | None]]:
    rng = np.random.default_rng(seed)
    return {
        "a": [SceneEmbedding(rng.normal(size=4).astype(np.float32), (Concept("wind", 0.5),)) for _ in range(n)],
        "b": [SceneEmbedding(rng.normal(size=3).astype(np.float32)), *([None] * (n - 1))],
    }


def writer(folder: Path) -> DatasetWriter:
    return DatasetWriter(folder, experts=EXPERTS, settings={"fps": 1})


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    w = writer(tmp_path)
    for i, name in enumerate(["x", "it's", "ünï cödé 🎬"]):
        w.append(record(name), rows(), embeddings(i))
    w.compact()
    dataset = EmbeddingDataset(tmp_path)
    assert [t.trailer_id for t in dataset.trailers] == ["it's", "x", "ünï cödé 🎬"]
    assert dataset.trailers[0] == record("it's")
    found = dataset.vectors("a", ["x", "absent", "it's"])
    assert found.offsets.tolist() == [0, 2, 2, 4]
    expected = np.stack([e.vector for e in embeddings(0)["a"] if e]).astype(np.float16)
    np.testing.assert_array_equal(found.vectors[:2], expected)
    assert dataset.vectors("b", ["x"]).scenes.tolist() == [0]
    assert dataset.scenes("it's") == rows()
    assert {c.concepts for c in dataset.concepts()} == {(Concept("wind", 0.5),)}


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9, -1e9])
def test_a_vector_that_cannot_be_stored_is_refused_before_anything_is_written(bad: float, tmp_path: Path) -> None:
    w = writer(tmp_path)
    with pytest.raises(StoreError, match="not finite in 16 bits"):
        w.append(record("x", 1), rows(1), {"a": [SceneEmbedding(np.array([bad, 0, 0, 0], np.float32))]})
    w.append(record("x"), rows(), embeddings(0))
    assert len(EmbeddingDataset(tmp_path).vectors("a", ["x"]).vectors) == 2


def test_same_id_twice_is_refused(tmp_path: Path) -> None:
    w = writer(tmp_path)
    w.append(record("x"), rows(), embeddings(0))
    with pytest.raises(StoreError, match="unique"):
        w.append(record("x"), rows(), embeddings(1))


def test_removed_trailers_leave_nothing_behind(tmp_path: Path) -> None:
    w = writer(tmp_path)
    for name in ("x", "y'z"):
        w.append(record(name), rows(), embeddings(0))
    w.remove(["y'z"])
    dataset = EmbeddingDataset(tmp_path)
    assert [t.trailer_id for t in dataset.trailers] == ["x"]
    assert len(dataset.vectors("a", ["y'z"]).vectors) == 0
    assert dataset.scenes("y'z") == []
    w.append(record("y'z"), rows(), embeddings(3))
    assert len(EmbeddingDataset(tmp_path).trailers) == 2


def test_half_written_trailer_is_swept_and_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = writer(tmp_path)
    w.append(record("whole"), rows(), embeddings(0))
    original = DatasetWriter._write

    def dies_before_the_last_row(self: DatasetWriter, table: str, data: list[dict[str, object]]) -> None:
        if table == "trailers":
            raise KeyboardInterrupt
        original(self, table, data)

    monkeypatch.setattr(DatasetWriter, "_write", dies_before_the_last_row)
    with pytest.raises(KeyboardInterrupt):
        w.append(record("half"), rows(), embeddings(1))
    monkeypatch.undo()
    again = writer(tmp_path)
    assert set(again.records) == {"whole"}
    again.append(record("half"), rows(), embeddings(1))
    found = EmbeddingDataset(tmp_path).vectors("a", ["half", "whole"])
    assert found.offsets.tolist() == [0, 2, 4], "nothing is doubled"


def test_another_format_is_refused(tmp_path: Path) -> None:
    writer(tmp_path)
    info = read_json(tmp_path / "dataset.json")
    write_json(tmp_path / "dataset.json", {**info, "format": 99})
    with pytest.raises(StoreError, match="format 99"):
        writer(tmp_path)
    with pytest.raises(StoreError, match="format 99"):
        EmbeddingDataset(tmp_path)


def only(expert: str, seed: int) -> dict[str, list[SceneEmbedding | None]]:
    return {expert: embeddings(seed)[expert]}


def test_an_expert_can_be_added_later(tmp_path: Path) -> None:
    w = DatasetWriter(tmp_path, experts=EXPERTS[:1], settings={"fps": 1})
    for i, name in enumerate(("x", "y")):
        w.append(replace(record(name), experts=("a",)), rows(), only("a", i))
    w = DatasetWriter(tmp_path, experts=EXPERTS[1:], settings={"fps": 1})
    assert {r.experts for r in w.records.values()} == {("a",)}, "what was there stays, though it is not asked for now"
    w.extend("y", rows(), only("b", 1))
    with pytest.raises(StoreError, match="doubled: b"):
        w.extend("y", rows(), only("b", 1))
    with pytest.raises(StoreError, match="found 1 scenes"):
        w.extend("x", rows(1), {"b": [None]})
    dataset = EmbeddingDataset(tmp_path)
    assert [expert.name for expert in dataset.experts] == ["a", "b"]
    assert [t.experts for t in dataset.trailers] == [("a",), ("a", "b")]
    assert dataset.vectors("b", ["x", "y"]).offsets.tolist() == [0, 0, 1]
    assert len(dataset.vectors("a", ["x", "y"]).vectors) == 4
    assert dataset.scenes("y") == rows(), "scenes are not doubled"


def test_only_what_depends_on_a_change_is_taken_out(tmp_path: Path) -> None:
    def open_with(a: str, b: str) -> DatasetWriter:
        experts = [replace(expert, key=key) for expert, key in zip(EXPERTS, (a, b), strict=True)]
        return DatasetWriter(tmp_path, experts=experts, settings={})

    w = open_with("1", "1")
    for i, name in enumerate(("x", "y'z")):
        w.append(record(name), rows(), embeddings(i))
    assert all(r.experts == ("a", "b") for r in open_with("1", "1").records.values())
    w = open_with("2", "1")
    assert all(r.experts == ("b",) for r in w.records.values())
    dataset = EmbeddingDataset(tmp_path)
    assert len(dataset.vectors("a", ["x", "y'z"]).vectors) == 0
    assert len(dataset.vectors("b", ["x", "y'z"]).vectors) == 2
    w.extend("x", rows(), only("a", 7))
    assert open_with("2", "1").records["x"].experts == ("b", "a")


def test_a_kill_while_an_expert_is_added_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = DatasetWriter(tmp_path, experts=EXPERTS, settings={})
    w.append(replace(record("x"), experts=("a",)), rows(), only("a", 0))

    def dies(self: DatasetWriter, records: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DatasetWriter, "_replace", dies)
    with pytest.raises(KeyboardInterrupt):
        w.extend("x", rows(), only("b", 0))
    monkeypatch.undo()
    again = DatasetWriter(tmp_path, experts=EXPERTS, settings={})
    assert again.records["x"].experts == ("a",)
    again.extend("x", rows(), only("b", 0))
    dataset = EmbeddingDataset(tmp_path)
    assert len(dataset.vectors("b", ["x"]).vectors) == 1, "nothing is doubled"
    assert len(dataset.vectors("a", ["x"]).vectors) == 2, "nothing else was swept"


def test_empty_and_missing_datasets_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cinegrain extract"):
        EmbeddingDataset(tmp_path / "nothing")
    writer(tmp_path)
    dataset = EmbeddingDataset(tmp_path)
    assert dataset.trailers == ()
    with pytest.raises(StoreError, match="no films yet"):
        dataset.vectors("a", ["x"])
    with pytest.raises(StoreError, match="has no expert 'c'"):
        dataset.vectors("c", ["x"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_round_trip_of_any_shape(tmp_path_factory: pytest.TempPathFactory, counts: list[int], seed: int) -> None:
    folder = tmp_path_factory.mktemp("ds")
    w = writer(folder)
    for i, n in enumerate(counts):
        w.append(record(f"t{i:02d}", n), rows(n), embeddings(seed + i, n))
    found = EmbeddingDataset(folder).vectors("a", [f"t{i:02d}" for i in range(len(counts))])
    assert np.diff(found.offsets).tolist() == counts
    expected = np.concatenate([[e.vector for e in embeddings(seed + i, n)["a"] if e] for i, n in enumerate(counts)])
    np.testing.assert_array_equal(found.vectors, expected.astype(np.float16))


_APPENDER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_dataset import embeddings, record, rows, writer
w = writer(Path(sys.argv[1]))
for i in range(len(w.records), 10_000):
    w.append(record(f"t{i:05d}"), rows(), embeddings(i))
    print(i, flush=True)
"""


def test_kill_9_in_the_middle_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged = -1
    for delay in (0.15, 0.4, 0.25):
        command = [sys.executable, "-c", _APPENDER, str(tmp_path), str(Path(__file__).parent)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        first = process.stdout.readline()  # it is under way
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        said = [first, *process.stdout.readlines()]
        process.wait()
        acknowledged = max(acknowledged, *(int(line) for line in said if line.strip()))
    w = writer(tmp_path)
    assert len(w.records) >= acknowledged + 1 > 3
    ids = sorted(w.records)
    assert ids == [f"t{i:05d}" for i in range(len(ids))]
    found = EmbeddingDataset(tmp_path).vectors("a", ids)
    assert np.diff(found.offsets).tolist() == [2] * len(ids), "nothing is doubled, nothing is missing"
    expected = np.stack([e.vector for i in range(len(ids)) for e in embeddings(i)["a"] if e]).astype(np.float16)
    np.testing.assert_array_equal(found.vectors, expected)
