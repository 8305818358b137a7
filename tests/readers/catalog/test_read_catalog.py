import csv
import gzip
import json
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.columns import parse_columns
from cinegrain.readers.catalog.notes import Notes
from cinegrain.readers.catalog.read import Catalog, CatalogRow, read_catalog
from cinegrain.readers.catalog.table import open_table

CSV = 'file,genres,title,year,plot\na.mp4,"Action, Sci-Fi",Alien Dawn,1999,"A ship, lost"\nb.mp4,sci fi|Drama,Bee,,\n'


def test_csv_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_text(CSV)
    first, second = read_catalog(path).rows
    assert first.genres == ("Action", "Sci-Fi")
    assert second.genres == ("Sci-Fi", "Drama"), "spellings of one genre are joined"
    assert (first.title, first.year, first.trailer_id) == ("Alien Dawn", 1999, "a.mp4")
    assert first.text == {"plot": "A ship, lost"}
    assert second.year is None


def test_every_format_reads_alike(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(CSV)
    rows = read_catalog(tmp_path / "c.csv").rows
    records = [
        {"file": "a.mp4", "genres": ["Action", "Sci-Fi"], "title": "Alien Dawn", "year": 1999, "plot": "A ship, lost"},
        {"file": "b.mp4", "genres": ["sci fi", "Drama"], "title": "Bee", "year": None, "plot": ""},
    ]
    (tmp_path / "c.json").write_text(json.dumps(records))
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, records)))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "c.parquet")
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + CSV.encode())
    (tmp_path / "utf16.csv").write_bytes(CSV.encode("utf-16"))
    (tmp_path / "c.tsv").write_text(
        CSV.replace('"', "")
        .replace("A ship, lost", "A ship; lost")
        .replace(",", "\t")
        .replace("Action\t Sci-Fi", "Action, Sci-Fi")
        .replace("ship; lost", "ship, lost")
    )
    for name in ("c.json", "c.jsonl", "c.parquet", "bom.csv", "utf16.csv", "c.tsv"):
        assert read_catalog(tmp_path / name).rows == rows, name


def test_oddities_are_named_and_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_text("Path;Genres;trailer_id\n;Action;1\na.mp4;unknown;2\nb.mp4;Drama;2\nc.mp4;Drama|drama;3\n")
    found = read_catalog(path)
    assert [(r.trailer_id, r.genres) for r in found.rows] == [("2", ()), ("3", ("Drama",))]
    assert any("line 2 names no file" in note for note in found.notes)
    assert any("line 4 repeats '2'" in note for note in found.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fil,genres\na.mp4,Drama\n", "no column of files or titles.*first line has: fil, genres. Did you mean 'fil'"),
        (b"Our films in 2020\nX;Y\n1;2\n", "its first line has: Our films in 2020.*--columns file=NAME"),
        (b"file,genres\nb\xe9b\xe9.mp4,Com\xe9die\n", "not UTF-8: line 2 holds byte 0xe9.*CSV UTF-8"),
        (b"", "no rows"),
        (b"file,genres\n", "no rows"),
        (b"\x00\x01\x02\x03", "not a text table"),
        (b"%PDF-1.7", "not a table of films but a PDF. Save its table"),
        (b"<html><table>", "but a web page"),
        (b"\x1f\x8bfilm", "gzipped and damaged"),
    ],
)
def test_bad_catalogues_say_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "films.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_catalog(path)


@pytest.mark.parametrize(
    ("name", "content"), [("c.json", "{"), ("c.json", '{"a": 1}'), ("c.jsonl", "[1]\n2"), ("c.parquet", "PAR1 no")]
)
def test_bad_json_and_parquet(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=name):
        read_catalog(tmp_path / name)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no catalogue at"):
        read_catalog(tmp_path / "none.csv")


def rows_of(tmp_path: Path, name: str, content: str | bytes, **told: Any) -> Catalog:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_catalog(tmp_path / name, **told)


