import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinegrain.errors import StoreError
from cinegrain.runs.artifacts import (
    is_current,
    key_of,
    open_run,
    read_csv,
    read_json,
    rows_written,
    write_bytes,
    write_csv,
    write_json,
)
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
    with pytest.raises(StoreError, match=r"is missing\. The stage before creates it"):
        read_json(tmp_path / "a.json")
    with pytest.raises(StoreError, match=r"is missing\. `cinegrain finetune RUN` creates it; `cinegrain run`"):
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
    assert (tmp_path / "f.csv").read_bytes() == b"\xef\xbb\xbfa,b\n"


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


COLUMNS = ("trailer_id", "=title", "plot; in short")
CELLS = st.one_of(
    st.text(max_size=12),
    st.text(st.sampled_from("'=+-@\t\r\n＝＋－＠ ,;\"1.\u2028\x0b"), max_size=6),
)
ROWS = st.lists(st.tuples(*(CELLS for _ in COLUMNS)).map(lambda cells: dict(zip(COLUMNS, cells, strict=True))))


@settings(deadline=None, max_examples=300)
@given(ROWS)
def test_a_table_comes_back_as_it_was_also_from_a_spreadsheet(rows: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        write_csv(path, COLUMNS, rows)
        assert read_csv(path) == rows
        for delimiter in ";\t,":
            with path.open(encoding="utf-8-sig", newline="") as file:
                cells = list(csv.reader(file))
            with path.open("w", encoding="utf-8-sig", newline="") as file:  # as Excel saves it
                csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(cells)
            assert read_csv(path) == rows
            write_csv(path, COLUMNS, rows)


def test_no_cell_is_run_by_a_spreadsheet_and_numbers_stay_numbers(tmp_path: Path) -> None:
    run = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "+49 1"]
    numbers = ["-0.53", "1e-3", "-1,5", "12", "-.5", "50%"]
    write_csv(tmp_path / "a.csv", ("a",), [{"a": cell} for cell in [*run, *numbers, -0.53, None, True]])
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfa\n")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for (cell,) in csv.reader(file)][1:]
    assert cells == [*(f"'{cell}" for cell in run), *numbers, "-0.53", "", "True"]
    assert [row["a"] for row in read_csv(tmp_path / "a.csv")] == [*run, *numbers, "-0.53", "", "True"]


def test_a_table_that_is_none_or_is_cut_short(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_csv(tmp_path / "none.csv")
    (tmp_path / "cut.csv").write_bytes(b"a;b\r\n1;2;3\r\n\r\n4")
    assert read_csv(tmp_path / "cut.csv") == [{"a": "1", "b": "2"}, {"a": "4", "b": ""}]
    (tmp_path / "empty.csv").touch()
    assert read_csv(tmp_path / "empty.csv") == []
