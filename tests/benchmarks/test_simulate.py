"""A simulated run is whole, grows, goes on after a kill, and is taken by the commands that come after it."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pytest

from cinegrain.config import Settings
from cinegrain.errors import ConfigError, StoreError
from cinegrain.pipeline.datasets.dataset import card_text, open_dataset, summarise, verify_dataset
from cinegrain.pipeline.learning.train import load_data
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.store.schema import SCHEMAS
from cinegrain.types import MODALITIES
from simulator import corpus as simulation
from simulator.corpus import oracle_of, simulate, truth_file
from simulator.films import draw_film, scene_vectors
from simulator.settings import SimulateSettings

WANTED = SimulateSettings(trailers=60, scale_dimensions=0.02, missing=0.1, label_noise=0.1)
EXPERTS = [simulation.expert_name(mode) for mode in MODALITIES]


def make(folder: Path, wanted: SimulateSettings = WANTED) -> Run:
    simulate(folder, wanted, Settings(), Silent())
    return Run(folder)


def content(run: Run) -> dict[str, object]:
    """Everything that a run holds; vectors sorted, since a block holds one expert after the other."""
    tables = {name: lance.dataset(f"{run.dataset}/{name}.lance").to_table().to_pylist() for name in SCHEMAS}
    tables["embeddings"].sort(key=lambda row: (row["expert"], row["trailer_id"], row["scene"]))
    return {**tables, "catalog": run.catalog.read_bytes(), "truth": truth_file(run).read_bytes()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make(tmp_path_factory.mktemp("simulated") / "run")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "BLOCK_TRAILERS", 20)


def test_the_dataset_is_without_fault_and_its_card_tells_how_it_was_made(run: Run) -> None:
    found = verify_dataset(run.folder)
    assert found.faults == ()
    assert found.n_trailers == 60
    summary = summarise(open_dataset(run.folder))
    card = card_text(summary)
    assert '"label_noise": 0.1' in card
    assert '"difficulty": "medium"' in card
    assert "no network has looked at any film" in card


def test_the_arrays_are_the_films_vectors(run: Run) -> None:
    data = load_data(run, load_matched(run.catalog).trailers, EXPERTS)
    world = simulation.simulated_world(run)
    for i in (0, 17, 59):
        film = draw_film(world, i)
        vectors = scene_vectors(world, film)
        assert data.trailers[i].trailer_id == simulation.trailer_id(i)
        assert {g for g, there in zip(data.genres, data.labels[i], strict=True) if there} <= set(film.genres)
        for mode in MODALITIES:
            array = data.arrays.experts[simulation.expert_name(mode)]
            rows = slice(array.offsets[i], array.offsets[i + 1])
            wanted = vectors.get(mode, np.zeros((0, array.vectors.shape[1]))).astype(np.float16)
            np.testing.assert_array_equal(array.vectors[rows], wanted)


def test_no_answer_is_in_what_the_stages_read(run: Run) -> None:
    with truth_file(run).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert len({row["subgenre"] for row in rows}) > 15
    catalog = run.catalog.read_text(encoding="utf-8")
    for film in json.loads(catalog)["trailers"]:
        assert set(film) == {"trailer_id", "path", "title", "genres", "year", "text", "parts"}
        assert not film["text"]
        assert not film["parts"]
    assert rows[0]["subgenre"] not in catalog
    records = lance.dataset(f"{run.dataset}/trailers.lance").to_table(columns=["path", "flags", "facts"]).to_pylist()
    assert len({json.dumps(record) for record in records}) == 1


def test_same_seed_same_content(run: Run, tmp_path: Path) -> None:
    assert content(make(tmp_path / "again")) == content(run)
    assert content(make(tmp_path / "other", replace(WANTED, seed=1))) != content(run)


@pytest.mark.usefixtures("small_blocks")
def test_growing_gives_what_one_call_gives(run: Run, tmp_path: Path) -> None:
    grown = make(tmp_path / "run", replace(WANTED, trailers=20))
    done = simulate(grown.folder, WANTED, Settings(), Silent())
    assert (done.n_trailers, done.n_new) == (60, 40)
    assert content(grown) == content(run)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("killed_at", [1, 2, 3, 5])
def test_interrupted_anywhere_it_goes_on(
    run: Run, tmp_path: Path, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = lance.write_dataset, 0

    def dying(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == killed_at:
            raise KeyboardInterrupt
        return write(*args, **kwargs)

    monkeypatch.setattr(lance, "write_dataset", dying)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "run")
    assert not Run(tmp_path / "run").catalog.exists()
    monkeypatch.setattr(lance, "write_dataset", write)
    assert content(make(tmp_path / "run")) == content(run)


def test_other_or_fewer_trailers_are_refused(run: Run, tmp_path: Path) -> None:
    before = content(run)
    with pytest.raises(ConfigError, match=r"difficulty medium, not hard.*another folder"):
        make(run.folder, replace(WANTED, difficulty="hard"))
    with pytest.raises(ConfigError, match="has 60 simulated trailers"):
        make(run.folder, replace(WANTED, trailers=50))
    assert content(run) == before
    assert read_json(simulation.parameters_file(run))["settings"]["trailers"] == 60
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "diary.txt").write_text("mine")
    with pytest.raises(StoreError, match="not a Cinegrain run"):
        make(tmp_path / "taken")


def test_oracle_of_a_run_speaks_of_its_trailers(run: Run) -> None:
    ids = [simulation.trailer_id(i) for i in (3, 40, 7)]
    genres, p = oracle_of(run, ids)
    assert p.shape == (3, len(genres))
    np.testing.assert_allclose(oracle_of(run, ids[1:2])[1][0], p[1], rtol=1e-9)


_PEAK = """
import sys
from pathlib import Path
from cinegrain.config import Settings
from cinegrain.runs.progress import Silent
from simulator.corpus import simulate
from simulator.films import draw_film, scene_vectors
from simulator.settings import SimulateSettings
simulate(Path(sys.argv[1]), SimulateSettings(trailers=int(sys.argv[2]), pooled=True, scale_dimensions=0.02),
         Settings(), Silent())
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_number_of_trailers(tmp_path: Path) -> None:
    def peak_mb(n: int) -> float:
        command = [sys.executable, "-c", _PEAK, str(tmp_path / str(n)), str(n)]
        place = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # the simulator lies in benchmarks/
        return float(subprocess.run(command, check=True, capture_output=True, text=True, env=place).stdout)

    few, many = peak_mb(2_000), peak_mb(20_000)
    # Kept in memory, 18,000 more films, records and rows would be well over 60 MB; a full block of 5,000 is in both
    # or differs by some 20 MB.
    assert many < few + 45, (few, many)
