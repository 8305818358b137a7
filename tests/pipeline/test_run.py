"""What users do, end to end, through the real command."""

import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.pipeline.conftest import FAST, Cinegrain

from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.store.reader import EmbeddingDataset
from cinegrain_demo.corpus import CorpusFiles

pytestmark = pytest.mark.xdist_group("run")
MODES = {"audio", "location", "motion", "image"}
MOTION = ("--extract.experts", "motion_flow")
ARTIFACTS = (
    "report.html",
    "atlas.json",
    "metrics.json",
    "failures.csv",
    "settings.toml",
    "trailers.json",
    "subgenres.csv",
    "dataset",
    "models/coarse/model.safetensors",
    "models/finetuned/model.safetensors",
)


def fingerprint(run: Path) -> dict[str, str]:
    """Hash of every artifact outside the dataset and the report."""
    names = [n for n in ARTIFACTS if (run / n).is_file() and n != "report.html"]
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in names}


def stem_copy(source: Path, target: Path, *, audio: bool) -> Path:
    """The same film remuxed, with or without its sound."""
    with av.open(str(source)) as inp, av.open(str(target), "w") as out:
        streams = [s for s in inp.streams if s.type == "video" or audio]
        maps = {s.index: out.add_stream_from_template(s) for s in streams}
        for packet in inp.demux(streams):
            if packet.dts is not None:
                packet.stream = maps[packet.stream.index]
                out.mux(packet)
    return target


def test_a_finished_run_holds_everything(finished: Path) -> None:
    assert [name for name in ARTIFACTS if not (finished / name).exists()] == []
    assert (finished / "failures.csv").read_text(
        encoding="utf-8-sig"
    ) == "trailer_id,path,reason,size_bytes,modified_ns\n"
    atlas, rows = read_json(finished / "atlas.json"), read_json(finished / "trailers.json")
    members = [m for s in atlas["subgenres"] for m in s["members"]]
    assert sorted(members) == sorted(r["trailer_id"] for r in rows)
    assert len({s["name"] for s in atlas["subgenres"]}) == len(atlas["subgenres"])
    names = {m: s["name"] for s in atlas["subgenres"] for m in s["members"]}
    with (finished / "subgenres.csv").open(encoding="utf-8-sig") as file:
        assert {r["trailer_id"]: r["subgenre"] for r in csv.DictReader(file)} == names
    for row in rows:
        assert {w for g in row["predicted"] for w in g["influence"]} == MODES
    assert "seed" in read_json(finished / "metrics.json")["provenance"]


def test_influence_of_modes_adds_up(finished: Path) -> None:
    """Each film's parts and the common base give its probability back."""
    rows = read_json(finished / "trailers.json")
    bases = []
    for row in rows:
        for genre in row["predicted"]:
            logit = np.log(genre["probability"] / (1 - genre["probability"]))
            bases.append((genre["name"], logit - sum(genre["influence"].values())))
    for name in {n for n, _ in bases}:
        base = [b for n, b in bases if n == name]
        assert np.ptp(base) < 1e-4, "what is left is the same for every film: the answer to nothing"


def test_again_returns_at_once_and_changes_nothing(finished: Path, corpus: CorpusFiles, cinegrain: Cinegrain) -> None:
    before = fingerprint(finished)
    done = cinegrain("run", corpus.videos, "--catalog", corpus.catalog, "--out", finished, "--json", *FAST)
    assert done.code == 0, done.err
    assert (done.json["new"], done.json["embedded"]) == (0, 16)
    assert "Genre model" not in done.err
    assert "Embedding films" not in done.err
    assert fingerprint(finished) == before


