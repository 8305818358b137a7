"""Files found by any honest spelling of their paths."""

import csv
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinegrain.errors import DataError
from cinegrain.pipeline.find_files import FileIndex, shown
from cinegrain.pipeline.match_catalog import match_catalog
from cinegrain.pipeline.matching import Matching, match_rows
from cinegrain.readers.catalog.read import CatalogRow
from cinegrain.runs.catalog import load_matched, save_matched
from cinegrain.types import Source, Url

ACCENTS = unicodedata.normalize("NFD", "Été.mp4")
FILES = (
    "A/trailer.mp4",
    "B/trailer.mp4",
    "My Film.mp4",
    "tt0133093.mp4",
    ACCENTS,
    "one/only.mkv",
    "two/a.mp4",
    "two/b.mp4",
    "scan7.m99",
)


def made(folder: Path, names: Sequence[str] = FILES) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def matched(folder: Path, texts: Sequence[str], beside: Path | None = None) -> Matching:
    rows = [CatalogRow(text, ("Drama",), str(i), text, None) for i, text in enumerate(texts)]
    files: list[Source] = sorted(path for path in folder.rglob("*.m*") if path.is_file())
    return match_rows(rows, files, folder, beside or folder.parent)


def found(folder: Path, *texts: str, beside: Path | None = None) -> list[str]:
    got = {m.row.file: "|".join(shown(path, folder) for path in m.paths) for m in matched(folder, texts, beside).rows}
    return [got.get(text, "") for text in texts]


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("A/trailer.mp4", "A/trailer.mp4"),
        ("./A//trailer.mp4", "A/trailer.mp4"),
        ("B/../A/trailer.mp4", "A/trailer.mp4"),
        ("A\\trailer.mp4", "A/trailer.mp4"),
        (r"D:\films\A\trailer.mp4", "A/trailer.mp4"),
        (r"\\server\share\films\A\trailer.mp4", "A/trailer.mp4"),
        (r"\\?\D:\A\trailer.mp4", "A/trailer.mp4"),
        ('"D:\\films\\A\\trailer.mp4"', "A/trailer.mp4"),
        ("/old/disk/B/trailer.mp4", "B/trailer.mp4"),
        ("a/TRAILER.MP4", "A/trailer.mp4"),
        ("A/trailer", "A/trailer.mp4"),
        ("B", "B/trailer.mp4"),
        ("B/", "B/trailer.mp4"),
        ("x/one", "one/only.mkv"),
        ("My%20Film.mp4", "My Film.mp4"),
        ("MY%20film", "My Film.mp4"),
        ("file:///D:/films/My%20Film.mp4", "My Film.mp4"),
        ("file://server/films/My%20Film.mp4", "My Film.mp4"),
        ("file:///nowhere/My%20Film.mp4", "My Film.mp4"),
        ("tt0133093", "tt0133093.mp4"),
        ("scan7", "scan7.m99"),
        ("x/SCAN7", "scan7.m99"),
        ("TT0133093", "tt0133093.mp4"),
        ("Été.mp4", ACCENTS),
        ("ÉTÉ", ACCENTS),
        ("%C3%89t%C3%A9.mp4", ACCENTS),
        (" only.mkv ", "one/only.mkv"),
        ("films/A/trailer.mp4", "A/trailer.mp4"),
    ],
)
def test_any_honest_spelling(tmp_path: Path, text: str, file: str) -> None:
    assert found(made(tmp_path / "films"), text) == [file]


@pytest.mark.parametrize(
    "text", ["trailer.mp4", "trailer", "two", "C/trailer.mp4", "My Fil.mp4", "tt013309", "mp4", "."]
)
def test_what_is_not_there_or_not_clear_is_left(tmp_path: Path, text: str) -> None:
    assert found(made(tmp_path / "films"), text) == [""]


def test_exact_spelling_wins_whatever_the_order(tmp_path: Path) -> None:
    names = ("Film.mp4", "film.mp4", "x/FILM.mp4", "100%25.mp4", "100%.mp4", "a|b.mp4", "a", "b.mp4")
    folder = made(tmp_path / "films", names)
    for order in (1, -1):
        texts = ["film.mp4", "Film.mp4", "100%25.mp4", "100%.mp4", "a|b.mp4", "x/FILM.mp4"][::order]
        assert found(folder, *texts) == texts
    assert found(folder, "FILM.MP4") == [""], "three are spelled like it"
    assert "'Film.mp4' or 'film.mp4'" in matched(folder, ["FILM.MP4"]).notes[0]


