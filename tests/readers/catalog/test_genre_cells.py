import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinegrain.readers.catalog.cells import cell_file, cell_text, cell_year, genre_names
from cinegrain.readers.catalog.columns import Reading
from cinegrain.readers.catalog.genre_names import GenreNames

is_known = GenreNames(Reading()).is_known


@pytest.mark.parametrize(
    ("cell", "genres"),
    [
        ("[{'id': 28, 'name': 'Action'}, {'id': 878, 'name': 'Science Fiction'}]", ("Action", "Science Fiction")),
        ('[{"id": 28, "name": "Action"}]', ("Action",)),
        ('["Action", "Drama"]', ("Action", "Drama")),
        ("['Action' 'Drama']", ("Action", "Drama")),
        ("[Action, Science Fiction]", ("Action", "Science Fiction")),
        ("('Action', 'Drama')", ("Action", "Drama")),
        ("{Action,Drama}", ("Action", "Drama")),
        ('{Action,"Science Fiction"}', ("Action", "Science Fiction")),
        ('{"/m/02hmvl": "Action", "/m/07s9rl0": "Drama"}', ("Action", "Drama")),
        ({"Action": True, "Drama": False}, ("Action",)),
        ([{"id": 28}, {"id": "1", "description": "Drama"}], ("28", "Drama")),
        ([["Action"], ["Drama"]], ("Action", "Drama")),
        ("Action;Drama", ("Action", "Drama")),
        ("Action / Comedy", ("Action", "Comedy")),
        ("Action/Comedy", ("Action", "Comedy")),
        ("アクション、ドラマ", ("アクション", "ドラマ")),
        ("Action\nDrama\r\nWar", ("Action", "Drama", "War")),
        ("Action\u2028Drama", ("Action", "Drama")),
        ("Sci-Fi/Fantasy", ("Sci-Fi/Fantasy",)),
        ("Police/Procedural", ("Police/Procedural",)),
        ("Action & Adventure, Drama", ("Action & Adventure", "Drama")),
        ("Drama|Film, experimental", ("Drama", "Film, experimental")),
        ("Drama|Action, War", ("Drama", "Action", "War")),
        (28, ("28",)),
        (28.0, ("28",)),
        ("28, 12", ("28", "12")),
        ("__import__('os').abort()", ("__import__('os').abort()",)),
        ("[" * 5000, ()),
        ("[" * 5000 + "]" * 5000, ()),
    ],
)
def test_every_form(cell: object, genres: tuple[str, ...]) -> None:
    assert genre_names(cell, is_known) == genres


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "",
            " ",
            "\\N",
            "-",
            "—",
            "–",
            "?",
            "[]",
            "{}",
            "()",
            "<NA>",
            "#N/A",
            "N/A",
            "NaN",
            "None",
            "null",
            "unknown",
        ),
        *("Not specified", "No genre", "(no genres listed)", "Unbekannt", "k. A.", "...", "[None]", "['']", '[""]'),
        *(None, float("nan"), [], [None], [{}], {}, "|", ", ,"),
    ],
)
def test_every_mark_of_no_genre(cell: object) -> None:
    assert genre_names(cell, is_known) == ()


NAME = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=9).filter(
    lambda name: genre_names([name], str.isalpha) == (name,) and not is_known(name)
)
FORMS: list[Callable[[list[str]], object]] = [
    *(separator.join for separator in ("|", ", ", ";", " / ", "、", "\n", "; ")),
    *(list, tuple, json.dumps, repr, lambda names: json.dumps([{"id": 1, "name": name} for name in names])),
    *(lambda names: [{"name": name} for name in names], lambda names: "{" + ",".join(f'"{n}"' for n in names) + "}"),
]


@given(names=st.lists(NAME, min_size=1, max_size=5, unique=True), form=st.sampled_from(FORMS))
def test_any_genres_in_any_form(names: list[str], form: Callable[[list[str]], object]) -> None:
    assert genre_names(form(names), is_known) == tuple(names)


def test_other_cells() -> None:
    assert [cell_text(value) for value in (None, 1917, 1917.0, 1.5, " a ", "\\N", "Unknown")] == [
        *("", "1917", "1917", "1.5", "a", "", "Unknown")
    ]
    dates = ("1995-10-30", "30.10.1995", "1995.0", 1995, "(1995)", "Q3 1995", "19951030", "34999", "Inc.", "", None)
    assert [cell_year(value) for value in dates] == [1995] * 6 + [None] * 5
    assert cell_file('["a.mp4", "b.mp4"]') == cell_file(["a.mp4", "b.mp4"]) == "a.mp4|b.mp4"
    assert cell_file('["odd name.mp4') == '["odd name.mp4'