def genres_of(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    return {row.trailer_id: row.genres for row in catalog.rows}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_quote_that_is_never_closed_swallows_no_row(tmp_path: Path, end: str) -> None:
    lines = ["file\ttitle\tyear\tgenres", "1\tA\t1940\tComedy", '2\t"Heroes\t1941\tDrama', '3\tGo 5"\t1942\tAction']
    found = rows_of(tmp_path, "c.tsv", end.join(lines) + end)
    assert [(row.title, row.genres) for row in found.rows] == [
        ("A", ("Comedy",)),
        ('"Heroes', ("Drama",)),
        ('Go 5"', ("Action",)),
    ]
    commas = rows_of(tmp_path, "c.csv", 'file,title,genres\n1,"Heroes,Drama\n2,B,Action\n3, "C, D",Drama\n')
    assert [row.title for row in commas.rows] == ['"Heroes', "B", "C, D"]
    assert "catalogue line 2: a quote that is never closed is read as text" in commas.notes
    later = rows_of(tmp_path, "c.csv", 'file,title,genres\n1,"Heroes,Drama\n2,B,Action\n3,C,"Drama"\n4,D,War"\n')
    assert [row.title for row in later.rows] == ['"Heroes', "B", "C", "D"], "a quote further down closes nothing"
    later = rows_of(tmp_path, "c.csv", 'file,title,genres\n1,"Heroes,Drama\n2,B,Action\n3,C,War"\n')
    assert [row.title for row in later.rows] == ['"Heroes', "B", "C"], "nor where the row would then be too short"
    assert "catalogue line 4: a space before a quoted cell is ignored" in commas.notes


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c"])
def test_only_real_line_breaks_end_a_row(tmp_path: Path, mark: str) -> None:
    text = rows_of(tmp_path, "c.csv", f"file,plot,genres\na,One.{mark}Two.,Action\nb,x,Drama\n")
    assert genres_of(text) == {"a": ("Action",), "b": ("Drama",)}
    assert text.rows[0].text == {"plot": f"One.{mark}Two."}
    lines = [{"file": "a", "plot": f"One.{mark}Two.", "genres": ["Action"]}, {"file": "b", "genres": ["Drama"]}]
    content = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    assert genres_of(rows_of(tmp_path, "c.jsonl", content)) == genres_of(text)


def test_shifted_cells_never_become_a_genre(tmp_path: Path) -> None:
    ragged = "file,title,year,genres\n1,Monsters, Inc.,2001,Animation\n2,B,2000,Drama\n3,C, D,2001\n4,E,2002\n"
    found = rows_of(tmp_path, "c.csv", ragged)
    assert genres_of(found) == {"2": ("Drama",), "3": (), "4": ()}
    said = "\n".join(found.notes)
    assert "line 2 has 5 cells, the header 4, and is left out" in said
    assert "line 4: genre '2001' is only a number" in said
    assert "line 4: 'D' is not a year" in said
    assert "line 5 has 3 cells" in said


@pytest.mark.parametrize(
    "before",
    [
        "sep=;\r\n",
        "Films of the archive;;\r\n;;\r\n",
        "\r\n\r\n",
        "# a comment; with; separators\n",
        "\ufeffSEP=;\n",
        "",
    ],
)
def test_what_stands_before_the_header(tmp_path: Path, before: str) -> None:
    found = rows_of(tmp_path, "c.csv", before + "file;title;genres\r\nfilm1.mp4;A, B, C;Action\r\n")
    assert [(row.file, row.title, row.genres) for row in found.rows] == [("film1.mp4", "A, B, C", ("Action",))]
    assert any("Films of the archive" in note for note in found.notes) == ("Films" in before)


def test_rows_of_one_film_are_joined(tmp_path: Path) -> None:
    content = "file,title,genres\n1,A,Action\n1,,Science Fiction\n2,B,Drama\n2,Other,Horror\n3,C,Drama\n3,C,Drama\n"
    found = rows_of(tmp_path, "c.csv", content)
    assert genres_of(found) == {"1": ("Action", "Science Fiction"), "2": ("Drama",), "3": ("Drama",)}
    said = "\n".join(found.notes)
    assert "line 5 repeats '2' of line 4 with another title and is left out" in said
    assert "line 7 repeats '3' of line 6 and is left out" in said
    lines = '{"file": "1", "genres": ["Action"]}\n{"file": "1", "genres": ["Drama"], "year": 1999}\n'
    (row,) = rows_of(tmp_path, "c.jsonl", lines).rows
    assert (row.genres, row.year) == (("Action", "Drama"), 1999)


def test_notes_do_not_flood(tmp_path: Path) -> None:
    found = rows_of(tmp_path, "c.csv", "file,genres\n" + "a,b,c\n" * 217 + "x,Drama\n")
    assert [note for note in found.notes if "more" in note] == ["and 212 more lines with too many cells"]
    assert len(found.notes) == 6


def test_columns_by_other_names(tmp_path: Path) -> None:
    content = "Dateiname;Filmtitel;Produktionsjahr;Genre\na.mp4;A;1999;Horror\n"
    guessed = rows_of(tmp_path, "c.csv", content)
    assert guessed.rows == (CatalogRow("a.mp4", ("Horror",), "a.mp4", "A", 1999, {}),)
    assert "column 'Genre' is used as genres" in guessed.notes
    other = content.replace("Dateiname", "Nr").replace("Genre", "Sparte, neu")
    told = rows_of(tmp_path, "c.csv", other, columns={"file": "nr", "genres": "Sparte, neu"})
    assert told.rows == guessed.rows
    with pytest.raises(ConfigError, match=r"genres=Spate: .*it has: Nr.*Did you mean 'Sparte, neu'"):
        read_catalog(tmp_path / "c.csv", columns={"file": "Nr", "genres": "Spate"})
    with pytest.raises(ConfigError, match=r"'genre' is not a role.*Did you mean 'genres'"):
        parse_columns(["genre=Sparte"])
    with pytest.raises(ConfigError, match=r"takes file=NAME.*not 'Datei'"):
        parse_columns(["Datei"])


def test_a_catalogue_without_files_or_genres(tmp_path: Path) -> None:
    found = rows_of(tmp_path, "c.csv", "Title,Year\nHeat,1995\nHeat,1986\n")
    assert [(r.file, r.trailer_id, r.genres) for r in found.rows] == [("", "Heat (1995)", ()), ("", "Heat (1986)", ())]
    assert any("no column of genres" in note for note in found.notes)


def test_doubled_columns_and_several_of_genres(tmp_path: Path) -> None:
    found = rows_of(tmp_path, "c.csv", "file,title,title,genre1,Genre 2\na,A,B,Action,Drama\n")
    assert found.rows == (CatalogRow("a", ("Action", "Drama"), "a", "A", None, {"title (2)": "B"}),)
    assert any("'title' occurs twice" in note for note in found.notes)


def test_several_files_of_a_film(tmp_path: Path) -> None:
    lines = '{"file": ["a.mp4", "b.mp4"], "genres": "Drama"}\n{"file": "[\\"c.mp4\\", \\"d.mp4\\"]", "genres": []}\n'
    assert [row.file for row in rows_of(tmp_path, "c.jsonl", lines).rows] == ["a.mp4|b.mp4", "c.mp4|d.mp4"]


def test_gzip_is_read_and_bounded(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "c.csv.gz", gzip.compress(CSV.encode())).rows == rows_of(tmp_path, "c.csv", CSV).rows
    assert rows_of(tmp_path, "named.csv", gzip.compress(CSV.encode())).rows == rows_of(tmp_path, "c.csv", CSV).rows
    records = b'[{"file": "a", "genres": ["Drama"]}]'
    assert genres_of(rows_of(tmp_path, "c.json.gz", gzip.compress(records))) == {"a": ("Drama",)}
    for name, block in (("b.csv.gz", b"a,b\n"), ("b.jsonl.gz", b"{}\n\n"), ("b.json.gz", b"   \n")):
        bomb = gzip.compress(b"file,genres\n" + block * (1 << 18))  # of several members, each small
        tracemalloc.start()
        with pytest.raises(ConfigError, match="unpacks to more than"):
            rows_of(tmp_path, name, bomb * 80)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20, "refused before anything is made of it"
    with pytest.raises(ConfigError, match="incomplete"):
        rows_of(tmp_path, "cut.csv.gz", gzip.compress(CSV.encode())[:-12])


def test_utf16_without_a_mark(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        assert rows_of(tmp_path, "u.csv", CSV.encode(encoding)).rows == rows_of(tmp_path, "c.csv", CSV).rows


DIALECTS = st.sampled_from([",", ";", "\t", "|"])
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12).map(
    lambda text: text.replace("\ufeff", "")
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6),
    delimiter=DIALECTS,
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_of_the_csv_module_is_read_back(
    rows: list[tuple[str, str, str]], delimiter: str, quoting: Any, end: str
) -> None:
    if delimiter == "\t":  # a line break beside a tab inside a cell is the one thing that both readings explain
        rows = [(a.replace("\t", " "), b.replace("\t", " "), c.replace("\t", " ")) for a, b, c in rows]
    if (
        quoting == csv.QUOTE_MINIMAL
    ):  # a lone carriage return is then left unquoted, which no reader can tell from a break
        rows = [(a.replace("\r", " "), b.replace("\r", " "), c.replace("\r", " ")) for a, b, c in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=end)
            writer.writerow(["file", "plot", "notes", "genres"])
            writer.writerows([[f"film{i}", *row] for i, row in enumerate(rows)])
        table = open_table(path, Notes(), score=lambda cells: len({"file", "genres"} & set(cells)))
        assert [tuple(record.cells.values())[1:] for record in table.records] == rows


def test_a_large_catalogue_is_read_in_linear_time(tmp_path: Path) -> None:
    lines = "".join(f'{i}\t"Open {i}\tDrama\n' for i in range(20_000))
    started = time.monotonic()
    assert len(rows_of(tmp_path, "c.tsv", "file\ttitle\tgenres\n" + lines).rows) == 20_000
    assert time.monotonic() - started < 20, "about a second; quadratic would take minutes"
