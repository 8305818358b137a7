"""What runs in the workers of test_guarded; imports little, since each worker imports it."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.experts.registry import PRESETS
from cinegrain.experts.runtime import Runtime
from cinegrain.media import film
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import OnProgress, Work, WorkerSetup, embedder
from cinegrain.settings import MediaSettings
from cinegrain.urls import cache_folder

HARM = {
    "crash.mp4": "SIGABRT",
    "killed.mp4": "SIGKILL",
    "hang.mp4": "it hung and was stopped",
    "memory.mp4": "not enough memory",
}


class Harmful(TrailerReader):
    """A decoder that some files harm, by their names."""

    def __init__(self, path: Path, *args: Any, **kwargs: Any) -> None:
        if path.name == "crash.mp4":
            os.abort()
        if path.name == "killed.mp4":
            os.kill(os.getpid(), signal.SIGKILL)
        if path.name == "hang.mp4":
            ctypes.PyDLL(None).sleep(600)  # inside C, so that Python has no turn
        if path.name == "memory.mp4":
            np.empty(int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 0.9), np.uint8)
        super().__init__(path, *args, **kwargs)


def harmful_embedder(setup: WorkerSetup, on_progress: OnProgress) -> Work:
    """Embeds films that `Harmful` reads."""
    vars(film)["TrailerReader"] = Harmful
    return embedder(setup, on_progress)


def heavy_modules(job: Job, on_progress: OnProgress) -> list[str]:
    """What a worker that has loaded its networks should have no use for."""
    del job
    embedder(WorkerSetup(PRESETS["light"], MediaSettings(), cache_folder(), Runtime()), on_progress)
    return [name for name in ("torch", "sklearn", "lance", "plotly") if name in sys.modules]


def pid_of(job: Job, on_progress: OnProgress) -> int:
    """The worker's; a job called `meet` waits until two workers have one."""
    if job.trailer_id == "bad":
        raise ZeroDivisionError
    if job.trailer_id.startswith("meet") and isinstance(job.path, Path):
        (job.path / str(os.getpid())).touch()
        while len(list(job.path.iterdir())) < 2:
            on_progress()
            time.sleep(0.05)
    return os.getpid()
