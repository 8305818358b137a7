"""The main job on real films: what a researcher's first run shows."""

from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.conftest import Cinegrain

from cinegrain.runs.artifacts import read_json

pytestmark = [pytest.mark.xdist_group("clips"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def run(real_clips: Path, cinegrain: Cinegrain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clips") / "run"
    done = cinegrain("run", real_clips, "--catalog", real_clips / "clips.csv", "--out", out, "--json", timeout=580)
    assert done.code == 0, done.err
    assert done.json["embedded"] == 16
    assert (out / "failures.csv").read_text().count("\n") == 1
    assert any("'Documentary' has only 1 film" in note for note in done.json["notes"])
    return out


@pytest.fixture(scope="module")
def rows(run: Path) -> dict[str, Any]:
    return {row["trailer_id"][:2]: row for row in read_json(run / "trailers.json")}


def heard(row: dict[str, Any], n: int = 8) -> set[str]:
    return {word["name"] for word in row["concepts"]["audio"][:n]}


def test_sounds_are_named_sensibly(rows: dict[str, Any]) -> None:
    assert {"Music", "Explosion"} <= heard(rows["01"]), "the battle"
    assert rows["08"]["concepts"]["audio"][0]["name"] == "Speech", "a talkie of 1940"
    assert "Skateboard" in heard(rows["21"])
    assert {"Animal", "Bird"} & heard(rows["04"]), "a meadow with birds"


def test_pictures_are_named_sensibly(rows: dict[str, Any]) -> None:
    for name in ("19", "20", "21"):
        assert rows[name]["concepts"]["image"][0]["name"] == "comic book", "a drawn cartoon"


def test_films_without_sound_are_marked(rows: dict[str, Any]) -> None:
    without = {name for name, row in rows.items() if row["missing"] == ["audio"]}
    assert without == {"12", "13", "17", "18"}
    assert all("audio" not in rows[name]["concepts"] for name in without)
    assert rows["17"]["flags"] == ["silent_audio"]


def test_two_copies_of_one_scene_are_each_others_nearest(rows: dict[str, Any]) -> None:
    for one, other in (("04", "05"), ("05", "04")):
        nearest = rows[one]["neighbours"][0]
        assert nearest["trailer_id"].startswith(other)
        assert nearest["score"] > rows[one]["neighbours"][1]["score"] + 0.1


def test_they_are_the_only_near_duplicates(run: Path, cinegrain_here: Cinegrain) -> None:
    (pair,) = cinegrain_here("dataset", "duplicates", run, "--json").json
    assert (pair["a"][:2], pair["b"][:2]) == ("04", "05")
    assert pair["offset_s"] == pytest.approx(0, abs=0.1)
