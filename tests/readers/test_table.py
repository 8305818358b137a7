import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.read import read_catalog

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
        (b"file,genre\na.mp4,Drama\n", "no column 'genres'.*Did you mean 'genre'"),
        (b"name,genres\na.mp4,Drama\n", "no column 'file'; it has: name, genres"),
        (b"file,genres\nb\xe9b\xe9.mp4,Com\xe9die\n", "not UTF-8: line 2 holds byte 0xe9.*CSV UTF-8"),
        (b"", "no rows"),
        (b"file,genres\n", "no rows"),
        (b"\x00\x01\x02\x03", "not a text table"),
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
