"""8 bits from the command line: refused until made, then nearly the same vectors, and never mixed with others."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.conftest import Cinegrain

from cinegrain.experts import class_names, efficientnet_lite
from cinegrain.experts.weights import fetch
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import Float32
from cinegrain.urls import cache_folder
from cinegrain_demo.corpus import CorpusFiles

EXPERT = efficientnet_lite.IMAGE.name


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with the weights and no graphs, so that other tests keep theirs."""
    cache = tmp_path / "cache"
    (cache / "weights").mkdir(parents=True)
    for file in (efficientnet_lite.CHECKPOINT, class_names.SYNSETS, class_names.LEMMAS):
        found = fetch(file, cache_folder())
        shutil.copy(found, cache / "weights" / found.name)
    monkeypatch.setenv("CINEGRAIN_CACHE", str(cache))
    return cache


def vectors(run: Path) -> Float32:
    dataset = EmbeddingDataset(run / "dataset")
    ids = [record.trailer_id for record in dataset.trailers]
    return np.asarray(dataset.vectors(EXPERT, ids).vectors, np.float32)


def test_quantise_then_extract(corpus: CorpusFiles, cinegrain: Cinegrain, own_cache: Path, tmp_path: Path) -> None:
    run, videos = tmp_path / "run", tmp_path / "films"
    videos.mkdir()
    films = [shutil.copy(film, videos) for film in sorted(corpus.videos.rglob("*.mp4"))[:6]]
    (tmp_path / "films.csv").write_text("file,genres\n" + "".join(f"{Path(film).name},Drama\n" for film in films))
    extract = ("extract", videos, "--catalog", tmp_path / "films.csv", "--out", run, "--extract.experts", EXPERT)
    early = cinegrain(*extract, "--extract.precision", "int8")
    assert early.code == 1
    assert "cinegrain experts quantise" in early.err
    assert cinegrain(*extract, "--json").json["new"] == 6
    exact = vectors(run)
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    done = cinegrain("experts", "quantise", EXPERT, *films, tmp_path / "broken.mp4", "--json")
    assert (done.code, "broken.mp4" in done.err) == (3, True), "the others are enough"
    (note,) = done.json
    assert note["kept"]
    assert note["cosine"][EXPERT] >= 0.99
    assert json.loads(next((own_cache / "graphs").glob("*.int8.json")).read_text())["sha256"] == note["sha256"]
    assert cinegrain(*extract, "--extract.precision", "int8", "--json").json["new"] == 6, "other vectors, other key"
    short = vectors(run)
    cosine = np.sum(exact * short, 1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(short, axis=1)
    assert 0.95 < cosine.min() < 0.99999
    assert cosine.mean() > 0.98
    assert cinegrain(*extract, "--extract.precision", "int8", "--json").json["new"] == 0
    assert cinegrain(*extract, "--extract.precision", "fp32", "--json").json["new"] == 6
    np.testing.assert_array_equal(vectors(run), exact)
