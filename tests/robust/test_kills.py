"""Extraction killed at random moments ends with the dataset of a run that nobody disturbed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.media.conftest import texture, tone, write_film

from cinegrain.store.reader import EmbeddingDataset

N_KILLS, N_FILMS, N_DIFFERENT = 12, 90, 8
SETTINGS = ("--extract.experts", "motion_flow,audio_yamnet", "--extract.workers", "1", "--json")


def films(folder: Path) -> Path:
    """Eight films of three scenes under many names."""
    folder.mkdir()
    for n in range(N_DIFFERENT):
        shots = [np.roll(cv2.resize(texture(3 * n + cut), (160, 96)), i, axis=1) for cut in range(3) for i in range(20)]
        write_film(folder / f"{n:03d}.mp4", shots, sound=tone(200 + 50 * n, 2.4))
    for n in range(N_DIFFERENT, N_FILMS):
        os.link(folder / f"{n % N_DIFFERENT:03d}.mp4", folder / f"{n:03d}.mp4")
    rows = "".join(f"{n:03d}.mp4,Drama\n" for n in range(N_FILMS))
    (folder.parent / "films.csv").write_text("file,genres\n" + rows)
    return folder


def start(videos: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "cinegrain",
        "extract",
        str(videos),
        "--catalog",
        f"{videos}.csv",
        "--out",
        str(out),
        *SETTINGS,
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def has_dataset(run: Path) -> bool:
    return (run / "dataset" / "trailers.lance").exists()


def n_commits(run: Path) -> int:
    return len(list((run / "dataset" / "trailers.lance" / "_versions").glob("*")))


def wait_for_commits(run: Path, n: int, process: subprocess.Popen[bytes]) -> None:
    while n_commits(run) < n and process.poll() is None:
        time.sleep(0.005)


def contents(run: Path) -> dict[str, object]:
    """Everything of each film that does not say when it was read."""
    dataset = EmbeddingDataset(run / "dataset")
    ids = [record.trailer_id for record in dataset.trailers]
    found: dict[str, object] = {
        record.trailer_id: [(record.sha256, record.n_scenes, record.flags, record.experts), dataset.scenes(name)]
        for name, record in zip(ids, dataset.trailers, strict=True)
    }
    for expert in dataset.experts:
        vectors = dataset.vectors(expert.name, ids)
        for i, name in enumerate(ids):
            rows = slice(vectors.offsets[i], vectors.offsets[i + 1])
            found[f"{name} {expert.name}"] = (vectors.scenes[rows].tobytes(), vectors.vectors[rows].tobytes())
    return found


@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="workers die with their parent on Linux")
def test_kills_leave_the_same_dataset(tmp_path: Path) -> None:
    videos, out, chance = films(tmp_path / "films"), tmp_path / "run", random.Random(0)
    n_done = []
    for _ in range(N_KILLS):
        process = start(videos, out)
        if chance.random() < 0.2:  # while everything starts
            time.sleep(chance.uniform(0, 2))
        else:  # while films are being written
            wait_for_commits(out, n_commits(out) + chance.randrange(1, 5), process)
            time.sleep(chance.uniform(0, 0.1))
        assert process.poll() is None, "the run ended before it could be killed: more films are needed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        n_done.append(len(EmbeddingDataset(out / "dataset").trailers) if has_dataset(out) else 0)
    assert n_done == sorted(n_done), "nothing acknowledged is lost"
    assert n_done[5] < n_done[-1] < N_FILMS, n_done
    last = start(videos, out)
    last.communicate(timeout=300)
    assert last.returncode == 0
    undisturbed = start(videos, tmp_path / "undisturbed")
    undisturbed.communicate(timeout=300)
    assert contents(out) == contents(tmp_path / "undisturbed")
    assert len(EmbeddingDataset(out / "dataset").trailers) == N_FILMS
    print(f"\n{N_KILLS} kills; films held after each: {n_done}")
