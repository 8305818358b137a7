"""Exported models say what PyTorch says, where PyTorch is not installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from tests.pipeline.conftest import Cinegrain
from tests.pipeline.planted_run import planted_run
from tests.without_extras import WITHOUT_EXTRAS

from cinegrain.errors import ConfigError, StoreError
from cinegrain.explain.influence import expert_influence
from cinegrain.pipeline.export.exported import ExportedModel
from cinegrain.pipeline.export.folder import export_model
from cinegrain.pipeline.learning.trained import load_trained
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain_demo.corpus import CorpusFiles

ASK = (
    WITHOUT_EXTRAS
    + """
import numpy as np
from pathlib import Path
from cinegrain.pipeline.export.exported import ExportedModel
folder, asked, told = map(Path, sys.argv[1:])
arrays = dict(np.load(asked))
present = arrays.pop("present")
model = ExportedModel(folder)
answer = model.genre_answer(arrays, present)
np.savez(told, logits=model.logits(arrays, present), p=answer.probabilities, influence=answer.influence)
"""
)


@pytest.mark.parametrize("fusion", ["gating", "late", "concat"])
def test_equal_to_pytorch_where_it_is_not_installed(tmp_path: Path, fusion: str) -> None:
    run = planted_run(tmp_path, n=80, fusion=fusion)
    trained = load_trained(run)
    export_model(run, tmp_path / "model", Silent())
    rng = np.random.default_rng(0)
    rows, experts = trained.data.everything, trained.model.spec.experts
    present = rng.random((len(rows), len(experts))) < 0.7
    present[0] = False
    batch = trained.data.arrays.batch(rows).keep_experts(
        {name: torch.from_numpy(present[:, i]) for i, name in enumerate(experts)}
    )
    with torch.inference_mode():
        logits = trained.model(batch).double().numpy()
    means = {name: trained.data.arrays.means(name) for name in experts}
    for i, name in enumerate(experts):
        means[name][~present[:, i]] = np.nan  # what stands for an absent mode does not matter
    np.savez(tmp_path / "asked.npz", present=present, **means)  # type: ignore[arg-type]
    subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path / "model"), str(tmp_path / "asked.npz"), str(tmp_path / "told.npz")],
        check=True,
        timeout=120,
    )
    told = np.load(tmp_path / "told.npz")
    np.testing.assert_allclose(told["logits"], logits, atol=1e-4)
    np.testing.assert_allclose(told["p"], trained.calibration.apply_logits(logits), atol=1e-4)
    expected = trained.calibration.scale(expert_influence(trained.model, batch).values)
    np.testing.assert_allclose(told["influence"], expected, atol=1e-4)
    assert (told["influence"][~present] == 0).all()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    export_model(planted_run(folder, n=80), folder / "model", Silent())
    return folder / "model"


def test_readable_and_never_over_anything_else(model: Path, tmp_path: Path) -> None:
    card = json.loads((model / "model.json").read_text())
    assert card["genres"] == ["Comedy", "Horror", "War"]
    assert len(card["thresholds"]) == 3
    readme = (model / "README.md").read_text()
    assert "as given" in readme, "the licence of the vectors"
    assert "macro mAP" in readme
    run = Run.open(model.parent / "run")
    export_model(run, model, Silent())  # over an earlier export
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="Choose an empty"):
        export_model(run, tmp_path, Silent())
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_vectors_of_unknown_experts_are_refused_for_videos(model: Path) -> None:
    with pytest.raises(ConfigError, match="no such expert is installed"):
        ExportedModel(model).answer(Path("film.mp4"))


@pytest.mark.parametrize("what", ["operator", "reference", "rubbish", "card", "gone"])
def test_a_strangers_graph_is_not_trusted(model: Path, tmp_path: Path, what: str) -> None:
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    graph = tmp_path / "model.onnx"
    loaded = onnx.load(graph)
    if what == "operator":
        loaded.graph.node.append(helper.make_node("Loop", ["logits"], ["more"]))
        graph.write_bytes(loaded.SerializeToString())
    elif what == "reference":
        tensor = loaded.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
        graph.write_bytes(loaded.SerializeToString())
    elif what == "rubbish":
        graph.write_bytes(b"rubbish")
    elif what == "card":
        (tmp_path / "model.json").write_text('{"format": 1}')
    else:
        graph.unlink()
    with pytest.raises(StoreError, match="does not need" if what in ("operator", "reference") else "again|missing"):
        ExportedModel(tmp_path)


@pytest.mark.xdist_group("run")
def test_a_real_film_gets_one_answer_with_and_without_pytorch(
    finished: Path, corpus: CorpusFiles, cinegrain: Cinegrain, tmp_path: Path
) -> None:
    done = cinegrain("export", finished, "--out", tmp_path / "model")
    assert done.code == 0, done.err
    film = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    film.write_bytes(sorted(corpus.videos.glob("*.mp4"))[0].read_bytes())
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    whole = cinegrain("predict", finished, film, "--json")
    assert whole.code == 0, whole.err
    out = tmp_path / "out.json"
    code = WITHOUT_EXTRAS + "sys.argv[0] = 'cinegrain'; from cinegrain.cli.main import main; main()"
    asked: list[str | bytes] = ["predict", str(tmp_path / "model"), os.fsencode(tmp_path), "--out", str(out)]
    light = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, timeout=200)
    assert light.returncode == 3, light.stderr.decode()
    assert b"broken.mp4" in light.stderr
    (a,), (b,) = whole.json, json.loads(out.read_text())
    assert a["path"] == b["path"]
    assert b["path"].startswith("file://")
    assert (a["sure"], a["unsure_because"]) == (b["sure"], b["unsure_because"])
    assert a["strangeness"]["score"] == pytest.approx(b["strangeness"]["score"], abs=1e-4)
    mine, other = ({g["name"]: g for g in answer["genres"]} for answer in (a, b))
    for name, genre in mine.items():
        assert other[name]["probability"] == pytest.approx(genre["probability"], abs=1e-4)
        assert other[name]["decided"] == genre["decided"]
        assert other[name]["influence"] == pytest.approx(genre["influence"], abs=1e-4)
