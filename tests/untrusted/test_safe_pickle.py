import collections
import contextlib
import pickle
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.untrusted import hostile

from cinegrain.errors import DataError, UnsafeFileError
from cinegrain.readers.choose import open_vectors
from cinegrain.untrusted import safe_pickle
from cinegrain.untrusted.safe_npz import read_npz
from cinegrain.untrusted.safe_pickle import ArrayShell, pickles
from cinegrain.untrusted.safe_tensor import TENSOR_PICKLE_NAMES, load_tensor, load_tensors

CANARIES = tuple(hostile.canary_pickles(Path("canary")))
BOMBS = tuple(hostile.memory_pickles())


def plain(value: Any) -> Any:
    if isinstance(value, ArrayShell):
        assert value.array is not None
        return value.array.tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return type(value)(map(plain, value)) if isinstance(value, list | tuple) else value


def one(path: Path) -> Any:
    ((_, found),) = pickles(path, TENSOR_PICKLE_NAMES)
    return plain(found)


@pytest.mark.parametrize("name", CANARIES)
def test_nothing_that_a_pickle_asks_for_is_ever_run(tmp_path: Path, name: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / "x.pkl"
    path.write_bytes(hostile.canary_pickles(canary)[name])
    for form in ("mmx", "auto"):
        with pytest.raises(DataError, match=r"x\.pkl"):
            open_vectors(path, None, form=form)
    assert not canary.exists()


def test_the_canary_would_have_sung(tmp_path: Path) -> None:
    """The same bytes do run when they are trusted: the test above can fail."""
    for name in ("os.system", "builtins.eval", "INST opcode", "nested in a record"):
        canary = tmp_path / name.replace(" ", "_")
        pickle.loads(hostile.canary_pickles(canary)[name])
        assert canary.exists()


def test_the_refusal_names_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(hostile.canary_pickles(tmp_path / "canary")["os.system"])
    with pytest.raises(UnsafeFileError, match=r"byte 0.*posix\.system.*could run code.*only arrays"):
        list(pickles(path))


@pytest.mark.parametrize("name", BOMBS)
def test_memory_and_depth_are_bounded(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "too many steps":
        monkeypatch.setattr(safe_pickle, "MAX_OPCODES", 10_000)  # the real bound takes half a minute to reach
    path = tmp_path / "x.pkl"
    path.write_bytes(hostile.memory_pickles()[name])
    if not name.startswith("array"):  # all others are refused by the walk, before the loader sees them
        monkeypatch.setattr(safe_pickle, "RestrictedUnpickler", lambda *_: pytest.fail("was handed to the loader"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = r"x\.pkl.*claims .* bytes and brings 8" if name == "array claims terabytes" else r"x\.pkl"
    with pytest.raises(UnsafeFileError, match=message):
        list(pickles(path))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 300_000, "kibibytes; the files claim terabytes"


def test_an_array_that_claims_terabytes_when_made_gets_none(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(hostile.lazy_array(1 << 42))
    ((_, found),) = pickles(path)
    assert isinstance(found, ArrayShell)
    assert found.array is None


def test_a_pickle_may_share_its_parts_without_growing(tmp_path: Path) -> None:
    """Lists that hold one list ten times over, fifty deep, are 10^50 leaves and a few hundred bytes."""
    value: list[Any] = []
    for _ in range(50):
        value = [value] * 10
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"path": "a", "label": value, "scenes": {"0": {"0": {"img-embeddings": value}}}}))
    found = open_vectors(path, None, form="mmx")
    assert [film.experts for film in found.read()] == [{}]


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_of_every_protocol_come_through(tmp_path: Path, protocol: int) -> None:
    value: dict[str, Any] = {
        "f": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.array([1, 2], dtype=">i4"),
        "empty": np.zeros((0, 4), np.float16),
        "bool": np.array([True]),
        "scalar": np.float64(2.5),
        "plain": [1, "é", b"\xff", None, True, (1, 2), {"a"}, -(2**70)],
        "ordered": collections.OrderedDict(a=1),
        "default": collections.defaultdict(list, {"x": [1]}),
        "path": Path("/a/b c.pt"),
    }
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    found = one(path)
    for name in ("f", "fortran", "big", "empty", "bool"):
        assert found[name] == value[name].tolist()
    assert found["scalar"] == 2.5
    assert found["plain"] == value["plain"]
    assert (found["ordered"], found["default"], found["path"]) == ({"a": 1}, {"x": [1]}, "/a/b c.pt")


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 10_000), flip=st.integers(0, 10_000), to=st.integers(0, 255))
def test_damaged_streams_end_in_our_error_or_in_data(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, to: int
) -> None:
    record = {"path": "/a.mp4", "label": (["Drama"], 2000), "scenes": {"0": {"0": {"img-embeddings": np.ones(9)}}}}
    data = bytearray(pickle.dumps(record) * 2)
    data[flip % len(data)] = to
    path = tmp_path_factory.mktemp("cut") / "x.pkl"
    path.write_bytes(bytes(data[: cut % (len(data) + 1)]))
    with contextlib.suppress(DataError):  # any other error fails the test
        list(open_vectors(path, None, form="mmx").read())


