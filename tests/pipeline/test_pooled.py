import errno
import os
from pathlib import Path

import numpy as np
import pytest

from cinegrain.config import Settings
from cinegrain.errors import StoreError
from cinegrain.pipeline.learning.pooled import mapped_arrays
from cinegrain.pipeline.learning.train import load_data
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.store import pool
from cinegrain.types import MODALITIES
from simulator.corpus import expert_name, simulate
from simulator.settings import SimulateSettings

EXPERTS = [expert_name(mode) for mode in MODALITIES]


@pytest.mark.parametrize("pooled", [False, True])
def test_mapped_arrays_are_the_means_of_the_scenes_in_any_order(
    tmp_path: Path, pooled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ROWS_PER_BATCH", 100)  # so that trailers are cut across batches
    wanted = SimulateSettings(trailers=50, scale_dimensions=0.02, missing=0.3, pooled=pooled)
    simulate(tmp_path / "run", wanted, Settings(), Silent())
    run = Run(tmp_path / "run")
    data = load_data(run, load_matched(run.catalog).trailers, EXPERTS)
    expected = {name: data.arrays.means(name) for name in EXPERTS}
    chosen = np.random.default_rng(0).permutation(50)[:40]
    arrays = mapped_arrays(run, [data.trailers[i].trailer_id for i in chosen], EXPERTS, key="40")
    for name in EXPERTS:
        assert isinstance(arrays.experts[name].vectors, np.memmap)
        # float16 rows are stored as they are; means of several are float32.
        np.testing.assert_allclose(arrays.means(name), expected[name][chosen], rtol=1e-5, atol=1e-6)
        assert np.isnan(arrays.means(name)).any(), "some trailers lack the mode"
    assert arrays.pooled() is arrays
    stamp = (run.folder / "pooled" / f"{EXPERTS[0]}.npy").stat().st_mtime_ns
    mapped_arrays(run, [data.trailers[i].trailer_id for i in chosen], EXPERTS, key="40")
    assert (run.folder / "pooled" / f"{EXPERTS[0]}.npy").stat().st_mtime_ns == stamp, "not pooled again"
    (run.folder / "pooled" / f"{EXPERTS[0]}.present").unlink()
    again = mapped_arrays(run, [data.trailers[i].trailer_id for i in chosen], EXPERTS, key="40")
    np.testing.assert_array_equal(again.means(EXPERTS[0]), arrays.means(EXPERTS[0]))
    other = mapped_arrays(run, [data.trailers[i].trailer_id for i in chosen[:9]], EXPERTS, key="9")
    assert len(other.means(EXPERTS[0])) == 9


def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(tmp_path / "run", SimulateSettings(trailers=20, scale_dimensions=0.02), Settings(), Silent())
    run = Run(tmp_path / "run")
    data = load_data(run, load_matched(run.catalog).trailers, EXPERTS)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StoreError, match="No space left on device"):
        data.arrays.pooled()
    assert not list((run.folder / "pooled").iterdir())
    monkeypatch.undo()
    assert not np.isnan(data.arrays.means(EXPERTS[0])).all()


def test_other_films_are_pooled_anew(tmp_path: Path) -> None:
    simulate(tmp_path / "run", SimulateSettings(trailers=20, scale_dimensions=0.02), Settings(), Silent())
    run = Run(tmp_path / "run")
    films = load_matched(run.catalog).trailers
    first = load_data(run, films, EXPERTS).arrays.means(EXPERTS[0])
    fewer = load_data(run, films[5:], EXPERTS).arrays.means(EXPERTS[0])
    np.testing.assert_array_equal(fewer, first[5:])
    again = load_data(run, films, EXPERTS).arrays.means(EXPERTS[0])
    np.testing.assert_array_equal(again, first)
