"""Films that crash, hang or flood whoever reads them, among others: no film costs another its answer."""

import csv
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.conftest import Cinegrain
from tests.pipeline.harmful import HARM, harmful_embedder, heavy_modules, pid_of

from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.pipeline.answers.answer_file import AnswerFile
from cinegrain.pipeline.answers.predict import run_predictor, watch_folder
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import Read, WorkerSetup
from cinegrain.pipeline.extraction.workers import WorkerPool, calling_pool
from cinegrain.results import Failure
from cinegrain.runs.layout import Run
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain_demo.corpus import CorpusFiles

pytestmark = [pytest.mark.xdist_group("run"), pytest.mark.timeout(280)]
SILENCE_S = 5.0


@pytest.fixture
def harmful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of new films read with `Harmful`."""

    def pool(setup: WorkerSetup, *, workers: int) -> WorkerPool[EmbeddedTrailer]:
        return WorkerPool(functools.partial(harmful_embedder, setup), n_workers=workers, silence_s=SILENCE_S)

    monkeypatch.setattr("cinegrain.pipeline.answers.film_workers.embedding_pool", pool)


@pytest.fixture
def films(corpus: CorpusFiles, tmp_path: Path) -> Path:
    """Two films, and between them those that do harm; each is another file."""
    folder = tmp_path / "films"
    folder.mkdir()
    one, *_, other = sorted(corpus.videos.glob("*.mp4"))
    for name, source in {"a.mp4": one, **dict.fromkeys(HARM, one), "z.mp4": other}.items():
        (folder / name).write_bytes(source.read_bytes() + b"\x00\x00\x00\x08free")
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("harmful")
def test_predict_answers_for_all_others(finished: Path, films: Path, cinegrain_here: Cinegrain, tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    done = cinegrain_here("predict", finished, films, "--out", out)
    assert done.code == 3
    assert sorted(Path(row["path"]).name for row in table(out)) == ["a.mp4", "z.mp4"]
    failed = {Path(row["path"]).name: row["reason"] for row in table(tmp_path / "answers.failures.csv")}
    assert failed.keys() == HARM.keys()
    for name, reason in HARM.items():
        assert reason in failed[name]
        assert name in done.err
    assert "2 of 6 films" in done.out
    bad = cinegrain_here("predict", finished, films / "crash.mp4", films / "killed.mp4", "--json")
    assert (bad.code, bad.json) == (1, [])
    again = cinegrain_here("predict", finished, films / "a.mp4", films / "crash.mp4", films / "z.mp4", "--out", out)
    assert "2 of 3 films are already in" in again.err
    assert (again.code, len(table(out))) == (3, 2)


@pytest.mark.usefixtures("harmful")
def test_assign_takes_all_others_in(finished: Path, films: Path, cinegrain_here: Cinegrain, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (films / "hang.mp4").unlink()
    done = cinegrain_here("assign", run, films, "--json")
    assert done.code == 3
    assert sorted(row["trailer_id"] for row in done.json["films"]) == ["a.mp4", "z.mp4"]
    failed = {Path(row["path"]).name: row["reason"] for row in done.json["failures"]}
    assert failed.keys() == HARM.keys() - {"hang.mp4"}
    assert all(HARM[name] in reason for name, reason in failed.items())
    assert {"a.mp4", "z.mp4"} <= set(open_atlas(Run.open(run)).trailer_ids)


@pytest.mark.usefixtures("harmful")
def test_a_watched_folder_outlives_its_worker(finished: Path, films: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "watched", tmp_path / "answers.jsonl"
    folder.mkdir()
    coming = iter(["a.mp4", "crash.mp4", "z.mp4"])

    def pause(_: float) -> None:
        """Every second look brings a film."""
        pause.n += 1  # type: ignore[attr-defined]
        if pause.n % 2:  # type: ignore[attr-defined]
            name = next(coming, None)
            if name is None:
                raise KeyboardInterrupt
            shutil.copy(films / name, folder / name)

    pause.n = 0  # type: ignore[attr-defined]
    found = []
    with run_predictor(Run.open(finished), n_films=1, top_k=2) as predictor:
        assert predictor.workers is not None
        kept = AnswerFile(out, predictor.model)
        with suppress(KeyboardInterrupt):
            for one in watch_folder(folder, predictor.one, kept, sleep=pause):
                found.append(one)
                for worker in predictor.workers._workers:
                    worker.process.kill()  # as a system without memory does, while nothing is read
                    worker.process.join()
    good, bad, other = found
    assert isinstance(bad, Failure)
    assert "SIGABRT" in bad.reason
    assert [Path(row.path).name for row in (good, other)] == ["a.mp4", "z.mp4"]
    assert [json.loads(line)["path"] for line in out.read_text().splitlines()] == [
        str(folder / "a.mp4"),
        str(folder / "z.mp4"),
    ]


def test_a_command_that_is_killed_keeps_its_answers_and_continues(
    finished: Path, corpus: CorpusFiles, cinegrain: Cinegrain, tmp_path: Path
) -> None:
    folder, out = tmp_path / "films", tmp_path / "answers.json"
    folder.mkdir()
    source = sorted(corpus.videos.glob("*.mp4"))[0].read_bytes()
    for i in range(12):
        (folder / f"{i:02}.mp4").write_bytes(source)
    command = [sys.executable, "-m", "cinegrain", *map(str, ("predict", finished, folder, "--out", out))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and (not out.is_file() or out.read_text().count('"path"') < 2):
            time.sleep(0.01)
        process.kill()
    before = json.loads(out.read_text())
    assert 2 <= len(before) < 12, "it was killed in the middle"
    done = cinegrain("predict", finished, folder, "--out", out)
    assert done.code == 0
    assert f"{len(before)} of 12 films are already in" in done.err
    after = json.loads(out.read_text())
    assert after[: len(before)] == before
    assert sorted(Path(row["path"]).name for row in after) == [f"{i:02}.mp4" for i in range(12)]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize("wait_for", ["the workers start", "the first answer"])
def test_ctrl_c_stops_all_without_a_word_too_many(
    finished: Path, corpus: CorpusFiles, tmp_path: Path, wait_for: str
) -> None:
    folder, out = tmp_path / "films", tmp_path / "answers.jsonl"
    folder.mkdir()
    source = sorted(corpus.videos.glob("*.mp4"))[0].read_bytes()
    for i in range(30):
        (folder / f"{i:02}.mp4").write_bytes(source)
    command = [sys.executable, "-m", "cinegrain", *map(str, ("predict", finished, folder, "--out", out))]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while process.poll() is None and not (
            _members(process.pid) > 2 if wait_for == "the workers start" else out.is_file() and out.read_text()
        ):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said, said
    assert "Nothing finished is lost" in said
    until = time.monotonic() + 10
    while _members(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _members(process.pid), "workers outlive the command"


def _members(group: int) -> int:
    """Living processes of a group."""
    n = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, found = path.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        n += int(found) == group and state != "Z"
    return n


def test_workers_load_no_pytorch(tmp_path: Path) -> None:
    with calling_pool(heavy_modules, limit_s=60, workers=1) as pool:
        assert pool.one(Job("x", tmp_path)).value == []


def pids(found: Iterator[Any]) -> set[int]:
    return {one.value for one in found if isinstance(one, Read)}


def jobs(*names: str) -> Sequence[Job]:
    return [Job(name, Path(name)) for name in names]


def test_workers_stay_for_the_next_call_and_are_replaced_when_they_are_gone(tmp_path: Path) -> None:
    with calling_pool(pid_of, limit_s=60, workers=2) as pool:
        meet = [Job("meet 1", tmp_path), Job("meet 2", tmp_path)]
        first = pids(pool.each([*meet, *jobs("a", "b", "bad")]))
        assert len(first) == 2
        assert pids(pool.each(jobs("a", "b", "c", "d"))) <= first
        half = pool.each(jobs("a", "b", "c", "d"))
        next(half)
        assert isinstance(half, Generator)
        half.close()  # nobody waits for the others any more
        assert [one.trailer_id for one in pool.each(jobs("e"))] == ["e"], "and none of them comes later"
        for worker in pool._workers:
            worker.process.kill()
        assert not pids(pool.each(jobs("a", "b"))) & first
        living = [worker.process for worker in pool._workers]
    assert not any(process.is_alive() for process in living)