def test_a_surer_row_takes_the_file_and_equally_unsure_ones_take_none(tmp_path: Path) -> None:
    folder = made(tmp_path / "films", ("A/trailer.mp4", "x.mp4"))
    assert found(folder, "C/trailer.mp4", "A/trailer.mp4") == ["", "A/trailer.mp4"]
    assert found(folder, "C/trailer.mp4", "D/trailer.mp4") == ["", ""]
    assert found(folder, "X.mp4", "x.mp4") == ["", "x.mp4"]
    assert found(folder, "C/trailer.mp4") == ["A/trailer.mp4"]
    assert "matches.csv" in matched(folder, ["C/trailer.mp4"]).notes[0]


def test_relative_to_the_catalogue_or_absolute(tmp_path: Path) -> None:
    folder = made(tmp_path / "all" / "trailers")
    made(tmp_path / "all", ("extra/a.mp4",))
    beside = tmp_path / "all"
    texts = ["trailers/A/trailer.mp4", "trailers/B/trailer.mp4", "extra/a.mp4", str(folder / "two" / "a.mp4")]
    assert found(folder, *texts, beside=beside) == [
        "A/trailer.mp4",
        "B/trailer.mp4",
        str(tmp_path / "all" / "extra" / "a.mp4"),
        "two/a.mp4",
    ]


def test_a_file_without_an_ending_and_one_that_is_no_video(tmp_path: Path) -> None:
    folder = made(tmp_path / "films", ("masterm", "sound.ogg"))
    rows = [CatalogRow(text, (), text, text, None) for text in ("masterm.mp4", "sound.ogg")]
    got = match_rows(rows, [folder / "masterm"], folder, tmp_path)
    assert [match.paths for match in got.rows] == [(folder / "masterm",), (folder / "sound.ogg",)]


def test_the_likeliest_file_is_named(tmp_path: Path) -> None:
    folder = made(tmp_path / "films", ("Casablanca.mp4", "Vertigo.mp4", "Alien.mp4"))
    first, second = matched(folder, ["Casabalnca_1942.mp4", "zzz"]).notes
    assert "'Casablanca.mp4'" in first
    assert second == "catalogue row 'zzz' has no file in the folder and is left out"


def test_parts(tmp_path: Path) -> None:
    names = ("dvd/a.vob.mp4", "dvd/b.vob.mp4", "x CD1.mp4", "x CD2.mp4", "p.mp4", "V/VTS_01_1.m2v", "V/VTS_01_2.m2v")
    folder = made(tmp_path / "films", names)
    (folder / "p.wav").touch()
    (folder / "dvd" / "s.wav").touch()
    texts = ["dvd/a.vob.mp4|dvd/b.vob.mp4|s.wav", "X CD1.mp4 | X CD2", "p.mp4|p.wav", "V", "x CD1.mp4|gone.mp4"]
    assert found(folder, *texts[:4]) == [
        "dvd/a.vob.mp4|dvd/b.vob.mp4|dvd/s.wav",
        "x CD1.mp4|x CD2.mp4",
        "p.mp4|p.wav",
        "V/VTS_01_1.m2v|V/VTS_01_2.m2v",
    ]
    assert "names 'gone.mp4', which has no file, and is left out" in matched(folder, texts[4:]).notes[0]


def test_at_an_address(tmp_path: Path) -> None:
    videos = Url("s3://bucket/films")
    files = [Url(f"{videos}/{name}") for name in ("A/trailer.mp4", "B/trailer.mp4", "My%20Film.mp4", ACCENTS)]
    index = FileIndex(files, videos, tmp_path)
    for text, file in {
        "A/trailer.mp4": 0,
        r"x:\B\Trailer.mp4": 1,
        "My Film": 2,
        "My%20Film.mp4": 2,
        "été.mp4": 3,
        "B": 1,
    }.items():
        got = index.find(text)
        assert got is not None, text
        assert got.files == (files[file],), text


def test_addresses_are_taken_as_they_are_alone_or_as_parts(tmp_path: Path) -> None:
    texts = ["s3://a/x|y.mp4", "s3://a/1.vob|s3://a/2.vob"]
    got = matched(made(tmp_path / "films", ("a.mp4",)), texts)
    assert [match.paths for match in got.rows] == [(texts[0],), ("s3://a/1.vob", "s3://a/2.vob")]


