"""Embedding one film: batches that change no vector, and films in several files."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from cinegrain.config import Settings
from cinegrain.experts.base import Network
from cinegrain.experts.registry import PRESETS
from cinegrain.pipeline.extraction.embed import Embedder, Job
from cinegrain.pipeline.extraction.sources import is_unchanged, verified
from cinegrain.settings import MediaSettings
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.types import Scene, SceneEmbedding
from cinegrain_demo.corpus import CorpusFiles

FULL_SCENES, FULL_FRAMES = 16, 24


class Means:
    """The mean colour of a scene, and a record of every batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []  # scenes and frames

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        self.batches.append((len(scenes), sum(len(scene.frames) for scene in scenes)))
        return {"means": [SceneEmbedding(s.frames.mean(axis=(0, 1, 2)).astype(np.float32), ()) for s in scenes]}


@pytest.fixture(scope="module")
def long_film(corpus: CorpusFiles) -> Job:
    first, *others = sorted(corpus.videos.iterdir())[:8]
    return Job("film", first, tuple(others))


def assert_same(found: EmbeddedTrailer, alone: EmbeddedTrailer) -> None:
    assert found.record == alone.record
    assert found.scenes == alone.scenes
    for name, column in alone.embeddings.items():
        for ours, theirs in zip(found.embeddings[name], column, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None and theirs is not None:
                np.testing.assert_array_equal(ours.vector, theirs.vector)


class OneSceneAtATime:
    """A network that is given no more than one scene."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        columns: dict[str, list[SceneEmbedding | None]] = {}
        for scene in scenes:
            for name, column in self._network.embed([scene]).items():
                columns.setdefault(name, []).extend(column)
        return columns


def test_vectors_do_not_depend_on_the_batch(long_film: Job, light_networks: list[Network]) -> None:
    one_by_one = [OneSceneAtATime(network) for network in light_networks]
    batched = Embedder(light_networks, PRESETS["light"], MediaSettings()).one(long_film)
    alone = Embedder(one_by_one, PRESETS["light"], MediaSettings()).one(long_film)
    assert_same(batched, alone)


def test_all_batches_of_a_film_but_the_last_are_full(long_film: Job) -> None:
    means = Means()
    found = Embedder([means], ["means"], MediaSettings()).one(long_film)
    assert sum(n_scenes for n_scenes, _ in means.batches) == len(found.scenes)
    *full, _ = means.batches
    assert all(n_scenes >= FULL_SCENES or n_frames >= FULL_FRAMES for n_scenes, n_frames in full)
    assert len(full) > 1, "otherwise this film shows nothing"


def test_a_film_in_parts_is_read_as_one_and_found_unchanged_until_a_part_changes(
    corpus: CorpusFiles, tmp_path: Path
) -> None:
    first, second = (
        Path(shutil.copy(path, tmp_path / f"{i}.mp4")) for i, path in enumerate(sorted(corpus.videos.iterdir())[:2])
    )
    embedder = Embedder([Means()], ["means"], MediaSettings())
    record = embedder.one(Job("film", first, (second,))).record
    apart = [embedder.one(Job("film", path)).record for path in (first, second)]
    assert record.n_scenes == sum(part.n_scenes for part in apart)
    assert record.duration_s == pytest.approx(sum(part.duration_s for part in apart))
    assert record.path == str(first)
    assert record.size_bytes == first.stat().st_size + second.stat().st_size
    assert record.modified_ns == max(first.stat().st_mtime_ns, second.stat().st_mtime_ns)
    digests = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second))
    assert record.sha256 == hashlib.sha256(digests.encode()).hexdigest()
    assert is_unchanged(record, (first, second), Settings())
    assert verified(record, Settings()) is True
    assert not is_unchanged(record, (first,), Settings()), "another list of parts is another film"
    os.utime(second)
    assert is_unchanged(record, (first, second), Settings()), "only the time is another"
    with second.open("ab") as file:
        file.write(b"x")
    assert not is_unchanged(record, (first, second), Settings())
    assert verified(record, Settings()) is False
    second.unlink()
    assert not is_unchanged(record, (first, second), Settings())
    assert verified(record, Settings()) is None
    plain = embedder.one(Job("film", first)).record
    assert plain.sha256 == hashlib.sha256(first.read_bytes()).hexdigest()
    assert "parts" not in json.loads(plain.facts)
