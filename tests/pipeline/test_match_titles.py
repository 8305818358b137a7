"""Films found by their titles: planted truth, with remakes, sequels, numbers and release names."""

from collections.abc import Sequence

import pytest

from cinegrain.pipeline.match_titles import DOUBTFUL_BELOW, Film, film_of, match_titles

FILMS = {
    "matrix": Film(("The Matrix",), 1999, ("tt0133093",)),
    "reloaded": Film(("The Matrix Reloaded",), 2003),
    "alien": Film(("Alien",), 1979),
    "aliens": Film(("Aliens",), 1986),
    "alien3": Film(("Alien 3",), 1992),
    "rocky": Film(("Rocky",), 1976),
    "rocky2": Film(("Rocky II",), 1979),
    "dune84": Film(("Dune",), 1984),
    "dune21": Film(("Dune",), 2021),
    "1917": Film(("1917",), 2019),
    "2001": Film(("2001: A Space Odyssey",), 1968),
    "2012": Film(("2012",), 2009),
    "blade": Film(("Blade Runner",), 1982),
    "blade2": Film(("Blade Runner 2049",), 2017),
    "ww": Film(("Wonder Woman",), 2017),
    "ww84": Film(("Wonder Woman 1984",), 2020),
    "amelie": Film(("Amélie", "Le Fabuleux Destin d'Amélie Poulain"), 2001),
    "walle": Film(("WALL·E",), 2008),
    "swat": Film(("S.W.A.T.",), 2003),
    "spider": Film(("Spider-Man",), 2002),
    "oceans": Film(("Ocean's Eleven",), 2001),
    "fast": Film(("Fast & Furious",), 2009),
    "epic": Film(("Epic",), 2013),
    "johnny": Film(("Johnny",), None),
    "300": Film(("300",), 2006),
    "leon": Film(("Léon: The Professional",), 1994),
}
NAMES = list(FILMS)


def found(files: Sequence[str]) -> dict[str, str]:
    """The file of each film, by the film's name here."""
    matches, _ = match_titles(list(FILMS.values()), files)
    return {NAMES[m.film]: "|".join(files[i] for i in m.files) for m in matches}


@pytest.mark.parametrize(
    ("film", "file"),
    [
        ("matrix", "The.Matrix.1999.1080p.BluRay.x264-GROUP.mkv"),
        ("matrix", "Matrix, The (1999)/trailer.mp4"),
        ("matrix", "Matrix.1999.mkv"),
        ("matrix", "films/tt0133093.mp4"),
        ("matrix", "whatever [imdb-tt0133093].mkv"),
        ("matrix", "(1999) The Matrix.avi"),
        ("matrix", "03 - The Matrix - Official Trailer 2 (HD).mp4"),
        ("matrix", "The Matrix (1999)/The Matrix.Trailer.mp4"),
        ("matrix", "the_matrix_1999_trailer"),
        ("reloaded", "The.Matrix.Reloaded.2003.mkv"),
        ("alien", "Alien.1979.DC.mkv"),
        ("aliens", "Aliens (1986).mp4"),
        ("alien3", "Alien3.1992.mkv"),
        ("rocky", "Rocky.mkv"),
        ("rocky2", "Rocky 2 (1979).mkv"),
        ("rocky2", "Rocky.II.1080p.mkv"),
        ("dune84", "Dune.1984.mkv"),
        ("dune21", "Dune (2021)/Dune.mkv"),
        ("dune21", "2021/Dune.mkv"),
        ("1917", "1917.2019.2160p.mkv"),
        ("1917", "1917.mkv"),
        ("2001", "2001.A.Space.Odyssey.1968.mkv"),
        ("2001", "2001 - A Space Odyssey.mp4"),
        ("2012", "2012.2009.mkv"),
        ("blade", "Blade Runner (1982) Final Cut.mkv"),
        ("blade2", "Blade.Runner.2049.2017.mkv"),
        ("blade2", "Blade.Runner.2049.mkv"),
        ("ww", "Wonder.Woman.2017.mkv"),
        ("ww84", "Wonder.Woman.1984.2020.mkv"),
        ("ww84", "Wonder.Woman.1984.mkv"),
        ("amelie", "Amelie.2001.mkv"),
        ("amelie", "Le fabuleux destin d’Amélie Poulain.avi"),
        ("walle", "WALL-E 2008.mp4"),
        ("swat", "SWAT.2003.mkv"),
        ("spider", "Spiderman (2002).mkv"),
        ("oceans", "Oceans.Eleven.2001.mkv"),
        ("fast", "Fast.and.Furious.2009.mkv"),
        ("300", "300.2006.mkv"),
        ("leon", "[GRP] Leon The Professional 1994.mkv"),
    ],
)
def test_a_film_is_found(film: str, file: str) -> None:
    assert found([file]) == {film: file}
    assert found(["unrelated.mkv", file, "Another.Film.2003.mkv"]) == {film: file}


