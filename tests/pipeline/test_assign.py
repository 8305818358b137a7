"""New films in a run: placed without training, kept, proposed as new sub-genres, and placed again after discovery."""

import csv
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.conftest import Cinegrain
from tests.pipeline.growing_run import N_NEW, N_OLD, N_STRANGE, NEW, STRANGE, assign_stored, growing_run, rediscover

from cinegrain.atlas.edit import Editor
from cinegrain.atlas.new_films import read_new_films
from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.errors import EditError, StoreError
from cinegrain.pipeline.answers.answer import Answers
from cinegrain.pipeline.answers.assign import assign
from cinegrain.pipeline.datasets.dataset import verify_dataset
from cinegrain.pipeline.report import make_report
from cinegrain.results import NearSubGenre
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.catalog import load_matched, save_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.search.find import search_films, search_scenes
from cinegrain.search.library import open_library
from cinegrain.search.query import Like, make_query
from cinegrain_demo.corpus import CorpusFiles


@pytest.fixture(scope="module", autouse=True)
def no_figures() -> Iterator[None]:
    """The figures of a run, of which none is asked for here, take most of a discovery's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cinegrain.pipeline.discover.measure", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def trained(no_figures: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return growing_run(tmp_path_factory.mktemp("assign")).folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    shutil.copytree(trained, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_a_planted_sub_genre_is_proposed_and_becomes_one(run: Run) -> None:
    assign_stored(run, [*NEW, *STRANGE])
    atlas = open_atlas(run)
    assert len(atlas.rows) == N_OLD + N_NEW + N_STRANGE
    assert len(atlas.proposals) == 1
    proposed = set(atlas.proposals[0].trailers)
    assert len(proposed & set(NEW)) >= 0.8 * N_NEW
    assert len(proposed - set(NEW)) <= 0.1 * len(proposed)
    entry = Editor(run, "anna", expected=0).accept(atlas.proposals[0].trailers, "A kind of its own")
    assert entry.operation.new == "S07"  # type: ignore[union-attr]
    after = open_atlas(run)
    assert set(after.edited.by_id["S07"].members) == proposed
    assert after.proposals == []
    card = next(card for card in after.cards if card.id == "S07")
    assert (card.name, card.arrived, card.size) == ("A kind of its own", len(proposed), len(proposed))
    with run.table.open(encoding="utf-8-sig", newline="") as file:
        table = {row["trailer_id"]: row["subgenre"] for row in csv.DictReader(file)}
    assert {t for t, name in table.items() if name == "A kind of its own"} == proposed
    near = Answers(run).similar(Answers(run).film(NEW[0]), top_k=5)
    assert len({n.trailer_id for n in near} & set(NEW)) >= 3, "films that came later are found as well"
    Editor(run, "anna").undo()
    assert open_atlas(run).proposals == atlas.proposals


def test_films_that_came_later_are_searched_as_well(run: Run) -> None:
    pooled = [path.read_bytes() for path in sorted((run.folder / "pooled").glob("*.npy"))]
    weights = {"audio": 1.0, "image": 1.0}
    assign_stored(run, NEW[:-1])
    library = open_library(run, Silent())
    assert [film.trailer_id for film in library.films][N_OLD:] == NEW[:-1]
    query = make_query(library, [Like(NEW[0], weights)])
    found = search_films(library, query, top_k=10)
    assert {row.trailer_id for row in found} <= set(NEW[1:-1])
    assert {row.trailer_id for row in search_scenes(library, query, Silent(), top_k=10)} <= set(NEW[1:-1])
    by_genres = search_films(library, make_query(library, [Like(NEW[0], {"genres": 1.0})]), top_k=N_OLD + 10)
    names = sorted({name for film in library.films for name in film.genres})
    given = np.array([[name in film.genres for name in names] for film in library.films[:N_OLD]], float)
    likely = [{g.name: g.probability for g in row.predicted} for row in open_atlas(run).rows[N_OLD:]]
    whole = np.concatenate([given, [[one[name] for name in names] for one in likely]])
    seen = (whole - given.mean(axis=0)) / given.std(axis=0)
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    for row in by_genres:
        wanted = seen[library.number[row.trailer_id]] @ seen[N_OLD]
        assert row.score == pytest.approx(wanted, abs=1e-5), "the network's answers stand in for new films' genres"
    titled = make_query(library, [], words=[NEW[3]])
    assert search_films(library, titled, top_k=1)[0].trailer_id == NEW[3]
    assign_stored(run, NEW[-1:])
    library = open_library(run, Silent())
    again = search_films(library, make_query(library, [Like(NEW[-1], weights)]), top_k=10)
    assert {row.trailer_id for row in again} <= set(NEW[:-1])
    assert [path.read_bytes() for path in sorted((run.folder / "pooled").glob("*.npy"))] == pooled


def test_scattered_strangers_are_not_proposed_and_are_said_to_fit_nowhere(run: Run) -> None:
    rows = assign_stored(run, STRANGE)
    atlas = open_atlas(run)
    assert atlas.proposals == []
    assert set(atlas.edited.unplaced) == {row.trailer_id for row in rows if row.sub_genre is None}
    assert len(atlas.edited.unplaced) >= 0.7 * N_STRANGE
    for row in rows:
        assert (row.sub_genre is None) == (row.nearest.distance > row.nearest.limit)
    with pytest.raises(EditError, match="no sub-genre 'S99'"):
        Editor(run, "anna").move([atlas.edited.unplaced[0]], "S99")
    Editor(run, "anna").move([atlas.edited.unplaced[0]], "S01")
    assert open_atlas(run).edited.group_of[atlas.edited.unplaced[0]] == "S01"


def test_films_that_came_later_are_placed_again_by_a_new_discovery(run: Run) -> None:
    assign_stored(run, NEW)
    before = open_atlas(run)
    Editor(run, "anna").accept(before.proposals[0].trailers, "A kind of its own")
    members = set(open_atlas(run).edited.by_id["S07"].members)
    rediscover(run, seed=3)
    after = open_atlas(run)
    assert after.found.key != before.found.key
    assert not after.oddities
    assert set(after.edited.by_id["S07"].members) == members
    assert after.edited.by_id["S07"].name == "A kind of its own"
    assert len(after.rows) == N_OLD + N_NEW
    save_matched(run.catalog, load_matched(run.folder / "all.json"))  # now the catalogue has them
    rediscover(run, seed=3)
    joined = open_atlas(run)
    assert read_new_films(run).rows == ()
    assert len(joined.rows) == N_OLD + N_NEW + N_STRANGE
    assert members <= set(joined.edited.by_id["S07"].members)


def test_a_film_in_a_split_off_part_goes_back_when_the_split_is_undone(run: Run) -> None:
    source = open_atlas(run).cards[0].id
    split = Editor(run, "anna").split(source, open_atlas(run).halves(source)[1])
    answers = Answers(run)
    inside = open_atlas(run).edited.by_id[split.operation.new].members[0]  # type: ignore[union-attr]
    new_films = assign_stored(run, [NEW[0]])
    home = NearSubGenre(split.operation.new, "", 0.1)  # type: ignore[union-attr]
    row = replace(new_films[0], sub_genre=home, otherwise=source)
    from cinegrain.atlas.new_films import NewFilms, write_new_films

    old = read_new_films(run)
    write_new_films(run, NewFilms((row,), old.encoded, old.placed_for))
    assert answers.atlas.version == 1
    assert open_atlas(run).edited.group_of[NEW[0]] == split.operation.new  # type: ignore[union-attr]
    Editor(run, "anna").undo()
    assert open_atlas(run).edited.group_of[NEW[0]] == open_atlas(run).edited.group_of[inside] == source


def test_damaged_arrivals_are_refused(run: Run) -> None:
    run.new_films.write_bytes(b"damaged")
    with pytest.raises(StoreError, match="cannot be read"):
        open_atlas(run)


def test_files_are_looked_at_once_and_kept(
    finished: Path, corpus: CorpusFiles, cinegrain: Cinegrain, tmp_path: Path
) -> None:
    from tests.pipeline.test_run import stem_copy

    run = Run.open(Path(shutil.copytree(finished, tmp_path / "run")))
    source = sorted(corpus.videos.glob("*.mp4"))[0]
    (tmp_path / "new").mkdir()
    film = stem_copy(source, tmp_path / "new" / "a new film é.mp4", audio=False)
    (tmp_path / "new" / "broken.mp4").write_bytes(b"no film")
    done = cinegrain("assign", run.folder, tmp_path / "new", source, "--json")
    assert done.code == 3, done.err
    found = done.json
    assert [row["trailer_id"] for row in found["films"]] == ["a new film é.mp4"]
    assert found["there"] == [{"path": str(source), "trailer_id": source.stem}]
    assert [Path(f["path"]).name for f in found["failures"]] == ["broken.mp4"]
    assert found["films"][0]["missing"] == ["audio"]
    assert assign(run, [film], Silent()).there == ((film, film.name),)
    atlas = open_atlas(run)
    assert atlas.trailer_ids[-1] == film.name
    where = atlas.edited.group_of.get(film.name)
    assert where or film.name in atlas.edited.unplaced
    make_report(run, Silent())
    assert (film.name in run.report.read_text()) == bool(where)
    assert film.name in atlas.edited.unplaced or any(film.name in card.members for card in atlas.cards)
    assert verify_dataset(run.folder).faults == ()
    assert read_json(run.catalog)["trailers"][0]["trailer_id"] != film.name