def test_predict_a_film_never_seen(finished: Path, corpus: CorpusFiles, cinegrain: Cinegrain, tmp_path: Path) -> None:
    source = sorted(corpus.videos.glob("*.mp4"))[0]
    loud = stem_copy(source, tmp_path / "with sound é.mp4", audio=True)
    mute = stem_copy(source, tmp_path / "mute.mp4", audio=False)
    done = cinegrain("predict", finished, loud, mute, "--json")
    assert done.code == 0, done.err
    first, second = done.json
    assert first["path"] == str(loud)
    for answer in (first, second):
        assert set(answer) >= {"path", "genres", "subgenre", "concepts", "neighbours", "missing"}
        assert set(answer["subgenre"]) >= {"id", "name", "distance"}
        for genre in answer["genres"]:
            assert set(genre) == {"name", "probability", "decided", "influence", "influence_by_expert"}
            assert 0 <= genre["probability"] <= 1
            assert set(genre["influence"]) == MODES
    assert first["missing"] == []
    assert second["missing"] == ["audio"]
    assert "audio" in first["concepts"]
    assert "audio" not in second["concepts"]
    assert all(g["influence"]["audio"] == 0 for g in second["genres"])
    nearest = first["neighbours"][0]
    assert nearest["trailer_id"] == source.stem, "its own copy in the run is the nearest"
    assert nearest["score"] > 0.99
    known = next(r for r in read_json(finished / "trailers.json") if r["trailer_id"] == source.stem)
    assert first["subgenre"]["id"] == known["subgenre"]["id"]
    probabilities = {g["name"]: g["probability"] for g in first["genres"]}
    assert probabilities == pytest.approx({g["name"]: g["probability"] for g in known["predicted"]}, abs=5e-3)


def test_similar_and_predict_of_films_of_the_run(finished: Path, cinegrain_here: Cinegrain) -> None:
    film = read_json(finished / "trailers.json")[3]
    near = cinegrain_here("similar", finished, film["trailer_id"], "-k", 4, "--json").json["neighbours"]
    assert [n["trailer_id"] for n in near][:4] == [n["trailer_id"] for n in film["neighbours"]][:4]
    assert film["trailer_id"] not in [n["trailer_id"] for n in near]
    for n in near:
        assert sum(n["modes"].values()) == pytest.approx(n["score"], abs=1e-5)
    by = cinegrain_here("similar", finished, film["title"], "--by", "audio", "--json").json
    assert by["film"] == film["trailer_id"], "a title will do as well"
    assert all(set(n["modes"]) == {"audio"} for n in by["neighbours"])
    told = cinegrain_here("predict", finished, film["title"])
    assert told.code == 0
    for word in (film["title"], "Genres:", "Sub-genre:", "audio", "Nearest films"):
        assert word in told.out
    assert cinegrain_here("similar", finished, film["title"], "--by", "smell").code == 2
    wrong = cinegrain_here("predict", finished, "no such film")
    assert wrong.code == 1
    assert "There is no film" in wrong.err


def test_stages_one_by_one_equal_the_whole(
    finished: Path, corpus: CorpusFiles, cinegrain_here: Cinegrain, tmp_path: Path
) -> None:
    """From the films' vectors on; that extraction gives the same however it is run is shown by killing it."""
    out = tmp_path / "run"
    shutil.copytree(finished / "dataset", out / "dataset")
    shutil.copy(finished / "run.json", out)
    there = cinegrain_here("extract", corpus.videos, "--catalog", corpus.catalog, "--out", out, "--json").json
    assert (there["embedded"], there["new"]) == (16, 0)
    early = cinegrain_here("finetune", out)
    assert early.code == 1
    assert "model.json is missing" in early.err
    for stage, flags in (("train", FAST[:2]), ("finetune", FAST[2:]), ("discover", [])):
        done = cinegrain_here(stage, out, *flags)
        assert done.code == 0, done.err
    assert cinegrain_here("report", out).code == 0
    whole, parts = read_json(finished / "atlas.json"), read_json(out / "atlas.json")
    assert [s["members"] for s in parts["subgenres"]] == [s["members"] for s in whole["subgenres"]]
    assert cinegrain_here("train", out, "--train.epochs", "6").code == 0
    stale = cinegrain_here("discover", out)
    assert stale.code == 1
    assert "trained again after fine-tuning" in stale.err


