"""Edits in a run: kept through kills, other editors and new discoveries, and shown everywhere."""

import csv
import json
import multiprocessing as mp
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.planted_run import planted_run
from typer.testing import CliRunner

from cinegrain.atlas.edit import Editor
from cinegrain.atlas.edit_log import read_log
from cinegrain.atlas.run_atlas import RunAtlas, open_atlas
from cinegrain.cli.main import app
from cinegrain.config import load_settings, save_settings
from cinegrain.errors import ConflictError, EditError, StoreError
from cinegrain.pipeline.answers.answer import Answers
from cinegrain.pipeline.discover import discover
from cinegrain.pipeline.learning.train import fine_tune, load_data
from cinegrain.results import Film, NearSubGenre, to_json
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.catalog import Matched, load_matched, save_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import DiscoverSettings, FinetuneSettings


def rediscover(run: Run, *, seed: int = 0, k: int = 5) -> list[str]:
    """Discovery anew; gives what it says."""
    settings = load_settings(run.settings)
    settings = replace(
        settings,
        seed=seed,
        finetune=FinetuneSettings(epochs=1),
        discover=DiscoverSettings(n_clusters=k, max_clusters=5),
    )
    data = load_data(run, load_matched(run.catalog).trailers, tuple(settings.extract.experts.split(",")))
    save_settings(settings, run.folder)
    if not run.finetuned.is_dir():
        fine_tune(run, data, settings, Silent())
    watcher = Listener()
    discover(run, data, settings, watcher)
    return watcher.heard


class Listener(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, line: str) -> None:
        self.heard.append(line)


