import json
from pathlib import Path

import pytest

from cinegrain.readers.catalog.read import CatalogRow, read_catalog

TMDB = """adult,budget,genres,id,original_language,overview,popularity,release_date,title,video
False,30,"[{'id': 16, 'name': 'Animation'}, {'id': 35, 'name': 'Comedy'}]",862,en,"Woody
and Buzz",21.9,1995-10-30,Toy Story,False
"""
ENTITY = "http://www.wikidata.org/entity"
TABLES = {
    "IMDb's title.basics": (
        "tconst\ttitleType\tprimaryTitle\tstartYear\tgenres\n"
        'tt1\tmovie\t"Heroes\t1941\tDrama,Short\ntt2\ttvEpisode\tE\t2000\tDrama\ntt3\tmovie\tGo "Now"\t\\N\t\\N\n',
        [("tt1", '"Heroes', 1941, ("Drama", "Short")), ("tt3", 'Go "Now"', None, ())],
    ),
    "MovieLens": (
        "movieId,title,genres\n1,Toy Story (1995),Animation|Children's|Sci-Fi\n"
        '2,"Matrix, The (1999)",Action\n3,"City, The (Cité, La) (1995)",(no genres listed)\n4,Babylon 5,Sci-Fi\n',
        [
            ("1", "Toy Story", 1995, ("Animation", "Children's", "Sci-Fi")),
            ("2", "The Matrix", 1999, ("Action",)),
            ("3", "The City", 1995, ()),
            ("4", "Babylon 5", None, ("Sci-Fi",)),
        ],
    ),
    "TMDB": (TMDB, [("862", "Toy Story", 1995, ("Animation", "Comedy"))]),
    "Letterboxd": (
        "Date,Name,Year,Letterboxd URI\n2020-01-01,Parasite,2019,https://boxd.it/hTha\n",
        [("Parasite (2019)", "Parasite", 2019, ())],
    ),
    "Wikidata": (
        f"film,filmLabel,genreLabel,publicationDate\n{ENTITY}/Q1,Alien,horror film,1980-05-25T00:00:00Z\n"
        f"{ENTITY}/Q1,Alien,science fiction film,1979-09-06T00:00:00Z\n"
        f"{ENTITY}/Q2,Heat,crime film,1995-01-01T00:00:00Z\n",
        [
            ("Q1", "Alien", 1979, ("horror film", "science fiction film")),
            ("Q2", "Heat", 1995, ("crime film",)),
        ],
    ),
}


def plain(rows: tuple[CatalogRow, ...]) -> list[tuple[str, str, int | None, tuple[str, ...]]]:
    assert {row.file for row in rows} == {""}
    return [(row.trailer_id, row.title, row.year, row.genres) for row in rows]


@pytest.mark.parametrize("name", TABLES)
def test_known_exports(tmp_path: Path, name: str) -> None:
    content, wanted = TABLES[name]
    (tmp_path / "t.csv").write_text(content)
    found = read_catalog(tmp_path / "t.csv")
    assert plain(found.rows) == wanted
    assert f"the catalogue is read as an export of {name}" in found.notes


def test_a_letterboxd_list_has_a_table_before_the_table(tmp_path: Path) -> None:
    content = "Letterboxd list export v7\nDate,Name,Tags,URL,Description\n2020-01-01,Mine,,https://boxd.it/a,\n\n"
    (tmp_path / "l.csv").write_text(
        content + "Position,Name,Year,URL,Description\n1,Parasite,2019,https://boxd.it/h,\n"
    )
    assert plain(read_catalog(tmp_path / "l.csv").rows) == [("Parasite (2019)", "Parasite", 2019, ())]


def test_answers_of_web_services(tmp_path: Path) -> None:
    film = {"id": 862, "title": "Toy Story", "genre_ids": [16, 10759], "release_date": "1995-10-30"}
    (tmp_path / "tmdb.json").write_text(json.dumps({"page": 1, "results": [film]}))
    found = plain(read_catalog(tmp_path / "tmdb.json").rows)
    assert found == [("862", "Toy Story", 1995, ("Animation", "Action & Adventure"))]
    values = [{"film": f"{ENTITY}/Q1", "filmLabel": "Alien", "genreLabel": genre} for genre in ("horror", "drama")]
    bindings = [{name: {"type": "literal", "value": value} for name, value in row.items()} for row in values]
    (tmp_path / "sparql.json").write_text(json.dumps({"head": {}, "results": {"bindings": bindings}}))
    assert plain(read_catalog(tmp_path / "sparql.json").rows) == [("Q1", "Alien", None, ("horror", "drama"))]


def test_an_export_to_which_files_were_added(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,movieId,title,genres\na.mp4,1,Toy Story (1995),Comedy\n")
    (row,) = read_catalog(tmp_path / "t.csv").rows
    assert (row.file, row.trailer_id, row.title, row.year) == ("a.mp4", "a.mp4", "Toy Story", 1995)