def start(corpus: CorpusFiles, out: Path) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "cinegrain",
        "run",
        str(corpus.videos),
        "--catalog",
        str(corpus.catalog),
        "--out",
        str(out),
        *FAST,
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_films(out: Path, n: int) -> None:
    for _ in range(1200):
        if (
            len(list((out / "dataset" / "trailers.lance" / "_versions").glob("*.manifest"))) >= n
        ):  # each commit is one film
            return
        time.sleep(0.1)
    raise AssertionError("no film came")


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = task.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(task.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_kill_9_then_the_same_command_goes_on(
    finished: Path, corpus: CorpusFiles, cinegrain: Cinegrain, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = start(corpus, out)
    wait_for_films(out, 3)
    workers = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(50):
        if not any(alive(w) for w in workers):
            break
        time.sleep(0.1)
    assert not any(alive(w) for w in workers), "workers die with their parent"
    done = cinegrain("run", corpus.videos, "--catalog", corpus.catalog, "--out", out, "--json", *FAST)
    assert done.code == 0, done.err
    assert done.json["embedded"] == 16
    assert 0 < done.json["new"] <= 13, "what was finished is not done again"
    ours, theirs = EmbeddingDataset(out / "dataset"), EmbeddingDataset(finished / "dataset")
    ids = [t.trailer_id for t in theirs.trailers]
    assert [t.trailer_id for t in ours.trailers] == ids
    for expert in theirs.experts:
        a, b = ours.vectors(expert.name, ids), theirs.vectors(expert.name, ids)
        np.testing.assert_array_equal(a.offsets, b.offsets)
        np.testing.assert_array_equal(a.vectors, b.vectors)


def test_ctrl_c_stops_cleanly(corpus: CorpusFiles, tmp_path: Path) -> None:
    process = start(corpus, tmp_path / "run")
    wait_for_films(tmp_path / "run", 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again" in err
    assert "Traceback" not in err


@pytest.fixture
def few(corpus: CorpusFiles, tmp_path: Path) -> Path:
    """Six films in a folder of their own, to do harm to."""
    folder = tmp_path / "films"
    folder.mkdir()
    for path in sorted(corpus.videos.glob("*.mp4"))[:6]:
        shutil.copy(path, folder)
    return folder


def catalog_of(folder: Path, genres: str = "A B A B A B") -> Path:
    path = folder.parent / "films.csv"
    names = sorted(p.name for p in folder.glob("*.mp4"))
    listed = genres.split()
    path.write_text("file,genres\n" + "".join(f"{n},{listed[i % len(listed)]}\n" for i, n in enumerate(names)))
    return path


def test_broken_files_are_rows_and_the_rest_goes_on(
    few: Path, cinegrain: Cinegrain, cinegrain_here: Cinegrain, tmp_path: Path
) -> None:
    whole = sorted(few.glob("*.mp4"))[0]
    (few / "text.mp4").write_text("this is no film")
    (few / "cut off.mp4").write_bytes(whole.read_bytes()[:3000])
    (few / "empty.mp4").touch()
    catalog = catalog_of(few)
    out = tmp_path / "run"
    done = cinegrain("run", few, "--catalog", catalog, "--out", out, "--json", *FAST)
    assert done.code == 3, done.err
    assert done.json["embedded"] == 6
    with (out / "failures.csv").open(encoding="utf-8-sig") as file:
        rows = {row["trailer_id"]: row["reason"] for row in csv.DictReader(file)}
    assert set(rows) == {"text.mp4", "cut off.mp4", "empty.mp4"}
    assert all(len(reason) > 20 for reason in rows.values())
    again = cinegrain_here("run", few, "--catalog", catalog, "--out", out, "--json", *FAST)
    assert (again.code, again.json["new"], len(again.json["failures"])) == (3, 0, 3)
    shutil.copy(whole, few / "text.mp4")  # mended: a changed file is tried again without being asked
    mended = cinegrain_here("run", few, "--catalog", catalog, "--out", out, "--json", *FAST)
    assert (mended.code, mended.json["new"], len(mended.json["failures"])) == (3, 1, 2)


def test_changed_file_is_embedded_anew(few: Path, cinegrain_here: Cinegrain, tmp_path: Path) -> None:
    catalog, out = catalog_of(few), tmp_path / "run"
    cinegrain_here("extract", few, "--catalog", catalog, "--out", out, *MOTION)
    first, second = sorted(few.glob("*.mp4"))[:2]
    os.utime(first)  # touched but the same
    shutil.copy(sorted(few.glob("*.mp4"))[3], second)
    done = cinegrain_here("extract", few, "--catalog", catalog, "--out", out, "--json", *MOTION)
    assert (done.json["new"], done.json["embedded"]) == (1, 6)
    dataset = EmbeddingDataset(out / "dataset")
    shas = {t.trailer_id: t.sha256 for t in dataset.trailers}
    assert shas[second.name] == hashlib.sha256(second.read_bytes()).hexdigest()


def test_what_does_not_fit_is_named_and_not_fatal(few: Path, cinegrain: Cinegrain, tmp_path: Path) -> None:
    catalog = catalog_of(few)
    extra = sorted(few.glob("*.mp4"))[0]
    shutil.copy(extra, few / "no row.mp4")
    names = [line.split(",")[0] for line in catalog.read_text().splitlines()[1:]]
    lines = [f"{n},{g}" for n, g in zip(names, ["A", "B", "A|Rare", "B", "A", ""], strict=True)]
    catalog.write_text("file,genres\n" + "\n".join(lines) + "\nmissing.mp4,A\n")
    done = cinegrain("run", few, "--catalog", catalog, "--out", tmp_path / "run", "--json", *FAST)
    assert done.code == 0, done.err
    notes = "\n".join(done.json["notes"])
    assert "'no row.mp4' has no catalogue row" in notes
    assert "'missing.mp4' has no file" in notes
    assert f"{names[5]!r} has no genre" in notes
    assert "genre 'Rare' has only 1 film and is not learned" in notes
    report = (tmp_path / "run" / "report.html").read_text()
    assert "no row.mp4" in report


def bad_calls() -> list[Any]:
    return [
        pytest.param("empty", 1, "There are no videos in", id="empty folder"),
        pytest.param("texts", 1, "There are no videos in", id="folder without videos"),
        pytest.param("missing folder", 2, "no folder at", id="no folder"),
        pytest.param("missing column", 2, "no column of files or titles.*Did you mean 'fil'", id="missing column"),
        pytest.param("latin-1", 2, "not UTF-8", id="wrong encoding"),
        pytest.param("unwritable", 1, "Cannot write", id="unwritable output"),
        pytest.param("other version", 1, "run of format 99", id="run of another version"),
        pytest.param("not a run", 1, "is not a Cinegrain run", id="output is something else"),
        pytest.param("one genre", 1, "at least two genres", id="fewer than two genres"),
        pytest.param("few titles", 1, "5 different titles", id="too few titles to split"),
        pytest.param("no expert", 2, "Unknown preset or expert nothing", id="unknown expert"),
        pytest.param("no dataset", 2, "A dataset lies in a run folder or on an object store", id="unusable address"),
        pytest.param("no match", 1, "No row of .* names a file", id="catalogue of other films"),
    ]


@pytest.mark.parametrize(("case", "code", "message"), bad_calls())
def test_bad_input_is_one_clear_error(
    few: Path, cinegrain_here: Cinegrain, tmp_path: Path, case: str, code: int, message: str
) -> None:
    import re

    videos, catalog, out = few, catalog_of(few), tmp_path / "run"
    if case in ("empty", "texts"):
        videos = tmp_path / case
        videos.mkdir()
        if case == "texts":
            (videos / "notes.txt").write_text("x")
    elif case == "missing folder":
        videos = tmp_path / "none"
    elif case == "missing column":
        catalog.write_text(catalog.read_text().replace("file,", "fil,", 1))
    elif case == "latin-1":
        catalog.write_bytes(catalog.read_text().replace("A", "Com\u00e9die").encode("latin-1"))
    elif case == "unwritable":
        (tmp_path / "a file").touch()
        out = tmp_path / "a file" / "run"
    elif case == "other version":
        write_json(out / "run.json", {"format": 99})
    elif case == "not a run":
        out.mkdir()
        (out / "thesis.docx").touch()
    elif case == "one genre":
        catalog = catalog_of(few, "A")
    elif case == "few titles":
        names = [line.split(",")[0] for line in catalog.read_text().splitlines()[1:]]
        lines = [f"{n},{t},{g}" for n, t, g in zip(names, "aabbcc", "ABABAB", strict=True)]
        catalog.write_text("file,title,genres\n" + "\n".join(lines))
    elif case == "no match":
        catalog.write_text("file,genres\nx.mp4,A\ny.mp4,B\n")
    flags = {"no expert": ["--extract.experts", "nothing"], "no dataset": ["--extract.dataset", "http://a/b"]}
    done = cinegrain_here("run", videos, "--catalog", catalog, "--out", out, *flags.get(case, []))
    assert not (out / "dataset").exists(), "told before any film is looked at"
    assert done.code == code, done.err
    assert re.search(message, " ".join(done.err.split())), done.err
    assert sum("Error:" in line for line in done.err.splitlines()) == 1
    assert done.out == ""


def rows_of(run: Path, expert: str) -> np.ndarray:
    dataset = EmbeddingDataset(run / "dataset")
    return dataset.vectors(expert, [t.trailer_id for t in dataset.trailers]).vectors


def test_only_what_is_missing_is_computed(few: Path, cinegrain_here: Cinegrain, tmp_path: Path) -> None:
    for path in sorted(few.glob("*.mp4"))[3:]:
        path.unlink()
    catalog, out, fresh = catalog_of(few), tmp_path / "run", tmp_path / "fresh"

    def extract(target: Path, *flags: str) -> dict[str, Any]:
        done = cinegrain_here("extract", few, "--catalog", catalog, "--out", target, "--json", *flags)
        assert done.code == 0, done.err
        found: dict[str, Any] = done.json
        return found

    extract(out, "--extract.experts", "motion_flow")
    motion = rows_of(out, "motion_flow")
    assert extract(out, "--extract.experts", "motion_flow,audio_yamnet")["new"] == 3
    np.testing.assert_array_equal(rows_of(out, "motion_flow"), motion)
    assert extract(out, "--extract.experts", "audio_yamnet")["new"] == 0, "all of it is there"

    flow = ["--extract.experts", "motion_flow,audio_yamnet", "--media.flow_fps", "4"]
    audio = rows_of(out, "audio_yamnet")
    version = len(list((out / "dataset" / "scenes.lance" / "_versions").iterdir()))
    extract(out, *flow)
    extract(fresh, *flow)
    assert len(rows_of(out, "motion_flow")) == len(motion)
    assert not np.array_equal(rows_of(out, "motion_flow"), motion), "it depends on the setting"
    for expert in ("motion_flow", "audio_yamnet"):
        np.testing.assert_array_equal(rows_of(out, expert), rows_of(fresh, expert))
    np.testing.assert_array_equal(rows_of(out, "audio_yamnet"), audio)
    assert len(list((out / "dataset" / "scenes.lance" / "_versions").iterdir())) == version, "scenes were left alone"

    cut = [*flow, "--media.max_scene_s", "1.5"]
    extract(out, *cut)
    again = tmp_path / "again"
    extract(again, *cut)
    for expert in ("motion_flow", "audio_yamnet"):
        np.testing.assert_array_equal(rows_of(out, expert), rows_of(again, expert))
    assert extract(out, *cut, "--media.time_limit_s", "99")["new"] == 0, "no vector depends on the time limit"


def test_retry_failed_tries_just_those(few: Path, cinegrain_here: Cinegrain, tmp_path: Path) -> None:
    bad, out = few / "text.mp4", tmp_path / "run"
    bad.write_text("no film")
    catalog = catalog_of(few)
    first = cinegrain_here("extract", few, "--catalog", catalog, "--out", out, *MOTION)
    assert first.code == 3
    quiet = cinegrain_here("extract", few, "--catalog", catalog, "--out", out, *MOTION)
    assert "Embedding films" not in quiet.err
    again = cinegrain_here("extract", few, "--catalog", catalog, "--out", out, "--retry-failed", *MOTION)
    assert (again.code, quiet.code) == (3, 3)
    assert "Embedding films: 1/1" in again.err


def test_predict_names_what_it_cannot_read(
    finished: Path, corpus: CorpusFiles, cinegrain_here: Cinegrain, tmp_path: Path
) -> None:
    bad = tmp_path / "text.mp4"
    bad.write_text("no film")
    good = sorted(corpus.videos.glob("*.mp4"))[0]
    both = cinegrain_here("predict", finished, good, bad, "--json")
    assert (both.code, len(both.json)) == (3, 1)
    assert "text.mp4" in both.err
    assert cinegrain_here("predict", finished, bad, "--json").code == 1
    assert cinegrain_here("predict", tmp_path, good).code == 1


def test_the_truth_reaches_no_stage(finished: Path, corpus: CorpusFiles) -> None:
    """No planted name stands in anything that a stage read or wrote."""
    with corpus.truth.open(encoding="utf-8-sig") as file:
        planted = {row["subgenre"] for row in csv.DictReader(file)}
    for path in finished.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".csv", ".toml"):
            text = path.read_text()
            assert not any(f'"{name}"' in text or f",{name}," in text for name in planted), path