@pytest.fixture(scope="module", autouse=True)
def no_figures() -> Iterator[None]:
    """The figures of a run, of which none is asked for here, take most of a discovery's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cinegrain.pipeline.discover.measure", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def discovered(no_figures: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = planted_run(tmp_path_factory.mktemp("atlas"), n=90)
    everything = load_matched(run.catalog)
    save_matched(run.catalog, Matched(everything.trailers[:80], ()))  # ten come later
    save_matched(run.folder / "all.json", everything)
    rediscover(run)
    return run.folder


@pytest.fixture
def run(discovered: Path, tmp_path: Path) -> Run:
    shutil.copytree(discovered, tmp_path / "run")
    return Run.open(tmp_path / "run")


def members(atlas: RunAtlas) -> dict[str, set[str]]:
    return {card.id: set(card.members) for card in atlas.cards}


def home(film: Film) -> NearSubGenre:
    assert film.sub_genre
    return film.sub_genre


def table(run: Run) -> dict[str, str]:
    with run.table.open(encoding="utf-8-sig", newline="") as file:
        return {row["trailer_id"]: row["subgenre"] for row in csv.DictReader(file)}


def test_without_edits_the_atlas_is_what_discovery_found(run: Run) -> None:
    atlas, found = open_atlas(run), read_json(run.atlas)
    for card, old in zip(atlas.cards, found["subgenres"], strict=True):
        assert to_json(card).items() >= old.items()
        assert (card.edited, card.locked, card.arrived) == (False, False, 0)
    assert to_json(atlas.rows) == read_json(run.trailers)
    assert atlas.version == 0
    assert table(run) == {row.trailer_id: home(row).name for row in atlas.rows}


def test_edits_are_shown_by_every_part(run: Run) -> None:
    anna = Editor(run, "anna", "they are one")
    before = members(open_atlas(run))
    anna.rename("S01", "Köy filmleri")
    anna.merge("S01", ["S02"])
    film = open_atlas(run).cards[-1].members[0]
    anna.move([film], "S01")
    atlas = open_atlas(run)
    card = atlas.cards[0]
    assert (card.id, card.name, card.edited) == ("S01", "Köy filmleri", True)
    assert set(card.members) == before["S01"] | before["S02"] | {film}
    assert card.size == len(card.members) == len(set(card.members))
    assert card.stability is None
    assert sum(card.by_modality.values()) == pytest.approx(1)
    points = atlas.encoded.reshape(len(atlas.rows), -1)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    total = points[[t in set(card.members) for t in atlas.trailer_ids]].sum(axis=0)
    np.testing.assert_allclose(atlas.centroids[0], total / np.linalg.norm(total), atol=1e-9)
    near = points @ atlas.centroids.T
    place = {c.id: i for i, c in enumerate(atlas.cards)}
    for i, row in enumerate(atlas.rows):
        assert home(row).distance == pytest.approx(1 - near[i, place[home(row).id]], abs=1e-6)
    assert table(run)[film] == "Köy filmleri"
    answers = Answers(run)
    sub_genre = answers.predict(answers.film(film), top_k=1).sub_genre
    assert sub_genre
    name = sub_genre.name
    assert name in {c.name for c in atlas.cards}
    entry = read_log(run.edits).entries[1]
    assert (entry.by, entry.why) == ("anna", "they are one")
    assert entry.said.startswith("merges S02 “")
    anna.undo()
    anna.undo()
    anna.undo()
    assert members(open_atlas(run)) == before
    assert [c.name for c in open_atlas(run).cards] == [c["name"] for c in read_json(run.atlas)["subgenres"]]
    assert table(run) == {row["trailer_id"]: row["subgenre"]["name"] for row in read_json(run.trailers)}


def test_edits_outlast_another_seed_and_a_tenth_more_films(run: Run) -> None:
    anna = Editor(run, "anna")
    start = open_atlas(run)
    anna.rename("S01", "Named by Anna")
    anna.merge("S02", ["S05"])
    film = start.cards[2].members[0]
    anna.move([film], "S04")
    split = anna.split("S03", open_atlas(run).halves("S03")[1], "Half")
    anna.lock("S04")
    before = open_atlas(run)
    save_matched(run.catalog, load_matched(run.folder / "all.json"))
    rediscover(run, seed=11)
    after = open_atlas(run)
    assert len(after.rows) == 90
    assert after.edited.by_id["S01"].name == "Named by Anna"
    assert set(after.edited.by_id["S04"].members) == set(before.edited.by_id["S04"].members)
    assert after.edited.by_id["S04"].name == before.edited.by_id["S04"].name
    assert after.edited.by_id["S04"].locked
    assert "S05" not in after.edited.by_id or any(w.entry.id == "E0002" for w in after.edited.waiting)
    assert split.operation.new in after.edited.by_id  # type: ignore[union-attr]
    for id_ in ("S01", "S02"):
        old, new = set(before.edited.by_id[id_].members), set(after.edited.by_id[id_].members)
        assert len(old & new) >= 0.25 * len(old | new)
    listed = [t for group in after.edited.groups for t in group.members]
    assert sorted(listed) == sorted(row.trailer_id for row in after.rows)


def test_what_is_not_found_again_is_told_and_kept(run: Run) -> None:
    start = open_atlas(run)
    last = start.cards[-1].id
    Editor(run, "anna").rename(last, "A name that waits")
    heard = rediscover(run, k=2)
    gone = [id_ for id_ in members(start) if id_ not in members(open_atlas(run))]
    assert len(gone) >= 3
    assert all(any(line.startswith(f"{id_} no longer exists") for line in heard) for id_ in gone)
    assert last in gone
    assert any("E0001" in line and "has no effect at present" in line for line in heard)
    assert read_log(run.edits).version == 1
    rediscover(run, k=5)
    back = open_atlas(run)
    assert set(members(back)) == set(members(start)), "the same sub-genres, found again, have their old ids"
    assert back.edited.by_id[last].name == "A name that waits"


def test_a_line_cut_off_by_a_kill_is_told_and_does_no_harm(run: Run) -> None:
    anna = Editor(run, "anna")
    anna.rename("S01", "First")
    anna.rename("S02", "Second")
    whole = run.edits.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole) - 1, 7):
        run.edits.write_bytes(whole[:cut])
        log = read_log(run.edits)
        assert [e.operation.do for e in log.entries] == ["rename"]
        assert len(log.damage) == (whole[:cut].count(b"\n") < 2 and not whole[:cut].endswith(b"\n"))
    anna.rename("S03", "Third")
    log = read_log(run.edits)
    assert [e.id for e in log.entries] == ["E0001", "E0002"]
    assert open_atlas(run).edited.by_id["S03"].name == "Third"
    assert "line 2 of edits.jsonl is incomplete" in log.damage[0]
    lines = run.edits.read_bytes().splitlines(keepends=True)
    run.edits.write_bytes(b"".join([b'{"damaged": tr\n', *lines[1:]]))
    with pytest.raises(StoreError, match="expected entry 1, found E0002"):
        read_log(run.edits)
    run.edits.write_bytes(whole[:-1])  # all but the newline: the entry is whole
    assert read_log(run.edits).version == 2
    anna.rename("S03", "Third")
    assert read_log(run.edits).version == 3


def test_an_editor_who_saw_an_older_version_is_told_what_happened(run: Run) -> None:
    seen = open_atlas(run).version
    Editor(run, "anna").rename("S01", "Anna's name")
    before = run.edits.read_bytes()
    with pytest.raises(ConflictError, match=r"you saw version 0, it is at 1.*: anna renames S01 .* to “Anna's name”"):
        Editor(run, "ben", expected=seen).rename("S01", "Ben's name")
    assert run.edits.read_bytes() == before
    Editor(run, "ben", expected=1).rename("S01", "Ben's name")


def _many_edits(folder: Path, who: str, subgenre: str, n: int) -> None:
    for i in range(n):
        Editor(Run.open(folder), who).rename(subgenre, f"{who} {i}")


def test_two_editors_at_once_lose_nothing(run: Run) -> None:
    fork = mp.get_context("fork")
    jobs = [fork.Process(target=_many_edits, args=(run.folder, *who, 8)) for who in (("a", "S01"), ("b", "S02"))]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    log = read_log(run.edits)
    assert [e.number for e in log.entries] == list(range(1, 17))
    assert not log.damage
    for who in "ab":
        assert [e.operation.name for e in log.entries if e.by == who] == [f"{who} {i}" for i in range(8)]  # type: ignore[union-attr]


def test_several_edits_are_added_all_or_none(run: Run) -> None:
    with pytest.raises(EditError, match="its last entry is none yet"):
        Editor(run, "anna").undo(["E0001"])
    first = Editor(run, "anna").rename("S01", "One")
    second = Editor(run, "anna").rename("S02", "Two")
    with pytest.raises(EditError):
        Editor(run, "anna").undo([first.id, second.id, first.id])
    assert read_log(run.edits).version == 2
    assert [e.id for e in Editor(run, "anna").undo([first.id, second.id])] == ["E0003", "E0004"]


def command(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["atlas", *map(str, args)])
    return result.exit_code, " ".join(result.output.split())


def test_the_commands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, by = run.folder, ("--by", "anna")
    code, text = command("show", folder)
    assert code == 0
    assert "version 0" in text
    assert command("history", folder)[1] == "No edits yet."
    assert command("rename", folder, "S01", "Village tales", *by, "--why", "what they are")[0] == 0
    assert command("merge", folder, "S01", "S02", *by, "--version", 1)[0] == 0
    code, text = command("lock", folder, "S03", *by, "--version", 1)
    assert code == 1
    assert "you saw version 1, it is at 2" in text
    assert command("lock", folder, "S03", *by)[0] == 0
    code, text = command("rename", folder, "S03", "x", *by)
    assert code == 1
    assert "locked. Unlock it first" in text
    title = next(row.title for row in open_atlas(run).rows if home(row).id == "S04")
    assert command("move", folder, title, "--to", "S05", *by)[0] == 0
    code, text = command("split", folder, "S01", "--name", "Half a village", *by, "--json")
    assert code == 0
    assert json.loads(text)["entries"][0]["operation"]["new"] == "S06"
    assert command("unlock", folder, "S03", *by)[0] == 0
    assert command("undo", folder, *by)[0] == 0
    code, text = command("history", folder, "--json")
    rows = json.loads(text)
    assert [row["operation"]["do"] for row in rows] == ["rename", "merge", "lock", "move", "split", "undo", "undo"]
    assert [row["state"] for row in rows] == ["", "", "undone", "", "undone", "", ""]
    code, text = command("show", folder, "S01")
    assert "Village tales edited" in text
    assert command("show", folder, "S77")[0] == 1
    shown = json.loads(CliRunner().invoke(app, ["atlas", "show", str(folder), "--json"]).output)
    assert shown["version"] == 7
    assert command("show", folder.parent)[0] == 1


def test_every_subcommand_has_help() -> None:
    for name in ("show", "rename", "merge", "split", "move", "lock", "undo", "history"):
        assert CliRunner().invoke(app, ["atlas", name, "--help"]).exit_code == 0
