import json
from pathlib import Path

import pytest

from cinegrain.artifacts import (
    is_current,
    key_of,
    open_run,
    read_json,
    rows_written,
    write_bytes,
    write_csv,
    write_json,
)
from cinegrain.errors import StoreError
from cinegrain.types import JsonObject


def test_a_failed_write_keeps_the_old_content_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})

    with pytest.raises(TypeError):
        write_bytes(path, None)  # type: ignore[arg-type]  # fails in the middle of writing
    assert read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_rows_come_a_line_each_and_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    rows: list[JsonObject] = [{"a": 1, "name": "Amélie"}, {"a": [1.5, None], "name": "X"}]
    with rows_written(path) as add:
        for row in rows:
            add(row)
    assert read_json(path) == rows
    assert len(path.read_bytes().splitlines()) == len(rows) + 2
    with rows_written(path) as add:
        add({"a": 1})
        with pytest.raises(ValueError, match="JSON compliant"):
            add({"a": float("nan")})
        assert read_json(path) == rows
    assert read_json(path) == [{"a": 1}]
    with pytest.raises(ZeroDivisionError), rows_written(path) as add:
        add({"a": 1 / 0})
    assert read_json(path) == [{"a": 1}]
    with rows_written(path):
        pass
    assert read_json(path) == []


def test_unwritable_place_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"Cannot write .*Choose a folder"):
        write_bytes(tmp_path / "file" / "a", b"")


def test_missing_and_damaged_json(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is missing\. The stage before makes it"):
        read_json(tmp_path / "a.json")
    with pytest.raises(StoreError, match=r"is missing\. `cinegrain finetune RUN` makes it, `cinegrain run` makes all"):
        read_json(tmp_path / "finetuned" / "model.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        read_json(tmp_path / "a.json")
    assert not is_current(tmp_path / "a.json", "k")


def test_keys_depend_on_content_only() -> None:
    assert key_of({"a": 1, "b": [2.5, None]}) == key_of({"b": [2.5, None], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    assert key_of("a", "b") != key_of("ab")
    assert key_of(Path("x")) == key_of("x")


def test_is_current(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert not is_current(path, "k")
    write_json(path, {"key": "k"})
    assert is_current(path, "k")
    assert not is_current(path, "other")
    path.write_text(json.dumps([1]))
    assert not is_current(path, "k")


def test_csv_has_its_header_without_rows(tmp_path: Path) -> None:
    write_csv(tmp_path / "f.csv", ("a", "b"), [])
    assert (tmp_path / "f.csv").read_text() == "a,b\n"


def test_run_folders(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a Cinegrain run"):
        open_run(tmp_path)
    run = open_run(tmp_path / "new" / "run", create=True)
    assert open_run(run) == run
    assert open_run(run, create=True) == run
    (tmp_path / "other").mkdir()
    assert open_run(tmp_path / "other", create=True) == tmp_path / "other", "an empty folder will do"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(StoreError, match="empty or new folder"):
        open_run(tmp_path / "full", create=True)
    with pytest.raises(StoreError, match="empty or new folder"):
        open_run(tmp_path / "full" / "x", create=True)
    write_json(run / "run.json", {"format": 2})
    with pytest.raises(StoreError, match=r"format 2.*reads format 1"):
        open_run(run)
