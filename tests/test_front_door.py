"""`import cinegrain`: every name that it exports, on the small finished run."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cinegrain as cg
from cinegrain.atlas.film_names import FilmNames
from cinegrain.errors import ConfigError, ConflictError, EditError, MediaError, NotFoundError, StoreError
from cinegrain_demo.corpus import CorpusFiles
from tests.finished_run import FAST, Cinegrain

pytestmark = [pytest.mark.xdist_group("run"), pytest.mark.timeout(280)]
SETTINGS = {key.removeprefix("--"): value for key, value in zip(FAST[::2], FAST[1::2], strict=True)}


@pytest.fixture(scope="module")
def run(finished: Path) -> cg.FittedRun:
    """Read only."""
    return cg.open(finished)


@pytest.fixture
def own(finished: Path, tmp_path: Path) -> cg.FittedRun:
    """To edit."""
    return cg.open(str(shutil.copytree(finished, tmp_path / "run")))


@pytest.fixture
def films(corpus: CorpusFiles, tmp_path: Path) -> list[Path]:
    """Two good films and a broken one between them."""
    one, *_, other = sorted(corpus.videos.glob("*.mp4"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(one.read_bytes()[:2000])
    return [one, broken, other]


def test_importing_it_brings_nothing_heavy() -> None:
    script = (
        "import sys; before = set(sys.modules); import cinegrain; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", f"import site; site.main(); {script}"], capture_output=True)
    brought = set(done.stdout.decode().split())
    assert "cinegrain" in brought, done.stderr
    assert not brought - {"cinegrain"} - set(sys.stdlib_module_names)


def test_every_exported_name_is_there_and_no_other() -> None:
    for name in cg.__all__:
        assert getattr(cg, name).__doc__
        assert name in dir(cg)
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = cg.fitt  # type: ignore[attr-defined]


def test_a_film_is_named_by_id_then_title_then_title_in_any_case() -> None:
    names = FilmNames(["a", "b", "c", "d"], ["b", "Heat", "heat", "İstanbul  Noir"])
    assert [names.row(name) for name in ("a", "b", "Heat", "heat", "istanbul noir")] == [0, 1, 1, 2, 3]
    with pytest.raises(NotFoundError, match=r"2 films are called 'HEAT': b and c. Name one by its id."):
        names.row("HEAT")
    with pytest.raises(NotFoundError, match=r"There is no film 'Istanbul noire' in this run. Did you mean 'İst"):
        names.row("Istanbul noire")
    with pytest.raises(NotFoundError, match=r"no film 'zzzzzz' in this run. Films are, for example: a, b, c"):
        names.row("zzzzzz")


def test_a_file_is_meant_where_no_film_is_called_like_it(tmp_path: Path) -> None:
    names = FilmNames(["a"], ["Heat"])
    file = tmp_path / "heat"
    file.touch()
    assert names.row_or_file("heat") == 0
    assert names.row_or_file(str(file)) == file
    assert names.row_or_file("https://host/heat.mp4") == "https://host/heat.mp4"
    with pytest.raises(NotFoundError, match=r"no film 'haet' in this run and no file of that name. Did you mean"):
        names.row_or_file("haet")


def test_the_same_sentence_everywhere(finished: Path, run: cg.FittedRun, cinegrain_here: Cinegrain) -> None:
    title = run.films["title"].to_pylist()[0]
    sentence = f"There is no film {title + 'x'!r} in this run"
    for ask in (run.similar, run.predict, run.search):
        with pytest.raises(NotFoundError, match=sentence) as caught:
            ask(title + "x")
        assert f"Did you mean {title!r}?" in str(caught.value)
    for command in (("predict",), ("similar",), ("search", "--like")):
        done = cinegrain_here(command[0], finished, *command[1:], title + "x")
        assert done.code == 1
        assert sentence in done.err
    assert sentence in cinegrain_here("atlas", "move", finished, title + "x", "--to", "S01").err


def test_fit_does_what_the_command_does(
    finished: Path, corpus: CorpusFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(finished, tmp_path / "run")
    run = cg.fit(corpus.videos, catalog=str(corpus.catalog), out=out, settings=SETTINGS, progress=False)
    assert run.summary is not None
    assert (run.summary.n_trailers, run.summary.extracted.n_new) == (16, 0), "it took the finished run as its own"
    assert capsys.readouterr() == ("", "")
    cg.fit(corpus.videos, catalog=corpus.catalog, out=out, settings=SETTINGS)
    assert "Report" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"settings": {"train.epoch": 3}}, "Unknown setting 'train.epoch'. Did you mean train.epochs?"),
        ({"settings": {"train.epochs": "many"}}, "Setting train.epochs: .*integer"),
        ({"columns": {"genre": "Genre"}}, "Did you mean 'genres'?"),
        ({"genre_map": "nowhere.csv"}, "There is no file at nowhere.csv"),
        ({"vectors": "v.npz"}, "not both"),
        ({"catalog": None}, "Give a folder of videos and its --catalog"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        cg.fit(**{"videos": tmp_path, "catalog": "films.csv", "out": tmp_path / "run", **given})
    assert not (tmp_path / "run").exists()


def test_what_is_no_run_is_not_opened(corpus: CorpusFiles) -> None:
    with pytest.raises(StoreError, match="not a Cinegrain run"):
        cg.open(corpus.videos)


def test_films_and_sub_genres(finished: Path, run: cg.FittedRun) -> None:
    rows = {row["trailer_id"]: row for row in json.loads((finished / "trailers.json").read_text())}
    table = run.films.to_pylist()
    assert [row["trailer_id"] for row in table] == list(rows)
    for row in table:
        known = rows[row["trailer_id"]]
        assert (row["genres"], row["n_scenes"]) == (known["catalog_genres"], known["n_scenes"])
        assert row["sub_genre_id"] == known["subgenre"]["id"]
        assert row["predicted"] == [genre["name"] for genre in known["predicted"] if genre["decided"]]
    cards = json.loads((finished / "atlas.json").read_text())["subgenres"]
    assert [(one.id, one.name, one.size) for one in run.sub_genres] == [(c["id"], c["name"], c["size"]) for c in cards]
    assert sum(one.size for one in run.sub_genres) == len(table) == 16
    assert run.failures == []
    assert run.to_dict()["genres"] == len({genre for row in table for genre in row["genres"]})


def test_a_rename_is_seen_by_everybody_and_conflicts_as_everywhere(
    own: cg.FittedRun, cinegrain_here: Cinegrain
) -> None:
    first, *_ = own.sub_genres
    entry = own.atlas[first.name].rename("Desert <wars>", by="anna", why="sand")
    assert own.atlas["desert <WARS>"].id == first.id
    assert "Desert &lt;wars&gt;" in own._repr_html_()
    (row,) = cinegrain_here("atlas", "history", own.folder, "--json").json
    assert (row["id"], row["by"], row["why"]) == (entry.id, "anna", "sand")
    done = cinegrain_here("atlas", "lock", own.folder, first.id, "--by", "ben")
    assert done.code == 0
    assert own.atlas[first.id].locked, "an edit that others made is seen"
    with pytest.raises(ConflictError, match="ben"):
        own.atlas[first.id].unlock(version=1)
    with pytest.raises(EditError, match="locked"):
        own.atlas[first.id].rename("Other")
    own.atlas.undo()
    assert not own.atlas[first.id].locked
    assert own.atlas.version == 3
    with pytest.raises(NotFoundError, match=r"There is no sub-genre 'S99'. There are, for example: S01 "):
        _ = own.atlas["S99"]


def test_films_go_from_one_sub_genre_to_another(own: cg.FittedRun, tmp_path: Path) -> None:
    giver, taker = own.sub_genres[:2]
    titles = dict(zip(own.films["trailer_id"].to_pylist(), own.films["title"].to_pylist(), strict=True))
    own.atlas[taker.id].add([titles[giver.films[0]]])
    assert giver.films[0] in own.atlas[taker.id].films
    entry = own.atlas[taker.id].split([giver.films[0]], "Alone")
    assert own.atlas["Alone"].films == (giver.films[0],), entry
    own.atlas[giver.id].merge(["alone"])
    assert set(own.atlas[giver.id].films) == set(giver.films)
    assert len(own.atlas) == len(own.sub_genres)
    assert own.atlas.export(tmp_path / "atlas.csv").is_file()


def test_predict_gives_what_the_command_gives(
    finished: Path, run: cg.FittedRun, films: list[Path], cinegrain_here: Cinegrain
) -> None:
    one = run.predict(str(films[0]), progress=False)
    (told,) = cinegrain_here("predict", finished, films[0], "--json").json
    genres = {genre["name"]: genre["probability"] for genre in told["genres"]}
    assert {genre.name: genre.probability for genre in one.genres} == pytest.approx(genres, abs=1e-6)
    assert one.sub_genre is not None
    assert one.sub_genre.id == told["subgenre"]["id"]
    for result in (one, run.search(words="music")):
        assert json.dumps(result.to_dict(), allow_nan=False)
    assert {**told, "genres": []} == {**one.to_dict(), "genres": []}
    assert one.influence[one.genres[0].name] == one.genres[0].influence
    assert one.reasons[0].startswith(one.genres[0].name)
    assert [match.title for match in one.neighbours] == [row["title"] for row in told["neighbours"]]
    known = run.predict(run.films["title"].to_pylist()[0])
    assert {genre.name for genre in known.genres} == set(genres)


def test_a_broken_film_costs_no_other_its_result(run: cg.FittedRun, films: list[Path]) -> None:
    found = {result.path: result for result in run.predict(films, progress=False)}
    assert {path: type(result) for path, result in found.items()} == {
        str(films[0]): cg.Prediction,
        str(films[1]): cg.Failure,
        str(films[2]): cg.Prediction,
    }
    failed = found[str(films[1])]
    assert isinstance(failed, cg.Failure)
    assert failed.reason
    with pytest.raises(MediaError, match=r"broken\.mp4"):
        run.predict(films[1], progress=False)
    with pytest.raises(ConfigError, match="No videos"):
        run.predict([])


def test_search_and_similar(finished: Path, run: cg.FittedRun, films: list[Path], cinegrain_here: Cinegrain) -> None:
    title = run.films["title"].to_pylist()[0]
    found = run.search(sounds_like=title, looks_like=films[2], top_k=5)
    asked = ("--sounds-like", title, "--looks-like", films[2], "--top-k", 5, "--json")
    told = cinegrain_here("search", finished, *asked).json["films"]
    assert [match.trailer_id for match in found] == [row["trailer_id"] for row in told]
    assert found[0].score == pytest.approx(told[0]["score"], abs=1e-6)
    assert "No film matches" in run.search(words="music, zzzz").notes[0]
    scenes = run.search(title, weights={"audio": 1}, scenes=True, top_k=3)
    assert len(scenes) == 3
    with pytest.raises(ConfigError, match="found smell=1"):
        run.search(title, weights={"smell": 1})
    near = run.similar(title.upper(), by="audio", top_k=3)
    told = cinegrain_here("similar", finished, title, "--by", "audio", "--top-k", 3, "--json").json["neighbours"]
    assert [match.trailer_id for match in near] == [row["trailer_id"] for row in told]
    ids = [match.trailer_id for match in run.similar(films[0], top_k=1)]
    assert ids == ["film-0001"], "the file of a film is most like that film"


def test_embed_gives_the_vectors_that_the_run_has(run: cg.FittedRun, films: list[Path]) -> None:
    one, broken, _ = films
    dataset = cg.open_dataset(run.folder)
    found = {x.path: x for x in cg.embed([one, broken], experts="motion_flow,audio_yamnet", progress=False)}
    assert isinstance(found[str(broken)], cg.Failure)
    film = found[str(one)]
    assert isinstance(film, cg.FilmEmbedding)
    assert film.start_s[0] == 0
    assert (film.start_s < film.end_s).all()
    assert film.end_s[-1] == pytest.approx(film.duration_s)
    for expert, vectors in film.vectors.items():
        stored = dataset.vectors(expert, ["film-0001"])
        assert vectors.shape == (len(film.start_s), dataset.experts[expert].dimension)
        assert vectors[stored.scenes] == pytest.approx(stored.vectors, abs=2e-3, rel=2e-3)  # stored as float16
        assert np.isnan(np.delete(vectors, stored.scenes, axis=0)).all()
        assert film.mean(expert) == pytest.approx(vectors[stored.scenes].mean(axis=0), abs=1e-5)
    assert [len(column) for column in film.concepts.values()] == [len(film.start_s)] * 2
    assert len(film.to_dict()["scenes"]) == len(film.start_s)
    with pytest.raises(ConfigError, match="Unknown preset or expert smell"):
        cg.embed(one, experts="smell")


def test_a_dataset_as_arrays_and_tables(run: cg.FittedRun) -> None:
    dataset = cg.open_dataset(str(run.folder))
    films = dataset.films.to_pylist()
    assert len(dataset) == len(films) == 16
    assert films[0]["title"] == run.films["title"].to_pylist()[0]
    assert dataset.scenes.num_rows == sum(film["n_scenes"] for film in films)
    whole = dataset.vectors("motion_flow")
    assert len(whole.offsets) == 17
    by_title = dataset.vectors("motion_flow", [films[3]["title"]]).vectors
    assert (by_title == whole.vectors[whole.offsets[3] : whole.offsets[4]]).all()
    assert dataset.to_dict()["trailers"] == 16


def test_the_explorer_runs_beside_us_and_stops(run: cg.FittedRun) -> None:
    with run.serve() as server:
        with urllib.request.urlopen(f"{server.url}api/v1/run", timeout=20) as answer:
            assert json.load(answer)["n_films"] == 16
        assert server.url in server._repr_html_()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(server.url, timeout=20)
    server.stop()


def test_an_exported_model_needs_no_pytorch_and_a_script_no_guard(
    run: cg.FittedRun, films: list[Path], tmp_path: Path
) -> None:
    model = run.export(tmp_path / "model")
    whole = run.predict(films[0], progress=False)
    script = tmp_path / "script.py"  # without `if __name__ == "__main__"`, as one writes it in a notebook
    script.write_text(
        "import sys, json, cinegrain as cg\n"
        f"model = cg.load_model({str(model.folder)!r})\n"
        f"found = [model.predict({str(films[0])!r}), *model.predict({[str(films[1])]!r})]\n"
        "assert 'torch' not in sys.modules\n"
        "print(json.dumps([one.to_dict() for one in found]))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    good, bad = json.loads(done.stdout)
    genres = {genre["name"]: genre["probability"] for genre in good["genres"]}
    assert set(genres) == set(model.genres)
    assert genres == pytest.approx({genre.name: genre.probability for genre in whole.genres}, abs=1e-3)
    assert "broken.mp4" in bad["path"]


def test_results_show_no_markup_of_others(run: cg.FittedRun, films: list[Path]) -> None:
    shown = run.search(run.films["title"].to_pylist()[0])._repr_html_() + run._repr_html_()
    assert "<script" not in shown
    assert "<table" in shown


def test_the_examples_of_the_documentation_run(
    finished: Path, corpus: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that has what they name; only titles, and the one genre, are the run's own."""
    monkeypatch.chdir(tmp_path)
    one, other, *_ = sorted(corpus.videos.glob("*.mp4"))
    shutil.copytree(finished, "runs/mine")
    Path("videos").symlink_to(corpus.videos)
    Path("films.csv").symlink_to(corpus.catalog)
    Path("folder").mkdir()
    for name in ("new.mp4", "a.mp4", "x.mp4", "folder/c.mp4"):
        shutil.copy(one, name)
    shutil.copy(other, "b.mp4")
    own = cg.open("runs/mine")
    title = next(film["title"] for film in own.films.to_pylist() if film["sub_genre_id"] != "S03")
    genre = own.predict("new.mp4").genres[0].name
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) > 8
    names: dict[str, Any] = {}
    for block in blocks:
        text = block.replace('"Some Title"', repr(title)).replace('"Horror"', repr(genre))
        text = text.replace('settings={"train.epochs": 50}', f"settings={SETTINGS}")
        text = text.replace('out="runs/mine")', f'out="runs/mine", settings={SETTINGS})')
        exec(compile(text, block, "exec"), names)
    assert names["run"].atlas["S03"].name == "Desert wars"
    assert isinstance(names["model"], cg.Model)


def test_the_tour_of_all_this_runs_and_leaves_the_run_as_it_was(finished: Path) -> None:
    def content() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(finished.rglob("*")) if path.is_file()}

    cg.open(finished).search(words="music")  # keeps the means over scenes in the run once
    before = content()
    script = Path(__file__).parents[1] / "examples" / "tour.py"
    done = subprocess.run([sys.executable, script, finished], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    for said in ("Did you mean", "broken.mp4", "E0001: anna renames S01", "undone; version 2", "16 films", "http://"):
        assert said in done.stdout
    assert content() == before
