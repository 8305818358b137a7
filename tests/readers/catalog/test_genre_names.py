import csv
from importlib.resources import files
from pathlib import Path

import pytest

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.columns import Reading
from cinegrain.readers.catalog.folding import fold
from cinegrain.readers.catalog.genre_names import GenreNames, known_genres, read_genre_map
from cinegrain.readers.catalog.notes import Notes


def read_as(*names: str, genre_map: Path | None = None) -> tuple[dict[str, str], tuple[str, ...]]:
    genres, notes = GenreNames(Reading(genre_map=genre_map)), Notes()
    for line, name in enumerate(names, start=2):
        genres.add([name], f"line {line}")
    return {name: "|".join(found) for name, found in genres.settle(notes).items()}, notes.sentences


def test_english_names_stay_as_they_are() -> None:
    for names in (
        ("Action", "Sci-Fi", "Children's", "Film-Noir", "Musical", "Suspense", "Terror on Earth", "Sports", "Romcom"),
        ("Science Fiction", "TV Movie", "Kids", "Drama", "Romance", "Romantic Comedy", "Music", "Musical"),
        ("drama film", "horror film", "Suspense", "Thriller", "Crime & Drama"),
    ):
        assert read_as(*names)[0] == {name: name for name in names}


def test_tmdb_names_of_every_language_are_joined() -> None:
    told = {
        "Science Fiction": "Science-Fiction|Ciencia ficción|Fantascienza|Ficção científica|Sciencefiction|Bilim-Kurgu",
        "Comedy": "Komödie|Comédie|Comedia|Commedia|Comédia|Komedie|Komedi|KOMÖDIE|komodie",
        "War": "Kriegsfilm|Guerre|Bélica|Guerra|Oorlog|Savaş",
        "Horror": "Horreur|Terror|Korku",
        "Western": "Faroeste|Vahşi Batı|VAHŞİ BATI",
        "Drama": "Drame|Dramma|Dram",
        "Adventure": "Abenteuer|Aventure|Aventura|Avventura|Avontuur|Macera",
        "History": "Historie|Histoire|Historia|Storia|História|Historisch|Tarih",
        "TV Movie": "TV-Film|Téléfilm|Película de TV|televisione film|Cinema TV|TV film",
        "Action & Adventure": "Action & Abenteuer|Acción y aventura",
    }
    for name, spellings in told.items():
        for spelling in spellings.split("|"):
            assert read_as(spelling, "Documentary")[0][spelling] in (name, spelling), spelling
            assert read_as(name, spelling)[0][spelling] == name, spelling
            if fold(spelling) not in known_genres().english:
                assert read_as(spelling)[0][spelling] == name, spelling
    joined, notes = read_as("Komödie", "comedia", "Action")
    assert joined == {"Komödie": "Comedy", "comedia": "Comedy", "Action": "Action"}
    assert notes == ("genres: 'Komödie', 'comedia' are read as Comedy",)


def test_synonyms_are_joined_under_the_name_that_the_catalogue_uses() -> None:
    assert set(read_as("SciFi", "SF", "sci fi", "Fantascienza")[0].values()) == {"SciFi"}
    assert set(read_as("SciFi", "Science Fiction")[0].values()) == {"Science Fiction"}
    assert set(read_as("Sci-Fi & Fantasy", "SciFi & Fantasy", "Sci-Fi/Fantasy")[0].values()) == {"Sci-Fi & Fantasy"}
    assert set(read_as("Comédie", "comedie", "Cómedie")[0].values()) == {"Comedy"}


def test_a_word_that_means_something_else_in_english_needs_company() -> None:
    assert read_as("Suspense", "Drama")[0]["Suspense"] == "Suspense"
    assert read_as("Suspense", "Ciencia ficción")[0]["Suspense"] == "Thriller"


def test_the_list_says_one_thing_of_each_word() -> None:
    text = files("cinegrain.readers.catalog").joinpath("genres.tsv").read_text(encoding="utf-8")
    meanings: dict[str, set[str]] = {}
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    for row in rows:
        for word in [row["name"], *(w for c in row if c not in ("id", "name") for w in row[c].split("|") if w)]:
            if not word.startswith("?"):
                meanings.setdefault(fold(word), set()).add(row["name"])
    assert {word: names for word, names in meanings.items() if len(names) > 1} == {}
    films = [row for row in rows if row["id"] and int(row["id"]) not in range(10759, 10769)]
    assert len(films) == 19
    assert len(known_genres().by_id) == 27


def test_numbers() -> None:
    assert read_as("28", "10759")[0] == {"28": "Action", "10759": "Action & Adventure"}
    codes, notes = read_as("1", "2", "18")
    assert codes == {"1": "1", "2": "2", "18": "18"}
    assert "--genre-map can name them" in notes[0]
    assert read_as("2001", "2002")[0] == {"2001": "", "2002": ""}, "a year is no genre, whatever else there is"
    assert read_as("28", "Action")[0] == {"28": "Action", "Action": "Action"}


def test_names_that_look_alike_are_told() -> None:
    joined, notes = read_as("Thriler", "Thriller", "Music", "Musical")
    assert joined["Thriler"] == "Thriler"
    assert notes == ("genres 'Thriler' and 'Thriller' look alike but are kept apart; --genre-map can merge them",)


def test_a_genre_map(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("from;to\nGrusel;Horror\nKomödie;Lustspiel\nRomcom;Comedy|Romance\nShort;\nSF;SF\n1;Action\nx;y\n")
    joined, notes = read_as("grusel", "Komödie", "comedia", "Romcom", "Short", "SF", "Sci-Fi", "1", genre_map=path)
    assert joined == {
        "grusel": "Horror",
        "Komödie": "Lustspiel",
        "comedia": "Comedy",
        "Romcom": "Comedy|Romance",
        "Short": "",
        "SF": "SF",
        "Sci-Fi": "Sci-Fi",
        "1": "Action",
    }
    assert "genres left out by --genre-map: 'Short'" in notes
    assert "--genre-map names genres that no film has: 'x'" in notes


@pytest.mark.parametrize(
    ("content", "message"),
    [("from,to\na,b,c\n", "Line 2 .* must have two cells"), ("a,b\na,c\n", "Line 2 .* maps 'a' again")],
)
def test_bad_genre_maps(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_genre_map(tmp_path / "m.csv")
    with pytest.raises(ConfigError, match="no file at"):
        read_genre_map(tmp_path / "none.csv")
