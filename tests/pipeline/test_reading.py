import json
from pathlib import Path

import pytest
from tests.pipeline.conftest import Cinegrain

from cinegrain.errors import ConfigError
from cinegrain.pipeline.match_catalog import match_catalog
from cinegrain.pipeline.reading import keep_reading, or_kept
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.runs.layout import Run


def test_what_was_said_once_holds_for_the_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert or_kept(AS_FOUND, out) == AS_FOUND
    (tmp_path / "map.csv").write_text("from,to\nGrusel,Horror\nKurz,\nRomcom,Comedy|Romance\n")
    said = Reading({"file": "Signatur", "genres": "Sparte"}, tmp_path / "map.csv")
    keep_reading(said, Run.open(out, create=True))
    (tmp_path / "map.csv").unlink()
    (tmp_path / "films.csv").write_text("Signatur,Sparte\na.mp4,Grusel|Kurz\nb.mp4,Romcom\n")
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match="--columns file=NAME"):
        match_catalog(tmp_path, tmp_path / "films.csv")
    kept = or_kept(AS_FOUND, out)
    found = match_catalog(tmp_path, tmp_path / "films.csv", kept)
    assert [film.genres for film in found.trailers] == [("Horror",), ("Comedy", "Romance")]
    keep_reading(kept, Run.open(out))
    assert or_kept(AS_FOUND, out) == kept
    assert or_kept(Reading({"file": "x"}), out).columns == {"file": "x"}, "what is said now comes first"


def test_the_flags_reach_the_catalogue_and_hold_on_resuming(tmp_path: Path, cinegrain_here: Cinegrain) -> None:
    films, table, out = tmp_path / "films", tmp_path / "films.csv", tmp_path / "run"
    films.mkdir()
    (films / "a.mp4").write_text("no film")
    table.write_text("Signatur;Sparte\na.mp4;Grusel\n")
    (tmp_path / "map.csv").write_text("from,to\nGrusel,Horror\n")
    asked = ("extract", films, "--catalog", table, "--out", out, "--extract.experts", "motion_flow")
    told = ("--columns", "file=Signatur,genres=Sparte", "--genre-map", tmp_path / "map.csv")
    assert cinegrain_here(*asked).code == 2
    for flags in (told, ()):
        assert cinegrain_here(*asked, *flags).code == 3  # the film cannot be read
        (trailer,) = json.loads((out / "catalog.json").read_text())["trailers"]
        assert trailer["genres"] == ["Horror"]
    wrong = cinegrain_here(*asked, "--columns", "file=Signatr,genres=Sparte")
    assert wrong.code == 2
    assert "Did you mean 'Signatur'" in wrong.err


@pytest.mark.train
def test_vectors_take_the_same_flags(tmp_path: Path, cinegrain_here: Cinegrain) -> None:
    (tmp_path / "v.csv").write_text("id,audio_0,audio_1\na,1,2\nb,3,4\n")
    (tmp_path / "c.csv").write_text("Nr,Sparte\na,Grusel\nb,Drama\n")
    asked = ("run", "--vectors", tmp_path / "v.csv", "--catalog", tmp_path / "c.csv", "--out", tmp_path / "run")
    assert "has no id column" in cinegrain_here(*asked).err
    told = cinegrain_here(*asked, "--columns", "trailer_id=Nr,genres=Sparte")
    assert "A genre model needs at least two genres" in told.err, "which is said once the catalogue was read"
    assert "Drama (1), Grusel (1)" in told.err
