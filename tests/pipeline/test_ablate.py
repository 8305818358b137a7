"""Retrained ablation: stopped and gone on with, and a mode of noise that is worth nothing."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.pipeline.planted_run import NOISE, planted_run

from cinegrain.errors import ConfigError
from cinegrain.explain.influence import discriminative_influence, expert_influence
from cinegrain.pipeline.learning import ablate as stage
from cinegrain.pipeline.learning.ablate import ablate
from cinegrain.pipeline.learning.ablation_figures import agreement
from cinegrain.pipeline.learning.trained import load_trained
from cinegrain.runs.artifacts import read_json
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted_run(tmp_path_factory.mktemp("planted"), n=240)


def test_killed_without_orphans_and_gone_on_with(run: Run) -> None:
    command = [sys.executable, "-m", "cinegrain", "ablate", str(run.folder), "--seeds", "1", "--workers", "2"]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cells = run.folder / "ablation" / "cells"
    limit = time.monotonic() + 120
    while len(list(cells.glob("[0-9]*.json"))) < 2 and time.monotonic() < limit:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    before = {path: path.stat().st_mtime_ns for path in cells.glob("[0-9]*.json")}
    assert 2 <= len(before) < 7, "it was stopped half-way"
    assert not (run.folder / "ablation" / "ablation.json").exists()
    time.sleep(3)
    assert len(list(cells.glob("[0-9]*.json"))) == len(before), "an orphan went on"
    figures = ablate(run, Silent(), n_seeds=1, workers=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what was finished is not done again"
    assert len(list(cells.glob("[0-9]*.json"))) == 7
    by_modes = {tuple(subset["modes"]): subset["map"] for subset in figures["subsets"]}
    assert len(by_modes) == 7
    everything = by_modes["audio", NOISE, "image"]
    assert by_modes["audio", "image"] > everything - 0.05, "dropping noise does not hurt; 48 test films"
    assert by_modes[(NOISE,)] < by_modes["audio",] - 0.1
    table = [[worth[mode] for mode in figures["modes"]] for worth in figures["retrained_worth"].values()]
    worth = dict(zip(figures["modes"], np.mean(table, axis=0).tolist(), strict=True))
    # AP of noise on 48 films strays by about 0.07 from chance for one genre; its share is a part of that.
    assert abs(worth[NOISE]) < 0.06
    assert min(worth["audio"], worth["image"]) > worth[NOISE] + 0.05
    assert figures["agreement"]["all_pairs"] > 0.4
    for genre, parts in figures["retrained_worth"].items():  # worth adds up to all modes less chance
        gained = figures["subsets"][-1]["ap"][genre] - figures["chance"][genre]
        assert sum(parts.values()) == pytest.approx(gained)
    assert read_json(run.folder / "ablation" / "ablation.json") == figures
    text = (run.folder / "ablation" / "ablation.md").read_text()
    assert "audio+image" in text
    assert "±" not in text, "one training has no deviation"
    assert {subset["map_deviation"] for subset in figures["subsets"]} == {None}
    assert (run.folder / "ablation" / "ablation.html").stat().st_size > 10_000


def test_influence_of_noise_is_zero_within_its_interval(run: Run) -> None:
    trained = load_trained(run)
    test = trained.split.test
    found = discriminative_influence(
        expert_influence(trained.model, trained.data.arrays.batch(test)), trained.data.labels[test]
    )
    noise = trained.data.modes.index(NOISE)
    assert (found.low[noise] < 0).all()
    assert (found.high[noise] > 0).all()
    others = np.delete(np.arange(3), noise)
    assert (found.low[others] > 0).all()


def test_too_many_experts_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "MAX_EXPERTS", 2)
    with pytest.raises(ConfigError, match="at most 2"):
        ablate(run, Silent())


def test_agreement_by_hand() -> None:
    worth = np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])
    assert agreement(worth, worth**3) == {"all_pairs": pytest.approx(1), "within_genres": pytest.approx(1)}
    assert agreement(worth, -worth)["within_genres"] == pytest.approx(-1)
    assert agreement(worth[:1], worth[:1])["within_genres"] is None
