"""Reading and converting some trailers at a time against everything at once."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from cinegrain.pipeline.datasets.convert import convert
from cinegrain.store.groups import Groups
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import EmbeddedTrailer, SceneRow, StoredExpert, TrailerRecord
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import SceneEmbedding

EXPERTS = [StoredExpert("a", dimension=4), StoredExpert("b", dimension=3)]
N = 23


def stored(number: int) -> EmbeddedTrailer:
    rng = np.random.default_rng(number)
    n = int(rng.integers(0, 5))
    scenes = [SceneRow(i, 1.5 * i, 1.5 * i + 1.5) for i in range(n)]

    def column(width: int, share: float) -> list[SceneEmbedding | None]:
        return [
            SceneEmbedding(rng.normal(size=width).astype(np.float32)) if rng.random() < share else None for _ in scenes
        ]

    record = TrailerRecord(f"film {number:02d}", "nowhere", "0" * 64, 5, 0, 1.5 * n, n, (), ("a",))
    return EmbeddedTrailer(record, scenes, {"a": column(4, 1.0), "b": column(3, 0.6)})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingDataset:
    """Trailers written in no order, one expert after the other, with some taken out again."""
    folder = tmp_path_factory.mktemp("set")
    trailers = [stored(int(i)) for i in np.random.default_rng(0).permutation(N + 4)]
    writer = DatasetWriter(folder, experts=EXPERTS, settings={})
    for start in range(0, len(trailers), 10):
        some = trailers[start : start + 10]
        writer.append_many([EmbeddedTrailer(t.record, t.scenes, {"a": t.embeddings["a"]}) for t in some])
    for trailer in reversed(trailers):
        writer.extend(trailer.record.trailer_id, trailer.scenes, {"b": trailer.embeddings["b"]})
    writer.remove([f"film {i:02d}" for i in (3, 11, 12, 25)])
    return EmbeddingDataset(folder)


@pytest.mark.parametrize("at_once", [1, 5, 100])
def test_groups_hold_what_the_whole_holds(dataset: EmbeddingDataset, at_once: int) -> None:
    groups = Groups(dataset, trailers_at_once=at_once)
    found = list(groups)
    assert [r for group in found for r in group.records] == list(dataset.trailers)
    for group in found:
        ids = [record.trailer_id for record in group.records]
        for name in ("a", "b"):
            whole = dataset.vectors(name, ids)
            np.testing.assert_array_equal(group.vectors[name].vectors, whole.vectors)
            np.testing.assert_array_equal(group.vectors[name].scenes, whole.scenes)
            np.testing.assert_array_equal(group.vectors[name].offsets, whole.offsets)
        for trailer_id, times in zip(ids, group.times_s, strict=True):
            assert times.tolist() == [[s.start_s, s.end_s] for s in dataset.scenes(trailer_id)]
    ids = [record.trailer_id for record in dataset.trailers]
    assert groups.shapes() == {name: dataset.vectors(name, ids).vectors.shape for name in ("a", "b")}


def test_conversions_do_not_depend_on_the_size_of_groups(
    dataset: EmbeddingDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [record.trailer_id for record in dataset.trailers]
    for size in (3, 100):
        monkeypatch.setattr("cinegrain.pipeline.datasets.convert.TRAILERS_AT_ONCE", size)
        for form in ("parquet", "safetensors"):
            convert(dataset, {}, form, tmp_path / f"{form}{size}")
        tensors = load_file(tmp_path / f"safetensors{size}" / "vectors.safetensors")
        rows = pq.read_table(tmp_path / f"parquet{size}" / "vectors.parquet").to_pylist()
        assert [row["trailer_id"] for row in rows] == [i for i in ids for _ in dataset.scenes(i)]
        for name in ("a", "b"):
            whole = dataset.vectors(name, ids)
            owner = np.repeat(np.arange(len(ids)), np.diff(whole.offsets))
            np.testing.assert_array_equal(tensors[f"{name}.vectors"], whole.vectors)
            np.testing.assert_array_equal(tensors[f"{name}.scene"], whole.scenes)
            np.testing.assert_array_equal(tensors[f"{name}.trailer"], owner)
            given = {(row["trailer_id"], row["scene"]): row[name] for row in rows if row[name] is not None}
            wanted = zip(owner, whole.scenes, whole.vectors, strict=True)
            assert given == {(ids[i], scene): vector.tolist() for i, scene, vector in wanted}