NAME = st.text(st.sampled_from("aBé%2 0.|\\ßI"), min_size=1, max_size=5).filter(lambda n: n.strip(". ") == n and n)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(NAME, min_size=1, max_size=3).map("/".join), min_size=1, max_size=6, unique=True))
def test_every_file_is_found_by_its_own_path(names: list[str]) -> None:
    videos = Path("/films")
    files: list[Source] = [videos / f"{name}.mp4" for name in names]
    index = FileIndex(files, videos, Path("/"))
    for name, file in zip(names, files, strict=True):
        for form in (f"{name}.mp4", f"/films/{name}.mp4", f"films/{name}.mp4"):
            got = index.find(form)
            assert got is not None
            assert got.files == (file,)


def test_a_catalogue_and_its_folder(tmp_path: Path) -> None:
    folder = made(tmp_path / "films", (*FILES, "extra.mp4"))
    catalog = tmp_path / "c.csv"
    catalog.write_text(
        "file,title,genres\nÉté.mp4,=E,Drama\nA/trailer.mp4,A,Action\nA\\trailer.mp4,B,\n", encoding="utf-8"
    )
    got = match_catalog(folder, catalog)
    assert [t.path.name for t in got.trailers] == ["trailer.mp4", ACCENTS]  # type: ignore[union-attr]
    notes = "\n".join(got.notes)
    assert "'A\\\\trailer.mp4' names a file that belongs to another row" in notes
    assert "file 'extra.mp4' has no catalogue row" in notes
    save_matched(tmp_path / "run" / "catalog.json", got)
    assert load_matched(tmp_path / "run" / "catalog.json").trailers == got.trailers
    with (tmp_path / "run" / "matches.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["title"], row["in_catalogue"], row["found_by"]) == ("'=E", "Été.mp4", "another spelling")
    catalog.write_text("file,genres\nA/trailer.mp4,Drama\n")
    save_matched(tmp_path / "run" / "catalog.json", match_catalog(folder, catalog))
    assert not (tmp_path / "run" / "matches.csv").exists()


def test_films_in_parts_are_kept_and_older_runs_are_still_read(tmp_path: Path) -> None:
    folder = made(tmp_path / "films")
    catalog = tmp_path / "c.csv"
    catalog.write_text("file,genres\ntwo/a.mp4|two/b.mp4,Drama\ntt0133093,Action\n")
    got = match_catalog(folder, catalog)
    assert {t.trailer_id: t.parts for t in got.trailers} == {
        "tt0133093": (),
        "two/a.mp4|two/b.mp4": ((folder / "two" / "b.mp4").resolve(),),
    }
    path = tmp_path / "catalog.json"
    save_matched(path, got)
    assert load_matched(path).trailers == got.trailers
    assert path.read_text().count('"parts"') == 1, "runs of plain films look as before"


def test_films_by_title_are_listed_with_their_confidence(tmp_path: Path) -> None:
    names = ("The.Matrix.1999.mkv", "Dune.mkv", "Rocky.mkv", "Alien (1979).mp4", "odd.mp4")
    folder = made(tmp_path / "films", names)
    films = [("The Matrix", 1999), ("Dune", 1984), ("Dune", 2021), ("Rocky", None), ("Casablanca", 1942)]
    rows = [CatalogRow("", ("Drama",), f"id{i}", title, year) for i, (title, year) in enumerate(films)]
    rows.append(CatalogRow("Alien (1979).mp4", (), "a", "Alien", 1979))
    files: list[Source] = sorted(folder.iterdir())
    got = match_rows(rows, files, folder, tmp_path)
    assert {(m.row.title, os.path.basename(m.paths[0]), m.confidence) for m in got.told} == {  # noqa: PTH119
        ("The Matrix", "The.Matrix.1999.mkv", 0.95),
        ("Rocky", "Rocky.mkv", 0.7),
    }
    assert [note for note in got.notes if "Alien" in note] == []
    assert got.notes == (
        "2 films were matched by title and year in the names of files: matches.csv lists them",
        "film 'Rocky' is doubtful: matched with 'Rocky.mkv' (by title, confidence 0.70)",
        "film 'Dune' (1984) may be 'Dune.mkv', as may another film, and is left out",
        "film 'Dune' (2021) may be 'Dune.mkv', as may another film, and is left out",
        "film 'Casablanca' (1942) has no file by its title and is left out",
    )


def test_nothing_matches(tmp_path: Path) -> None:
    folder = made(tmp_path / "films", ("Casablanca.mp4",))
    (tmp_path / "c.csv").write_text("file,genres\nzzz.mp4,A\nCasablanka_x.mp4,B\n")
    with pytest.raises(DataError, match=r"No row of .*c\.csv names a file below .*nearest is 'Casablanca\.mp4'"):
        match_catalog(folder, tmp_path / "c.csv")
