"""Answers on disk: whole after a kill at any byte, continued, replaced, and never mixed with anything else."""

import csv
import json
import os
from pathlib import Path

import pytest
from tests.pipeline.some_answer import some_answer, some_genre

from cinegrain.errors import ConfigError, StoreError
from cinegrain.pipeline.answers.answer_file import AnswerFile, check_out
from cinegrain.results import Failure, Prediction

ENDINGS = [".csv", ".jsonl", ".json"]
ODD = "Fremde 'Nähe', \u2028 \"zwei\""


def answer(path: Path, model: str = "m", probability: float = 0.75) -> Prediction:
    genres = some_genre("War", probability, decided=True), some_genre(ODD, 0.25, decided=True)
    return some_answer(path, *genres, title=ODD, model=model)


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{name}é.mp4" for name in "abc"]
    for film in found:
        film.write_bytes(b"film")
    return found


def paths_in(out: Path) -> list[str]:
    """As any other program reads it."""
    if out.suffix == ".csv":
        with out.open(encoding="utf-8-sig", newline="") as file:
            return [row["path"] for row in csv.DictReader(file)]
    text = out.read_text(encoding="utf-8")
    rows = json.loads(text) if out.suffix == ".json" else [json.loads(line) for line in text.split("\n") if line]
    return [row["path"] for row in rows]


@pytest.mark.parametrize("ending", ENDINGS)
def test_whole_after_each_answer_and_after_a_kill_at_any_byte(tmp_path: Path, films: list[Path], ending: str) -> None:
    out = tmp_path / f"out{ending}"
    kept = AnswerFile(out, "m")
    assert paths_in(out) == []
    for n, film in enumerate(films):
        before = out.read_bytes()
        kept.add(answer(film))
        whole = out.read_bytes()
        assert paths_in(out) == [str(film) for film in films[: n + 1]]
        begins = next(i for i, (a, b) in enumerate(zip(before + b"\0", whole, strict=False)) if a != b)
        for end in (*range(begins, begins + 9), *range(begins + 9, len(whole), 17)):
            out.write_bytes(whole[:end] + before[end:])  # the write that was under way came only so far
            again = AnswerFile(out, "m")
            assert paths_in(out)[:n] == [str(film) for film in films[:n]], whole[:end]
            if not again.answered(film):
                again.add(answer(film))
            assert out.read_bytes() == whole


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_changed_film_is_not_answered_and_its_answer_replaced(tmp_path: Path, films: list[Path], ending: str) -> None:
    out = tmp_path / f"out{ending}"
    kept = AnswerFile(out, "m")
    for film in films:
        kept.add(answer(film))
    films[0].write_bytes(b"another film")
    os.utime(films[1], ns=(1, 1))
    again = AnswerFile(out, "m")
    assert [again.answered(film) for film in films] == [False, False, True]
    again.add(answer(films[0]))
    assert [again.answered(film) for film in films] == [True, False, True]
    assert sorted(paths_in(out)) == sorted(map(str, films)), "each once"
    again.fail(Failure(str(films[1]), "it is broken"))
    assert str(films[1]) not in paths_in(out), "what the file was before is no answer to it now"
    assert again.failures == tmp_path / "out.failures.csv"
    assert again.failures.read_text(encoding="utf-8-sig") == f"path,reason\n{films[1]},it is broken\n"
    assert AnswerFile(out, "m").failures.is_file()
    again.add(answer(films[1]))
    assert not again.failures.exists()


def test_a_film_that_is_away_for_now_keeps_its_answer(tmp_path: Path, films: list[Path]) -> None:
    kept = AnswerFile(tmp_path / "out.jsonl", "m")
    kept.add(answer(films[0]))
    films[0].rename(tmp_path / "elsewhere")
    assert not kept.answered(films[0])
    kept.fail(Failure(str(films[0]), "There is no file"))
    assert paths_in(kept.path) == [str(films[0])]
    assert "There is no file" in kept.failures.read_text()
    kept.fail(Failure("http://127.0.0.1:1/x.mp4", "unreachable"))
    assert kept.failures.read_text().count("\n") == 3


@pytest.mark.parametrize("ending", ENDINGS)
def test_another_model_is_refused_and_nothing_lost(tmp_path: Path, films: list[Path], ending: str) -> None:
    out = tmp_path / f"out{ending}"
    AnswerFile(out, "m").add(answer(films[0]))
    before = out.read_bytes()
    with pytest.raises(ConfigError, match="another model"):
        AnswerFile(out, "other")
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.csv", b"title,genres\nAlien,Horror\n"),
        ("mine.csv", b"title,genres"),
        ("old.csv", b"path,genres\na.mp4,Horror\n"),
        ("mine.csv", b"\xff\xd8\xff\x00\n\x01"),
        ("mine.jsonl", b"hello\n"),
        ("mine.jsonl", b'{"a": 1}\n{"a": \n'),
        ("old.json", b'[\n  {\n    "path": "a.mp4"\n  }\n]\n'),
        ("mine.json", b'{"settings": {}}'),
        ("mine.json", b"[1, 2]"),
    ],
)
def test_anything_else_is_refused_and_left_as_it_is(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match="Choose another --out"):
        AnswerFile(tmp_path / name, "m")
    assert (tmp_path / name).read_bytes() == content


def test_what_a_spreadsheet_or_a_formatter_saved_again_is_continued(tmp_path: Path, films: list[Path]) -> None:
    table, listed = tmp_path / "a.csv", tmp_path / "a.json"
    for out in (table, listed):
        AnswerFile(out, "m").add(answer(films[0]))
    table.write_bytes(table.read_bytes().replace(b",", b";").replace(b"\n", b"\r\n"))
    listed.write_text(json.dumps(json.loads(listed.read_text()), indent=4))
    for out in (table, listed):
        again = AnswerFile(out, "m")
        assert again.answered(films[0])
        again.add(answer(films[1]))
        assert paths_in(out) == [str(films[0]), str(films[1])]


def test_a_table_has_a_column_a_genre(tmp_path: Path, films: list[Path]) -> None:
    AnswerFile(tmp_path / "out.csv", "m").add(answer(films[0], probability=0.5))
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["genres"], row["War"], row[ODD]) == (f"War|{ODD}", "0.5000", "0.2500")
    assert (row["missing"], row["model"]) == ("audio", "m")


def test_where_nothing_can_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--out must end in"):
        check_out(Path("x.txt"))
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Cannot write"):
        AnswerFile(tmp_path / "file" / "out.csv", "m")
