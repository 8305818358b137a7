"""Many files: tables, lists, and a folder in which films arrive."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pipeline.planted_run import planted_run
from tests.pipeline.some_answer import some_answer, some_genre

from cinegrain.config import load_settings
from cinegrain.errors import ConfigError
from cinegrain.explain.familiarity import fit_familiarity
from cinegrain.media.files import path_text
from cinegrain.pipeline.answers.answer import Answers
from cinegrain.pipeline.answers.answer_file import AnswerFile
from cinegrain.pipeline.answers.predict import watch_folder
from cinegrain.pipeline.discover import discover
from cinegrain.pipeline.learning.sure import how_sure
from cinegrain.pipeline.learning.train import fine_tune, load_data
from cinegrain.results import Failure, Prediction
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import DiscoverSettings


def answer(path: Path) -> Prediction | Failure:
    if path.read_bytes().startswith(b"bad"):
        return Failure(path_text(path), f"{path} is bad")
    return some_answer(path, some_genre("War", 0.75, decided=True), some_genre("Horror", 0.25, decided=False))


class NewFilms:
    """Stands for the time that passes: each look at the folder does the next thing."""

    def __init__(self, *things: Any) -> None:
        self.things: Iterator[Any] = iter(things)

    def __call__(self, seconds: float) -> None:
        del seconds
        thing = next(self.things, None)
        if thing is None:
            raise KeyboardInterrupt
        thing()


def seen(folder: Path, out: Path | None, *things: Any) -> list[Any]:
    found: list[Any] = []
    kept = None if out is None else AnswerFile(out, "m")
    with pytest.raises(KeyboardInterrupt):
        found.extend(found.append(x) for x in watch_folder(folder, answer, kept, sleep=NewFilms(*things)))  # type: ignore[func-returns-value]
    return [x for x in found if x is not None]


def wait() -> None:
    pass


def test_a_growing_file_is_read_once_when_it_is_whole(tmp_path: Path) -> None:
    film = tmp_path / "a.mp4"

    def grow() -> None:
        with film.open("ab") as file:
            file.write(b"more")

    found = seen(tmp_path, None, grow, grow, grow, wait, wait, wait)
    assert [x.path for x in found] == [str(film)]
    assert film.stat().st_size == 12, "it had stopped growing"


def test_a_bad_file_is_reported_once_and_again_when_it_changes(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.mp4", tmp_path / "good.mp4"
    bad.write_bytes(b"bad")
    found = seen(
        tmp_path,
        None,
        wait,
        wait,
        lambda: good.write_bytes(b"good"),
        wait,
        lambda: bad.write_bytes(b"mended"),
        wait,
        wait,
    )
    assert isinstance(found[0], Failure)
    assert found[0].path == str(bad)
    assert [x.path for x in found[1:]] == [str(good), str(bad)]


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_line_separator_or_a_formula_in_a_name_does_no_harm(tmp_path: Path, ending: str) -> None:
    films, out = tmp_path / "films", tmp_path / f"out{ending}"
    films.mkdir()
    for name in ("one\u2028two.mp4", "a;b,c.mp4"):
        (films / name).write_bytes(b"x")
    assert len(seen(films, out, wait, wait)) == 2
    assert seen(films, out, wait, wait) == []


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_second_watch_goes_on_where_the_first_stopped(tmp_path: Path, ending: str) -> None:
    films, out = tmp_path / "films", tmp_path / f"out{ending}"
    films.mkdir()
    odd = Path(os.fsdecode(os.fsencode(films) + b"/caf\xe9.mp4"))
    odd.write_bytes(b"x")
    assert len(seen(films, out, wait, wait)) == 1
    (films / "b.mp4").write_bytes(b"y")
    assert [x.path for x in seen(films, out, wait, wait)] == [str(films / "b.mp4")]
    text = out.read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines())) if ending == ".csv" else [json.loads(x) for x in text.splitlines()]
    assert [row["path"] for row in rows] == [path_text(odd), str(films / "b.mp4")]


def test_a_film_that_changes_is_answered_again_in_place_of_the_old_answer(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "out.csv"
    films.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (films / name).write_bytes(b"x")
    seen(films, out, wait, wait)
    (films / "a.mp4").write_bytes(b"another")
    assert [x.path for x in seen(films, out, wait, wait)] == [str(films / "a.mp4")]
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(Path(row["path"]).name, row["size_bytes"]) for row in rows] == [("b.mp4", "1"), ("a.mp4", "7")]
    (films / "a.mp4").write_bytes(b"bad now")
    assert isinstance(seen(films, out, wait, wait)[0], Failure)
    with out.open(encoding="utf-8-sig", newline="") as file:
        assert [Path(row["path"]).name for row in csv.DictReader(file)] == ["b.mp4"], (
            "the answer to the old file is gone"
        )
    assert "a.mp4 is bad" in (tmp_path / "out.failures.csv").read_text()


def test_not_sure_for_each_of_its_reasons() -> None:
    rng = np.random.default_rng(0)
    means = {name: rng.normal(size=(60, 5)).astype(np.float32) + 3 for name in ("a", "b", "c")}
    familiar = fit_familiarity(means, np.arange(40), np.arange(40, 60))
    one = {name: x[:1] for name, x in means.items()}
    modes = {"a": "audio", "b": "motion", "c": "image"}
    yes, no = [some_genre("War", 0.75, decided=True)], [some_genre("War", 0.25, decided=False)]
    assert how_sure(yes, modes, one, familiar)[0] == ()
    assert how_sure(no, modes, one, familiar)[0] == ("no genre is likely enough",)
    alone = {**one, "a": np.full((1, 5), np.nan, np.float32), "b": np.full((1, 5), np.nan, np.float32)}
    assert how_sure(yes, modes, alone, None) == (("based only on image",), None)
    reasons, judged = how_sure(yes, modes, one, replace(familiar, threshold=-100.0))
    assert reasons == ("unlike the training films (audio, motion, image)",)
    assert judged
    assert judged.score == max(judged.to_dict()["modes"].values())
    assert json.dumps(judged.to_dict(), allow_nan=False)


def test_two_experts_of_one_modality_are_judged_as_one() -> None:
    rng = np.random.default_rng(0)
    means = {name: rng.normal(size=(60, 5)).astype(np.float32) + 3 for name in ("a", "b", "c")}
    familiar = replace(fit_familiarity(means, np.arange(40), np.arange(40, 60)), threshold=-100.0)
    modes, yes = {"a": "audio", "b": "audio", "c": "image"}, [some_genre("War", 0.75, decided=True)]
    nothing = np.full((1, 5), np.nan, np.float32)
    one = {name: x[:1] for name, x in means.items()}
    reasons, judged = how_sure(yes, modes, one, familiar)
    assert judged
    assert reasons == ("unlike the training films (audio, image)",)
    assert judged.by_modality == {
        "audio": max(judged.by_expert[name] or 0 for name in "ab"),
        "image": judged.by_expert["c"],
    }
    reasons, judged = how_sure(yes, modes, {**one, "b": nothing}, None)
    assert (reasons, judged) == ((), None), "its sound is heard by the other expert"
    reasons, _ = how_sure(yes, modes, {**one, "a": nothing, "b": nothing}, None)
    assert reasons == ("based only on image",)


def test_a_run_from_vectors_says_why_it_cannot_look_at_a_film(tmp_path: Path) -> None:
    run = planted_run(tmp_path, n=60)
    settings = load_settings(run.settings)
    settings = replace(settings, discover=DiscoverSettings(n_clusters=3))
    data = load_data(run, load_matched(run.catalog).trailers, tuple(settings.extract.experts.split(",")))
    fine_tune(run, data, settings, Silent())
    discover(run, data, settings, Silent())
    answers = Answers(run)
    with pytest.raises(ConfigError, match="made from vectors computed elsewhere"):
        answers.new_film(tmp_path / "film.mp4")
    known = answers.predict(answers.film("7"), top_k=2)
    assert known.strangeness
    assert known.strangeness.score is not None
    assert {genre.name for genre in known.genres} == {"Comedy", "Horror", "War"}
    check_what_is_said_of_sub_genres(run)


def check_what_is_said_of_sub_genres(run: Run) -> None:
    atlas, rows = read_json(run.atlas), read_json(run.trailers)
    assert {card["verdict"]["kind"] for card in atlas["subgenres"]} <= {"stable", "loose", "artefact", "cut", "small"}
    assert {row["genre"] for row in atlas["structure"]["genres"]} == {"Comedy", "Horror", "War"}
    assert all(row["said"] for row in atlas["structure"]["genres"])
    assert {"silhouette", "stability", "gap", "chance"} <= set(atlas["curve"][0])
    for row in rows:
        assert row["memberships"][0]["id"] == row["subgenre"]["id"]
        assert sum(m["membership"] for m in row["memberships"]) <= 1.001
