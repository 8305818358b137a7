"""A dataset at an address that Lance does not know, cut off at every single request."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tests.store.test_dataset import CARDS, embeddings, record, rows

from cinegrain.errors import StoreError
from cinegrain.places import CACHE_VARIABLE, cache_folder
from cinegrain.store.mirror import mirror_of
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import Url

PLACE = Url("memory://archive/set")
NAMES = ("one", "it's", "ünï 🎬")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    mirror_of.cache_clear()
    yield
    mirror_of.cache_clear()
    fsspec.filesystem("memory").store.clear()


def restart(*, elsewhere: bool = False) -> None:
    """What a new process sees, on this machine or on another one."""
    mirror_of.cache_clear()
    if elsewhere:
        shutil.rmtree(cache_folder(), ignore_errors=True)


def write(names: tuple[str, ...] = NAMES) -> None:
    writer = DatasetWriter(PLACE, cards=CARDS, settings={"fps": 1})
    for i, name in enumerate(names):
        if name not in writer.records:
            writer.append(record(name), rows(), embeddings(i))
    writer.compact()


def contents() -> tuple[Any, ...]:
    dataset = EmbeddingDataset(PLACE)
    return (
        dataset.trailers,
        dataset.vectors("a", NAMES).vectors.tolist(),
        dataset.vectors("b", NAMES).offsets.tolist(),
        [dataset.scenes(name) for name in NAMES],
    )


def test_what_goes_in_comes_out_on_another_machine() -> None:
    write()
    here = contents()
    assert len(here[0]) == len(NAMES)
    restart(elsewhere=True)
    assert contents() == here
    names = fsspec.filesystem("memory").find("/archive/set")
    assert not [name for name in names if name.endswith((".part", ".unsent"))]
    assert len([name for name in names if "/_versions/" in name]) == 3, "compacting takes old versions away there too"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_cut_off_at_any_request_it_is_whole_and_goes_on(monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool) -> None:
    write()
    expected = contents()
    n_cuts, left = 0, 10**9

    def counted(name: str) -> Any:
        real = getattr(MemoryFileSystem, name)

        def request(self: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                if name == "put_file":  # half of it has gone out
                    self.pipe_file(args[1], Path(args[0]).read_bytes()[:50])
                raise ConnectionError("cut off")
            return real(self, *args, **kwargs)

        return request

    for name in ("put_file", "mv", "rm_file"):
        monkeypatch.setattr(MemoryFileSystem, name, counted(name))
    while True:
        fsspec.filesystem("memory").store.clear()
        restart(elsewhere=True)
        left = n_cuts
        with suppress(StoreError):
            write()
        if left >= 0:
            break
        left = 10**9
        restart(elsewhere=elsewhere)
        if fsspec.filesystem("memory").exists("/archive/set/dataset.json"):
            found = EmbeddingDataset(PLACE).trailers
            assert {trailer.trailer_id for trailer in found} <= set(NAMES)
            for trailer in found:
                assert EmbeddingDataset(PLACE).scenes(trailer.trailer_id) == rows()
        write()
        assert contents() == expected
        there = {name.removeprefix("/archive/set/") for name in fsspec.filesystem("memory").find("/archive/set")}
        home = mirror_of(PLACE).home
        here = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
        assert there == {name for name in here if not name.endswith("latest_version_hint.json")}
        n_cuts += 1
    assert n_cuts > 50


def test_the_description_survives_a_cut_between_setting_it_aside_and_renaming(monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    expected = contents()
    real, calls = MemoryFileSystem.mv, iter([True])

    def once(self: Any, *args: Any) -> Any:
        if next(calls, False):
            return real(self, *args)
        raise ConnectionError("cut off")

    monkeypatch.setattr(MemoryFileSystem, "mv", once)
    with pytest.raises(StoreError, match=r"memory://archive/set cannot be used: ConnectionError: cut off"):
        DatasetWriter(PLACE, cards=CARDS, settings={"fps": 2})
    monkeypatch.setattr(MemoryFileSystem, "mv", real)
    assert not fsspec.filesystem("memory").exists("/archive/set/dataset.json")
    restart(elsewhere=True)
    assert contents() == expected


def test_other_files_at_the_address_are_neither_fetched_nor_taken_away(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    foreign = ("holiday.jpg", "notes/a.part", "trailers.lance/../../../../../escaped", "trailers.lance/a\\..\\b")
    for name in foreign:
        files.store[f"/archive/set/{name}"] = files.open("/scratch", "wb")
    write()
    restart(elsewhere=True)
    assert len(EmbeddingDataset(PLACE).trailers) == len(NAMES)
    write()
    assert all(f"/archive/set/{name}" in files.store for name in foreign)
    assert not list(tmp_path.rglob("*escaped*"))
    assert not (mirror_of(PLACE).home / "holiday.jpg").exists()
