"""What `cinegrain evaluate` writes, against the same computed again."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score
from tests.pipeline.planted_run import planted_run
from typer.testing import CliRunner

from cinegrain.cli.main import app
from cinegrain.pipeline.learning.evaluate import evaluate
from cinegrain.pipeline.learning.trained import load_trained
from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted_run(tmp_path_factory.mktemp("planted"))


def test_figures_are_those_of_the_test_films_at_thresholds_from_validation(run: Run) -> None:
    figures = evaluate(run, Silent())
    trained = load_trained(run)
    test, card = trained.split.test, read_json(run.coarse / "model.json")
    raw = trained.raw(test)
    logits = np.log(raw) - np.log1p(-raw)
    slopes, offsets = (np.array(card["calibration"][key]) for key in ("slopes", "offsets"))
    p = 1 / (1 + np.exp(-(logits * slopes + offsets)))
    truth = trained.data.labels[test]
    assert figures["map_macro"] == pytest.approx(average_precision_score(truth, p, average="macro"), abs=1e-6)
    assert figures["map_macro"] > 0.75, "chance is about 0.43"
    decided = p >= np.array(card["thresholds"])
    assert figures["f1_weighted"] == pytest.approx(f1_score(truth, decided, average="weighted"))
    assert figures["calibration"]["calibrated"]["ece"] < figures["calibration"]["uncalibrated"]["ece"] + 0.03
    for genre in figures["genres"]:
        assert genre["intervals"]["ap"][0] <= genre["ap"] <= genre["intervals"]["ap"][1]
    wrong = [
        (trained.data.trailers[test[i]].trailer_id, trained.data.genres[j]) for i, j in np.argwhere(decided != truth)
    ]
    found = [(m["trailer_id"], m["genre"]) for m in figures["mistakes"]]
    assert set(found) <= set(wrong)
    assert len(found) == min(24, len(wrong))


def test_everything_is_written_and_titles_cannot_act(run: Run) -> None:
    figures = evaluate(run, Silent(), n_mistakes=5)
    folder = run.folder / "evaluation"
    assert read_json(folder / "evaluation.json") == json.loads(json.dumps(figures))
    html, markdown = ((folder / f"evaluation.{end}").read_text() for end in ("html", "md"))
    title = figures["mistakes"][0]["title"]
    assert title.startswith("Film <")
    assert title not in html.replace("\\u003c", "")
    assert title.replace("<", "&lt;").replace(">", "&gt;") in html
    assert "made from vectors computed elsewhere" in markdown
    assert "<" not in markdown.replace("&lt;", "")
    with (folder / "genres.csv").open(encoding="utf-8-sig") as file:
        rows = {row["genre"]: row for row in csv.DictReader(file)}
    for genre in figures["genres"]:
        assert float(rows[genre["genre"]]["ap"]) == genre["ap"]
    with (folder / "confusion.csv").open(encoding="utf-8-sig") as file:
        counts = [[int(row[g]) for g in figures["confusion"]["genres"]] for row in csv.DictReader(file)]
    assert counts == figures["confusion"]["counts"]


def test_a_genre_without_a_test_film_is_left_out_and_said_so(tmp_path: Path) -> None:
    run = planted_run(tmp_path, n=90)
    trained = load_trained(run)
    card = read_json(run.coarse / "model.json")
    war = trained.data.labels[:, 2]
    ids = trained.data.trailer_ids
    without = [t for t in card["split"]["test"] if not war[ids.index(t)]]
    write_json(run.coarse / "model.json", {**card, "split": {**card["split"], "test": without}})
    done = CliRunner().invoke(app, ["evaluate", str(run.folder)])
    assert done.exit_code == 0
    assert "No test film has War" in done.output
    figures = read_json(run.folder / "evaluation" / "evaluation.json")
    assert figures["left_out"] == ["War"]
    aps = [g["ap"] for g in figures["genres"]]
    assert aps[2] is None
    assert figures["map_macro"] == pytest.approx(np.mean(aps[:2]))


def test_shuffled_labels_fall_to_chance(tmp_path: Path) -> None:
    figures = evaluate(planted_run(tmp_path, shuffled=True, n=300), Silent())
    assert figures["map_macro"] < figures["map_chance"] + 0.15, "60 test films: a deviation of about 0.05"
