"""Workers that die: killed from outside, or by the file they read."""

import os
import signal
import time
from pathlib import Path

from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import Failed, OnProgress, Work
from cinegrain.pipeline.extraction.workers import WorkerPool
from cinegrain.store.schema import EmbeddedTrailer, TrailerRecord


def embedded(job: Job) -> EmbeddedTrailer:
    return EmbeddedTrailer(TrailerRecord(job.trailer_id, "", "", 0, 0, 1.0, 0, (), ()), (), {})


def load_killer(on_progress: OnProgress) -> Work:
    del on_progress
    return killer


def killer(job: Job) -> EmbeddedTrailer:
    """A file named `bad` kills whoever reads it; one named `once` only the first reader."""
    path = Path(job.path)
    if path.name.startswith("bad"):
        os.kill(os.getpid(), signal.SIGKILL)
    if path.name.startswith("once") and not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return embedded(job)


def test_a_killer_file_is_named_and_all_others_are_done(tmp_path: Path) -> None:
    names = [f"film {i}" for i in range(12)]
    names[3], names[7] = "bad one", "once"
    jobs = [Job(name, tmp_path / name) for name in names]
    with WorkerPool(load_killer, n_workers=2, silence_s=60.0) as pool:
        outcomes = list(pool.each(jobs))
    failed = [o for o in outcomes if isinstance(o, Failed)]
    done = [o.record.trailer_id for o in outcomes if isinstance(o, EmbeddedTrailer)]
    assert [f.job.trailer_id for f in failed] == ["bad one"]
    assert "died twice" in failed[0].reason
    assert sorted(done) == sorted(set(names) - {"bad one"}), "each exactly once"
