"""The stage: from a run folder on disk to report.html."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cinegrain.errors import StoreError
from cinegrain.pipeline.report import make_report
from cinegrain.report.data import Artifacts
from cinegrain.results import from_json
from cinegrain.runs.artifacts import write_csv, write_json
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import OnStep
from cinegrain.store.schema import SceneRow, StoredExpert, TrailerRecord
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import SceneEmbedding

from .conftest import Page, artifacts


class Steps:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[OnStep]:
        assert title == "Report"
        yield lambda done, total, line: self.steps.append((done, total))

    def say(self, line: str) -> None:
        pass


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The made-up run, on disk; film 2 has no picture, the others have a small one and a large one."""
    given: Artifacts = artifacts()
    run = Run.open(tmp_path / "run", create=True)
    write_json(run.metrics, given.metrics)
    write_json(run.atlas, given.atlas)
    write_json(run.trailers, given.trailers)
    write_json(run.catalog, {"trailers": [], "notes": given.notes})
    columns = ("trailer_id", "path", "reason", "size_bytes", "modified_ns")
    row = dict(zip(columns, ("broken-1", "/secret/place/broken.mp4", "no pictures in it", 1, 2), strict=True))
    write_csv(run.failures, columns, [row])
    writer = DatasetWriter(run.dataset, experts=from_json(list[StoredExpert], given.experts), settings={})
    for i, film in enumerate(given.trailers):
        record = TrailerRecord(film["trailer_id"], "/secret/place/film.mp4", "0" * 64, 1, 2, 60.0, 3, (), ())
        pictures = [None] * 3 if i == 2 else [b"tiny", b"the largest of the three " + str(i).encode(), b"middling"]
        scenes = [SceneRow(s, float(s), s + 1.0, picture) for s, picture in enumerate(pictures)]
        writer.append(record, scenes, {"audio_expert": [SceneEmbedding(np.zeros(4, np.float32))] * 3})
    return run


def test_pages_made_before_are_linked_and_others_are_not(run: Run) -> None:
    (run.folder / "evaluation").mkdir()
    (run.folder / "evaluation" / "evaluation.html").write_text("made before")
    make_report(run, Steps())
    html = run.report.read_text(encoding="utf-8")
    assert 'href="evaluation/evaluation.html"' in html
    assert "ablation.html" not in html


def test_report_is_made_from_the_folder(run: Run) -> None:
    watcher = Steps()
    make_report(run, watcher)
    html = run.report.read_text(encoding="utf-8")
    page = Page(html)
    assert "2 sub-genres in 4 trailers" in page.text
    assert "broken.mp4" in page.text
    assert "/secret" not in html
    assert watcher.steps == [(1, 5), (2, 5), (3, 5), (4, 5), (4, 5), (5, 5)]


def test_the_most_telling_picture_is_taken(run: Run) -> None:
    make_report(run, Steps())
    pictures = [base64.b64decode(a["src"].split(",")[1]) for a in Page(run.report.read_text("utf-8")).all("img")]
    assert pictures == [f"the largest of the three {i}".encode() for i in (0, 1, 3)]


def test_again_gives_the_same_bytes(run: Run) -> None:
    make_report(run, Steps())
    first = run.report.read_bytes()
    make_report(run, Steps())
    assert run.report.read_bytes() == first


def test_recovery_is_read_where_it_is(run: Run) -> None:
    found = {"method": "k-means", "n_clusters": 2, "k": "chosen", "ari": 0.5, "nmi": 0.5, "accuracy": 0.5}
    write_json(run.folder / "recovery.json", [found])
    make_report(run, Steps())
    assert "planted sub-genres" in Page(run.report.read_text("utf-8")).text


def test_an_unfinished_run_is_said_to_be_that(run: Run) -> None:
    run.atlas.unlink()
    with pytest.raises(StoreError, match=r"atlas\.json is missing"):
        make_report(run, Steps())
    assert not run.report.exists()
