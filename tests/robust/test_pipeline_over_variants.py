"""A folder of broken and odd files through the real stage: processes, dataset, failures.csv."""

import csv
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import lance
import numpy as np
import pytest
from tests.robust.variants import Variant, all_variants, whole

from cinegrain.config import Settings
from cinegrain.experts.motion_flow import CARD
from cinegrain.media.files import find_videos, path_text, text_path
from cinegrain.pipeline.extraction.extract import ExtractSummary, extract
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import MediaSettings
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import Trailer

pytestmark = [pytest.mark.xdist_group("robust"), pytest.mark.timeout(300)]
DAMAGED = ("cut short", "bit rot", "holes")
NAMES = (
    b" two  spaces .mp4",
    "émoji 🎬👩‍🚀 und Übung.mp4".encode(),
    b"line\nbreak.mp4",
    b"carriage\rreturn.mp4",
    b"tab\tand \x1b[31mred.mp4",
    b"\"quotes\", 'commas'; semicolons.mp4",
    b"=1+1 | 100%41.mp4",
    b"-rf.mp4",
    b"concat:a|b.mp4",
    "مرحبا‏ ‮4pm.mp4".encode(),
    b"latin \xe9\xff.mp4",
    b"latin %E9%FF.mp4",
    b"x" * 240 + b".mp4",
)
"""Names of whole films; two differ only in whether bytes or percent signs are in them."""


def chosen() -> list[Variant]:
    """A quarter of the damaged films and all the others but the slow ones."""
    damaged = [variant for variant in all_variants() if variant.family in DAMAGED]
    others = [variant for variant in all_variants() if variant.family not in DAMAGED]
    return damaged[::5] + others


@pytest.fixture(scope="module")
def trailers(variant_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Trailer]:
    folder = tmp_path_factory.mktemp("names")
    paths = [variant_folder / variant.name for variant in chosen()]
    for name in NAMES:
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.write_bytes(whole("mp4"))
        paths.append(path)
    broken = Path(os.fsdecode(os.fsencode(folder) + b"/broken \xff\xfe\n, really.mp4"))
    broken.write_bytes(whole("mp4")[:500])
    return [Trailer(f"t{i:03} {path.suffix}", path, "") for i, path in enumerate([*paths, broken])]


def run_stage(run: Run, trailers: list[Trailer]) -> ExtractSummary:
    settings = Settings()
    settings = replace(
        settings,
        media=MediaSettings(time_limit_s=60),
        extract=replace(settings.extract, experts=CARD.name, workers=2),
    )
    return extract(run, trailers, settings, Silent())


def check_dataset(run: Run, trailers: list[Trailer]) -> None:
    """Nothing poisoned, nothing doubled."""
    dataset = EmbeddingDataset(run.dataset)
    ids = [record.trailer_id for record in dataset.trailers]
    assert len(set(ids)) == len(ids)
    paths = {trailer.trailer_id: trailer.path for trailer in trailers}
    found = dataset.vectors(CARD.name, ids)
    assert found.vectors.shape[1] == CARD.dimension
    assert np.isfinite(found.vectors).all()
    rows = lance.dataset(f"{run.dataset}/scenes.lance").to_table(columns=["trailer_id"])["trailer_id"].to_pylist()
    assert sorted(set(rows)) == sorted(ids), "no scenes without a trailer"
    assert len(rows) == sum(record.n_scenes for record in dataset.trailers)
    for i, record in enumerate(dataset.trailers):
        scenes = dataset.scenes(record.trailer_id)
        assert [scene.scene for scene in scenes] == list(range(record.n_scenes))
        assert scenes[0].start_s == 0
        assert scenes[-1].end_s == record.duration_s
        assert all(a.end_s == b.start_s for a, b in pairwise(scenes))
        own = found.scenes[found.offsets[i] : found.offsets[i + 1]].tolist()
        assert len(own) >= 1
        assert own == sorted(set(own))
        assert set(own) <= set(range(record.n_scenes))
        assert text_path(record.path) == paths[record.trailer_id]
        assert tuple(json.loads(record.facts)["flags"]) == record.flags


def test_every_file_ends_in_vectors_or_in_one_failure(
    trailers: list[Trailer], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    run = Run(tmp_path / "run")
    began_s = time.monotonic()
    summary = run_stage(run, trailers)
    took_s = time.monotonic() - began_s
    check_dataset(run, trailers)
    embedded = {record.trailer_id for record in EmbeddingDataset(run.dataset).trailers}
    rows = list(csv.DictReader(run.failures.read_text(encoding="utf-8-sig").splitlines()))
    failed = [row["trailer_id"] for row in rows]
    assert len(set(failed)) == len(failed) == len(summary.failures)
    assert sorted(embedded | set(failed)) == sorted(trailer.trailer_id for trailer in trailers)
    assert not embedded & set(failed)
    table = {
        "variants": len(trailers),
        "embedded": len(embedded),
        "failures": len(failed),
        "crashes": sum("died" in row["reason"] or "unexpected" in row["reason"] for row in rows),
        "hangs": sum("took longer" in row["reason"] or "within 60 s" in row["reason"] for row in rows),
    }
    record_property("pipeline", json.dumps(table))
    print(f"through the pipeline: {table} in {took_s:.0f} s")
    assert table["crashes"] == table["hangs"] == 0, [row for row in rows if "died" in row["reason"]]
    assert len(trailers) >= 60
    by_id = {trailer.trailer_id: trailer for trailer in trailers}
    for row in rows:
        path = by_id[row["trailer_id"]].path
        assert text_path(row["path"]) == path
        assert "\n" not in row["reason"]
        assert "Errno" not in row["reason"]
        assert len(row["reason"]) > 40
    names = {os.fsencode(Path(by_id[name].path).name) for name in embedded}
    assert names >= set(NAMES), "every whole film is read, whatever its name"

    again = run_stage(run, trailers)
    assert (again.n_new, again.n_done) == (0, len(embedded)), "the same command has nothing left to do"
    assert {row.trailer_id for row in again.failures} == set(failed)
    check_dataset(run, trailers)


def test_a_folder_of_all_that_is_walked_once(trailers: list[Trailer]) -> None:
    folder = Path(trailers[-1].path).parent
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.mp4")
    found = find_videos(folder)
    assert sorted(found) == sorted(path for trailer in trailers if (path := Path(trailer.path)).parent == folder)


@pytest.mark.parametrize("name", NAMES)
def test_paths_as_text_can_be_had_back(name: bytes) -> None:
    path = Path(os.fsdecode(b"/films/" + name))
    text = path_text(path)
    assert text_path(text) == path
    assert text.isprintable() or not any(character < " " for character in text)
    assert text.encode("utf-8").decode("utf-8") == text
