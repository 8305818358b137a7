"""The disk fills up: the run ends with a plain message, keeps what it has, and goes on once there is room."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import pytest
from tests.robust.variants import whole

from cinegrain.config import Settings
from cinegrain.errors import StoreError
from cinegrain.experts.motion_flow import CARD
from cinegrain.pipeline.extraction.extract import ExtractSummary, extract
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import Trailer

N = 4


@pytest.fixture
def trailers(tmp_path: Path) -> list[Trailer]:
    paths = [tmp_path / f"{i}.mp4" for i in range(N)]
    for path in paths:
        path.write_bytes(whole("mp4"))
    return [Trailer(path.stem, path, "") for path in paths]


def run_stage(folder: Path, trailers: list[Trailer]) -> ExtractSummary:
    settings = Settings()
    settings = replace(settings, extract=replace(settings.extract, experts=CARD.name, workers=1))
    return extract(Run(folder), trailers, settings, Silent())


def check_whole(folder: Path) -> None:
    dataset = EmbeddingDataset(Run(folder).dataset)
    ids = [record.trailer_id for record in dataset.trailers]
    assert ids == [str(i) for i in range(N)]
    n_scenes = [record.n_scenes for record in dataset.trailers]
    assert [len(dataset.scenes(name)) for name in ids] == n_scenes
    assert len(dataset.vectors(CARD.name, ids).vectors) == sum(n_scenes)


@pytest.mark.parametrize("table", ["scenes", "embeddings", "trailers"])
def test_no_room_at_the_second_trailer(
    trailers: list[Trailer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    write, n_written = lance.write_dataset, 0

    def fails_once(data: Any, path: str, **how: Any) -> Any:
        nonlocal n_written
        n_written += f"{table}.lance" in path
        if n_written == 2 and f"{table}.lance" in path:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(data, path, **how)

    monkeypatch.setattr(lance, "write_dataset", fails_once)
    folder = tmp_path / "run"
    with pytest.raises(StoreError, match=r"(?s)No space left.*Free some space and run the same command again"):
        run_stage(folder, trailers)
    assert run_stage(folder, trailers).n_new == N - 1
    check_whole(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB; only the superuser of a Linux machine can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = sys.platform == "linux" and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], stderr=subprocess.DEVNULL
    )
    if not mounted:
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.check_call(["umount", "-l", str(disk)])


def test_a_disk_that_is_full_indeed(trailers: list[Trailer], small_disk: Path) -> None:
    """With more and more room the end comes at other places, up to the tidying at the very end."""
    stopped: list[str] = []
    for room in (4_000, 20_000, 80_000, 140_000, 200_000):
        folder, filler = small_disk / f"run {room}", small_disk / "filler"
        statvfs = os.statvfs(small_disk)
        filler.write_bytes(bytes(statvfs.f_bavail * statvfs.f_frsize - room))
        try:
            run_stage(folder, trailers)
        except StoreError as error:
            stopped.append(str(error))
        filler.unlink()
        run_stage(folder, trailers)
        check_whole(folder)
        shutil.rmtree(folder)
    assert len(stopped) >= 2
    assert all("No space left" in reason for reason in stopped)