def test_a_cut_stream_is_refused_where_it_was_cut(tmp_path: Path) -> None:
    data = pickle.dumps({"path": "a", "scenes": {}})
    path = tmp_path / "x.pkl"
    path.write_bytes(data + data[:-3])
    with pytest.raises(UnsafeFileError, match=f"byte {len(data)}.*incomplete"):
        list(pickles(path))
    path.write_bytes(b"")
    with pytest.raises(UnsafeFileError, match="empty"):
        list(pickles(path))


def test_a_pipe_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from cinegrain.untrusted.safe_pickle import pickles;"
        "p = Path(sys.argv[1]); os.mkfifo(p); next(pickles(p))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "pipe")], capture_output=True, text=True, timeout=60
    )
    assert "There is no file at" in done.stderr


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_tensor_files_of_both_kinds(tmp_path: Path, dtype: torch.dtype, legacy: bool) -> None:
    tensor = (torch.arange(12).reshape(3, 4) / 2).to(dtype)
    views = {"whole": tensor, "turned": tensor.T, "row": tensor[1], "one": tensor[1:2, None]}
    views["repeated"] = tensor[0].expand(5, 4)
    for name, value in views.items():
        torch.save(value, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
        np.testing.assert_array_equal(load_tensor(tmp_path / "x.pt"), value.float().numpy(), err_msg=name)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_state_dict_is_what_pytorch_reads(tmp_path: Path, legacy: bool) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    network[0].bias = network[1].bias  # one storage for two
    path = tmp_path / "x.pth"
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, path, _use_new_zipfile_serialization=not legacy)
    found, expected = load_tensors(path), torch.load(path, weights_only=True)
    assert found["epoch"] == 3
    assert list(found["state_dict"]) == list(expected["state_dict"])
    for name, tensor in expected["state_dict"].items():
        np.testing.assert_array_equal(found["state_dict"][name], tensor.numpy(), strict=True)


def test_an_old_file_that_is_cut_short_or_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.arange(4.0), "b": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    for end in range(0, len(data), 7):
        path.write_bytes(data[:end])
        with pytest.raises(UnsafeFileError):
            load_tensors(path)
    keys = pickle.dumps([], protocol=2)
    start = data.index(b"\x80\x02]q\x00(X")
    end = data.index(b".", start) + 1
    path.write_bytes(data[:start] + keys + data[end:])
    with pytest.raises(UnsafeFileError, match="other numbers than its tensors need"):
        load_tensors(path)


def test_tensors_inside_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"path": "a", "scenes": {"0": {"0": {"img-embeddings": torch.arange(4.0)}}}}))
    (film,) = open_vectors(path, None).read()
    assert film.experts["image"].vectors.tolist() == [[0, 1, 2, 3]]


def test_hostile_tensor_files(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "x.pt"
    evil = hostile.canary_pickles(canary)
    good = tmp_path / "good.pt"
    torch.save(torch.arange(4.0), good)
    for name, data in (("os.system", evil["os.system"]), ("bytearray", b"cbuiltins\nbytearray\n(I99999999999\ntR.")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", data)
        with pytest.raises(UnsafeFileError, match="asks for"):
            load_tensor(path)
        torch.save(torch.arange(4.0), path, _use_new_zipfile_serialization=False)
        path.write_bytes(data)
        with pytest.raises(UnsafeFileError), pytest.MonkeyPatch.context():
            load_tensor(path)
        assert not canary.exists(), name
    with zipfile.ZipFile(good) as archive, zipfile.ZipFile(path, "w") as changed:  # claims more than it stores
        for member in archive.infolist():
            data = archive.read(member)
            changed.writestr(member, data[:8] if "/data/0" in member.filename else data)
    with pytest.raises(UnsafeFileError, match="claims 4 numbers where 2 are stored"):
        load_tensor(path)
    torch.save(torch.zeros(1).expand(1 << 29), path)
    with pytest.raises(UnsafeFileError, match="536,870,912 numbers over a storage of 1"):
        load_tensor(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as changed:
        changed.writestr("archive/data.pkl", b"N.")
    with pytest.raises(UnsafeFileError, match="compressed"):
        load_tensor(path)


def test_an_old_tensor_file_that_declares_terabytes(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(torch.zeros(77777), path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    small = struct.pack("<i", 77777)
    assert data.count(b"J" + small) >= 2
    path.write_bytes(data.replace(b"J" + small, b"J" + struct.pack("<i", 0x7FFFFFF0)))
    with pytest.raises(UnsafeFileError, match="declares sizes"):
        load_tensor(path)


def test_npz_bombs_and_lies(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    hostile.zip_bomb(path, mebibytes=128)
    assert path.stat().st_size < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnsafeFileError, match=r"x\.npz would unpack .* bomb"):
        read_npz(path)
    hostile.npz_with(path, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}, b"x" * 64)
    with pytest.raises(UnsafeFileError, match="claims shape"):
        read_npz(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    np.savez(path, ids=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UnsafeFileError, match="could run code"):
        read_npz(path)
    np.savez(path, ids=np.arange(1000))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UnsafeFileError, match="not a complete"):
        read_npz(path)
    path.write_bytes(b"PK no zip")
    with pytest.raises(UnsafeFileError, match="not a complete"):
        read_npz(path)
