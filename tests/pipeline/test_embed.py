"""Batches filled across trailers: the same vectors, fewer and fuller batches, and nobody pays for a neighbour."""

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.one_by_one import OneByOne

from cinegrain.config import Settings
from cinegrain.errors import MediaError
from cinegrain.experts.base import Network
from cinegrain.experts.registry import PRESETS
from cinegrain.experts.runtime import Runtime
from cinegrain.pipeline.extraction.embed import EmbeddedTrailer, Embedder, Job
from cinegrain.pipeline.extraction.jobs import Failed, Outcome, WorkerSetup
from cinegrain.pipeline.extraction.sources import is_unchanged, verified
from cinegrain.pipeline.extraction.workers import embed_all
from cinegrain.settings import MediaSettings
from cinegrain.types import Scene, SceneEmbedding
from cinegrain_demo.corpus import CorpusFiles

FULL_SCENES, FULL_FRAMES = 16, 24


class Means:
    """The mean colour of a scene, and a record of every batch; breaks at scenes of one length."""

    def __init__(self, breaks_at_s: float | None = None) -> None:
        self.batches: list[tuple[int, int]] = []  # scenes and frames
        self._breaks_at_s = breaks_at_s

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        self.batches.append((len(scenes), sum(len(scene.frames) for scene in scenes)))
        if any(scene.end_s == self._breaks_at_s for scene in scenes):
            raise ZeroDivisionError("this scene breaks it")
        return {"means": [SceneEmbedding(s.frames.mean(axis=(0, 1, 2)).astype(np.float32), ()) for s in scenes]}


@pytest.fixture(scope="module")
def jobs(corpus: CorpusFiles) -> list[Job]:
    return [Job(path.stem, path) for path in sorted(corpus.videos.iterdir())][:8]


def assert_same(found: EmbeddedTrailer, alone: EmbeddedTrailer) -> None:
    assert found.record == alone.record
    assert found.scenes == alone.scenes
    for name, column in alone.embeddings.items():
        for ours, theirs in zip(found.embeddings[name], column, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None and theirs is not None:
                np.testing.assert_array_equal(ours.vector, theirs.vector)


def test_vectors_are_those_of_each_film_alone(jobs: list[Job], light_networks: list[Network]) -> None:
    embedder = Embedder(light_networks, PRESETS["light"], MediaSettings())
    found = list(embedder.each(jobs))
    assert [job for job, _ in found] == jobs, "each once, in order"
    for job, outcome in found:
        assert isinstance(outcome, EmbeddedTrailer)
        assert_same(outcome, embedder.one(job))


def test_batches_are_full_whatever_the_length_of_a_film(jobs: list[Job]) -> None:
    together, apart = Means(), Means()
    list(Embedder([together], ["means"], MediaSettings()).each(jobs))
    for job in jobs:
        Embedder([apart], ["means"], MediaSettings()).one(job)
    assert np.sum(together.batches, axis=0).tolist() == np.sum(apart.batches, axis=0).tolist()
    *full, _ = together.batches
    assert all(n_scenes >= FULL_SCENES or n_frames >= FULL_FRAMES for n_scenes, n_frames in full)
    assert len(full) >= 1
    assert 2 * len(together.batches) < len(apart.batches), "otherwise these films show nothing"


def test_a_film_is_told_of_before_the_next_ones_are_read(jobs: list[Job]) -> None:
    begun: list[str] = []

    def as_asked() -> Iterator[Job]:
        for job in jobs:
            begun.append(job.trailer_id)
            yield job

    waits = [
        len(begun) - begun.index(job.trailer_id)
        for job, _ in Embedder([Means()], ["means"], MediaSettings()).each(as_asked())
    ]
    assert max(waits) <= 4, "scenes wait for one batch, not for the whole archive"


def test_what_breaks_costs_its_own_film_only(jobs: list[Job], tmp_path: Path) -> None:
    settings = MediaSettings()
    healthy = {job.trailer_id: Embedder([Means()], ["means"], settings).one(job) for job in jobs}
    victim = jobs[3].trailer_id
    breaks_at_s = healthy[victim].scenes[-1].end_s
    ends = [scene.end_s for found in healthy.values() for scene in found.scenes]
    assert ends.count(breaks_at_s) == 1, "otherwise others would break as well"
    no_film = tmp_path / "no film.mp4"
    no_film.write_text("no film")
    among = [*jobs[:5], Job("no film", no_film), Job("gone", tmp_path / "gone.mp4"), *jobs[5:]]

    found = {
        job.trailer_id: outcome for job, outcome in Embedder([Means(breaks_at_s)], ["means"], settings).each(among)
    }

    assert len(found) == len(among)
    assert isinstance(found.pop(victim), ZeroDivisionError)
    assert isinstance(found.pop("no film"), MediaError)
    assert isinstance(found.pop("gone"), MediaError)
    for name, outcome in found.items():
        assert isinstance(outcome, EmbeddedTrailer), outcome
        assert_same(outcome, healthy[name])


def holds_back(jobs: Iterator[Job]) -> Iterator[Outcome]:
    """Tells of a job only when it has begun the next, as films do whose last scenes wait; one job kills."""
    waiting: list[Job] = []
    for job in jobs:
        with Path(job.path).open("a") as times:
            times.write("x")
        if job.trailer_id == "bad":
            os.kill(os.getpid(), signal.SIGKILL)
        yield from OneByOne(_done)(iter(waiting))
        waiting = [job]
    yield from OneByOne(_done)(iter(waiting))


def _done(job: Job) -> EmbeddedTrailer:
    from tests.pipeline.test_workers import embedded

    return embedded(job)


def test_films_that_wait_in_a_worker_that_dies_are_done_once_more(tmp_path: Path) -> None:
    names = [*(f"film {i}" for i in range(5)), "bad", *(f"film {i}" for i in range(5, 10))]
    setup = WorkerSetup((), MediaSettings(), tmp_path, Runtime())
    outcomes = list(embed_all([Job(name, tmp_path / name) for name in names], setup, workers=2, work=holds_back))
    assert [o.job.trailer_id for o in outcomes if isinstance(o, Failed)] == ["bad"]
    done = sorted(o.record.trailer_id for o in outcomes if isinstance(o, EmbeddedTrailer))
    assert done == sorted(set(names) - {"bad"}), "each exactly once"
    times = {name: len((tmp_path / name).read_text()) for name in names}
    assert times.pop("bad") == 2
    assert sorted(times.values()) == [1] * 9 + [2], "only the one that waited beside it was read again"


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