@pytest.mark.parametrize(
    "file",
    [
        "The.Matrix.2021.mkv",  # the year contradicts
        "Dune (1965)/Dune.mkv",
        "Dune.1985.mkv",
        "Alien.Resurrection.1997.mkv",  # a longer title
        "Aliens.vs.Predator.mkv",
        "Epic.Movie.mkv",
        "Johnny.English.2003.mkv",
        "Rocky.III.mkv",
        "Blade.Runner.2022.mkv",
        "The Matrix tt9999999.mkv",  # the identifier of another film
        "Space Odyssey.mkv",
        "Spider.mkv",
        "trailer.mp4",
        "1080p.mkv",
        ".mkv",
    ],
)
def test_what_is_another_film_is_left(file: str) -> None:
    assert found([file]) == {}


def test_what_may_be_several_is_left_and_told() -> None:
    films = list(FILMS.values())
    files = ["Dune.mkv", "Rocky.1976.720p.mkv", "copy/Rocky (1976).mkv", "Alien (1979).mkv"]
    matches, unclear = match_titles(films, files)
    assert [(NAMES[m.film], m.files) for m in matches] == [("alien", (3,))]
    assert {(tuple(NAMES[i] for i in u.films), u.files) for u in unclear} == {
        (("dune84", "dune21"), (0,)),
        (("rocky",), (1, 2)),
    }


def test_how_sure_a_match_is() -> None:
    files = ["tt0133093.mp4", "Alien (1979).mkv", "Rocky.mkv", "Wonder Woman trailer.mkv", "Epic (2013)/scan 7b.mkv"]
    matches, unclear = match_titles(list(FILMS.values()), files)
    sure = {files[m.files[0]]: m.confidence for m in matches}
    assert sure["tt0133093.mp4"] == 1 > sure["Alien (1979).mkv"] >= 0.9
    assert sure["Alien (1979).mkv"] > sure["Wonder Woman trailer.mkv"] >= DOUBTFUL_BELOW > sure["Rocky.mkv"]
    assert sure["Epic (2013)/scan 7b.mkv"] < DOUBTFUL_BELOW
    assert not unclear


def test_parts_of_one_film_belong_together_in_order() -> None:
    assert found(["Alien (1979) CD2.avi", "Alien (1979) CD1.avi"]) == {
        "alien": "Alien (1979) CD1.avi|Alien (1979) CD2.avi"
    }
    assert found(["Alien (1979)/VTS_01_2.VOB", "Alien (1979)/VTS_01_1.VOB"]) == {
        "alien": "Alien (1979)/VTS_01_1.VOB|Alien (1979)/VTS_01_2.VOB"
    }
    assert found(["Alien (1979) CD1.avi", "Alien (1979) CD3.avi"]) == {}


def test_all_films_at_once_and_in_any_order() -> None:
    files = [f"{film.titles[0]} ({film.year}).mkv" for film in FILMS.values() if film.year]
    wanted = dict(zip([n for n in NAMES if FILMS[n].year], files, strict=True))
    assert found(files) == wanted == found(files[::-1])


def test_what_a_row_says_of_its_film() -> None:
    text = {"tconst": "tt0133093", "Original Title": "Matrix", "plot": "see tt0000001"}
    assert film_of("m1", "The Matrix (1999)", None, text) == Film(
        ("The Matrix", "Matrix"), 1999, ("m1", "tt0133093", "tt0000001")
    )
    assert film_of("Dune", "Dune", 1984, {}).ids == ()


def test_a_number_that_is_a_title_and_an_identifier_is_unclear() -> None:
    films = [Film(("1917",), 2019), Film(("Other",), 2000, ("1917",))]
    matches, unclear = match_titles(films, ["1917.mkv"])
    assert not matches
    assert unclear[0].films == (0, 1)
