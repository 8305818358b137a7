"""Searching in a finished run of rendered films: films, scenes, words, sub-genres, files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.cli.main import app
from cinegrain.errors import ConfigError, NotFoundError, StoreError
from cinegrain.results import Matches
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.search.criteria import ALIKE
from cinegrain.search.find import search_films, search_scenes
from cinegrain.search.library import Library, genre_space, open_library
from cinegrain.search.query import Like, LikeSubgenre, make_query
from cinegrain.types import MODALITIES
from cinegrain_demo.corpus import CorpusFiles

pytestmark = pytest.mark.xdist_group("run")
ALL: dict[str, float] = dict.fromkeys(MODALITIES, 1.0)


@pytest.fixture(scope="module")
def library(finished: Path) -> Library:
    return open_library(Run.open(finished), Silent())


def films(library: Library, *likes: Like | LikeSubgenre, top_k: int = 20) -> Matches:
    return search_films(library, make_query(library, likes), top_k=top_k)


def test_a_film_finds_the_others_and_never_itself(library: Library) -> None:
    name = library.films[2].trailer_id
    found = films(library, Like(name, ALL))
    assert {row.trailer_id for row in found} == set(library.number) - {name}
    for row in found:
        assert row.score == pytest.approx(np.mean(list(row.by_modality.values())), abs=1e-5)
    alone = films(library, Like(library.films[2].title, {"audio": 1.0}))
    assert [row.score for row in alone] == pytest.approx([row.by_modality["audio"] for row in alone])
    assert list(alone[0].by_modality) == ["audio"]


def test_sounds_like_one_and_looks_like_another(library: Library) -> None:
    one, other = library.films[0].trailer_id, library.films[9].trailer_id
    sound = {row.trailer_id: row.by_modality["audio"] for row in films(library, Like(one, {"audio": 1.0}))}
    look = {row.trailer_id: row.by_modality["image"] for row in films(library, Like(other, {"image": 1.0}))}
    for row in films(library, Like(one, {"audio": 3.0}), Like(other, {"image": 1.0})):
        name = row.trailer_id
        assert row.score == pytest.approx((3 * sound[name] + look[name]) / 4, abs=1e-5)
        assert name not in (one, other)


def test_genres_count_as_much_as_half_a_mode(library: Library) -> None:
    one = library.films[2]
    names = sorted({name for film in library.films for name in film.genres})
    labels = np.array([[name in film.genres for name in names] for film in library.films], float)
    seen = (labels - labels.mean(axis=0)) / labels.std(axis=0)
    cosines = seen @ seen[2] / np.linalg.norm(seen, axis=1) / np.linalg.norm(seen[2])
    for row in films(library, Like(one.trailer_id, ALIKE)):
        modes = dict(row.by_modality)
        assert modes.pop("genres") == pytest.approx(cosines[library.number[row.trailer_id]], abs=1e-5)
        assert row.score == pytest.approx((sum(modes.values()) + 0.5 * row.by_modality["genres"]) / 4.5, abs=1e-5)
    best = films(library, Like(one.trailer_id, {"genres": 1.0}))
    same = [set(row.catalog_genres) == set(one.genres) for row in best]
    assert any(same)
    assert same == sorted(same, reverse=True), "films of the same genres first"


def test_films_of_unknown_genres_are_neither_helped_nor_hurt(library: Library) -> None:
    blank = replace(library.films[4], genres=())
    some = (*library.films[:4], blank, *library.films[5:])
    unknown = replace(library, films=some, spaces={**library.spaces, "genres": genre_space(some)})
    by = {row.trailer_id: row.by_modality["genres"] for row in films(unknown, Like(library.films[0].trailer_id, ALIKE))}
    assert by[blank.trailer_id] == 0
    assert min(by.values()) < 0 < max(by.values())
    asked = films(unknown, Like(blank.trailer_id, ALIKE))
    assert all("genres" not in row.by_modality for row in asked)
    assert asked == films(library, Like(blank.trailer_id, ALL))
    with pytest.raises(StoreError, match="has no genres to compare by"):
        make_query(unknown, [Like(blank.trailer_id, {"genres": 1.0})])


def test_scenes_are_not_judged_by_genres(library: Library) -> None:
    name = library.films[5].trailer_id
    found = [search_scenes(library, make_query(library, [Like(name, w)]), Silent(), top_k=4) for w in (ALL, ALIKE)]
    assert found[0] == found[1]
    with pytest.raises(ConfigError, match="Scenes have no genres"):
        search_scenes(library, make_query(library, [Like(name, {"genres": 1.0})]), Silent(), top_k=4)


def test_a_file_never_seen_is_its_own_copys_nearest(library: Library, corpus: CorpusFiles, tmp_path: Path) -> None:
    source = corpus.videos / library.films[4].path.name  # type: ignore[union-attr]
    copy = tmp_path / "never seen.mp4"
    copy.write_bytes(source.read_bytes())
    best = films(library, Like(str(copy), ALL))[0]
    assert best.trailer_id == library.films[4].trailer_id
    assert best.score > 0.999


def test_scenes_come_with_their_times(library: Library) -> None:
    name = library.films[5].trailer_id
    row = library.dataset.scenes(name)[1]
    query = make_query(library, [Like(name, ALL, at_s=(row.start_s + row.end_s) / 2)])
    found = search_scenes(library, query, Silent(), top_k=5)
    assert all(scene.trailer_id != name for scene in found)
    assert [scene.score for scene in found] == sorted((s.score for s in found), reverse=True)
    wanted = []
    for film in library.films:
        cosines: dict[int, float] = {}
        for expert, part in query.parts.items():
            own, space = library.dataset.vectors(expert, [film.trailer_id]), library.spaces[expert]
            for scene, vector in zip(own.scenes, own.vectors.astype(np.float64), strict=True):
                seen = (vector - space.centre) * space.scale
                cosine = seen @ part.direction / np.linalg.norm(seen)
                cosines[int(scene)] = cosines.get(int(scene), 0.0) + cosine / len(query.parts)
        wanted += [(score, film.trailer_id, scene) for scene, score in cosines.items() if film.trailer_id != name]
    best = sorted(wanted, reverse=True)[:5]
    assert [(s.trailer_id, s.scene) for s in found] == [(film, scene) for _, film, scene in best]
    times = {(s.start_s, s.end_s) for s in library.dataset.scenes(found[0].trailer_id)}
    assert (found[0].start_s, found[0].end_s) in times


def test_words_are_found_where_the_experts_heard_them(library: Library) -> None:
    rows = [row for row in library.dataset.concepts() if row.expert == "audio_yamnet"]
    heard: dict[str, float] = {}
    for film in library.films:
        own = [row for row in rows if row.trailer_id == film.trailer_id]
        scores = [c.score for row in own for c in row.concepts if c.name == "Explosion"]
        heard[film.trailer_id] = (sum(s * s for s in scores) / max(len(own), 1)) ** 0.5
    loudest = max(heard, key=lambda name: heard[name])
    query = make_query(library, [], words=["explosion", "no such word"])
    every = search_films(library, query, top_k=16)
    assert len(every) == sum(strength > 0 for strength in heard.values()), "no film in which nothing was found"
    best = every[0]
    assert best.trailer_id == loudest
    assert best.score == pytest.approx(0.5), "one of two words"
    reason = next(r for r in best.words if r.word == "Explosion")
    assert reason.score == pytest.approx(heard[loudest], abs=1e-3)
    assert query.words is not None
    assert "No film matches 'no such word'" in query.words.notes[0]
    scene = search_scenes(library, query, Silent(), top_k=1)[0]
    strongest = max((c.score, r.trailer_id) for r in rows for c in r.concepts if c.name == "Explosion")
    assert scene.trailer_id == strongest[1]
    genre = library.films[0].genres[0]
    found = search_films(library, make_query(library, [], words=[genre.lower()]), top_k=16)
    assert {row.trailer_id for row in found if row.score == 1} >= {
        film.trailer_id for film in library.films if genre in film.genres
    }


def test_a_sub_genre_finds_its_own_films_first(library: Library) -> None:
    card = open_atlas(library.run).cards[0]
    found = films(library, LikeSubgenre(card.name.upper(), ALL))
    inside = [row.score for row in found if row.trailer_id in card.members]
    outside = [row.score for row in found if row.trailer_id not in card.members]
    assert np.mean(inside) > np.mean(outside) + 0.2
    with pytest.raises(NotFoundError, match="no sub-genre 'none'"):
        make_query(library, [LikeSubgenre("none", ALL)])


def test_what_cannot_be_asked_is_said(library: Library) -> None:
    name = library.films[0].trailer_id
    for likes, error, words in (
        ([], ConfigError, "Name what to search for"),
        ([Like(name, {"smell": 1.0})], ConfigError, "found smell"),
        ([Like(name, ALL, at_s=1e6)], ConfigError, "no scene at"),
        ([Like("nothing", ALL)], NotFoundError, "There is no film 'nothing' in this run and no file"),
    ):
        with pytest.raises(error, match=words):
            make_query(library, likes)


def test_commands(finished: Path, library: Library) -> None:
    one, other = library.films[0].trailer_id, library.films[1].trailer_id
    base = ["search", str(finished)]
    asked = [
        *base,
        "--sounds-like",
        one,
        "--looks-like",
        other,
        "--words",
        "music",
        "--top-k",
        "3",
        "--scenes",
        "--json",
    ]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    scenes = json.loads(done.stdout)["scenes"]
    assert len(scenes) == 3
    assert {"title", "start_s", "end_s", "score"} <= set(scenes[0])
    assert set(scenes[0]["modes"]) == {"audio", "image"}
    table = CliRunner().invoke(app, [*base, "--like", one, "--weights", "audio=2,image=1"])
    assert table.exit_code == 0
    assert "audio" in table.stdout
    assert "motion" not in table.stdout
    assert "by genres" not in table.stdout
    assert "by genres" in CliRunner().invoke(app, [*base, "--like", one]).stdout
    assert CliRunner().invoke(app, base).exit_code == 2
    for bad in ("audio=-1", "audio=0", "smell=1"):
        assert CliRunner().invoke(app, [*base, "--like", one, "--weights", bad]).exit_code == 2
    assert CliRunner().invoke(app, [*base, "--like", "nothing"]).exit_code == 1
