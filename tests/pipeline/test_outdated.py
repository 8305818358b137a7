"""Runs that an earlier version made: read as they are, never mixed with what is made now, and mended by `extract`."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.pipeline.conftest import Cinegrain

from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import FORMAT
from cinegrain_demo.corpus import CorpusFiles

pytestmark = pytest.mark.xdist_group("run")
INFO = Path("dataset") / "dataset.json"


def age(run: Path) -> Path:
    """Makes a run's dataset one of format 1."""
    write_json(run / INFO, {**read_json(run / INFO), "format": 1})
    return run


def vectors(run: Path) -> NDArray[np.float16]:
    dataset = EmbeddingDataset(run / "dataset")
    return dataset.vectors("motion_flow", [record.trailer_id for record in dataset.trailers]).vectors


@pytest.fixture(scope="module")
def old(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return age(shutil.copytree(finished, tmp_path_factory.mktemp("outdated") / "run"))


@pytest.mark.parametrize(
    "command",
    [("predict", "{run}", "{film}"), ("assign", "{run}", "{film}"), ("search", "{run}", "--like", "{film}")],
    ids=lambda command: command[0],
)
def test_no_new_film_is_compared_with_old_vectors(
    old: Path, corpus: CorpusFiles, tmp_path: Path, cinegrain_here: Cinegrain, command: tuple[str, ...]
) -> None:
    film = shutil.copy(sorted(corpus.videos.iterdir())[0], tmp_path / "new.mp4")
    done = cinegrain_here(*(word.format(run=old, film=film) for word in command))
    assert done.code == 2, done.out
    assert "earlier version of Cinegrain" in done.err
    assert "cinegrain run" in done.err


def test_its_own_films_are_still_compared(old: Path, cinegrain_here: Cinegrain) -> None:
    film = EmbeddingDataset(old / "dataset").trailers[0].trailer_id
    done = cinegrain_here("search", old, "--like", film)
    assert done.code == 0, done.err
    assert cinegrain_here("dataset", "info", old).code == 0


def test_datasets_of_two_versions_are_not_merged(
    old: Path, finished: Path, tmp_path: Path, cinegrain_here: Cinegrain
) -> None:
    done = cinegrain_here("dataset", "merge", finished, old, "--out", tmp_path / "both")
    assert done.code == 1
    assert "earlier version" in done.err
    assert not (tmp_path / "both").exists()


def test_extract_says_so_and_computes_them_again(
    corpus: CorpusFiles, tmp_path: Path, cinegrain_here: Cinegrain
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for film in sorted(corpus.videos.iterdir())[:2]:
        shutil.copy(film, videos)
    out = tmp_path / "run"
    catalog = tmp_path / "films.csv"
    catalog.write_text("file\n" + "".join(f"{film.name}\n" for film in sorted(videos.iterdir())))
    command = (
        "extract",
        videos,
        "--catalog",
        catalog,
        "--out",
        out,
        "--extract.experts",
        "motion_flow",
        "--extract.workers",
        1,
    )
    assert cinegrain_here(*command).code == 0
    before = vectors(out)
    age(out)
    done = cinegrain_here(*command)
    assert done.code == 0
    assert "earlier version of Cinegrain" in done.err
    assert EmbeddingDataset(out / "dataset").info.format == FORMAT
    np.testing.assert_array_equal(vectors(out), before)
    again = cinegrain_here(*command)
    assert again.code == 0
    assert "earlier version" not in again.err
