"""Checkpoints in TensorFlow's format, written here by hand: whole ones, damaged ones and hostile ones."""

import contextlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinegrain.errors import WeightsError
from cinegrain.experts.tensor_bundle import read_tensor_bundle

FLOAT, INT64 = 1, 9
Item = tuple[bytes, bytes]


def crc32c(content: bytes) -> int:
    """Bit by bit: the remainder of the reflected polynomial 0x1EDC6F41."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    return b"".join(
        varint(n << 3) + varint(v) if isinstance(v, int) else varint(n << 3 | 2) + varint(len(v)) + v for n, v in fields
    )


def block(items: Sequence[Item], *, kind: int = 0) -> bytes:
    content, last = b"", b""
    for key, value in items:
        shared = next((i for i, (a, b) in enumerate(zip(last, key, strict=False)) if a != b), min(len(last), len(key)))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return sealed(content + struct.pack("<II", 0, 1), kind)


def sealed(content: bytes, kind: int = 0) -> bytes:
    content += bytes([kind])
    crc = crc32c(content)
    return content + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@dataclass(frozen=True)
class Entry:
    shape: tuple[int, ...]
    offset: int
    size: int
    dtype: int = FLOAT
    extra: tuple[tuple[int, int | bytes], ...] = ()

    def encoded(self) -> bytes:
        shape = message(*[(2, message((1, axis))) for axis in self.shape])
        return message((1, self.dtype), (2, shape), (4, self.offset), (5, self.size), *self.extra)


HEADER = (b"", message((1, 1), (3, message((1, 1)))))


def table(blocks: Sequence[bytes], handles: Sequence[tuple[int, int]] | None = None) -> bytes:
    content, found = b"", []
    for one in blocks:
        found.append((len(content), len(one) - 5))
        content += one
    index = block([(bytes([i]), varint(at) + varint(n)) for i, (at, n) in enumerate(handles or found)])
    footer = varint(0) + varint(0) + varint(len(content)) + varint(len(index) - 5)
    return content + index + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes, bytes], dict[str, np.ndarray]]:
    def run(index: bytes, data: bytes) -> dict[str, np.ndarray]:
        (tmp_path / "m.index").write_bytes(index)
        (tmp_path / "m.data").write_bytes(data)
        return read_tensor_bundle(tmp_path / "m.index", tmp_path / "m.data")

    return run


Read = Callable[[bytes, bytes], dict[str, np.ndarray]]


def bundle(tensors: dict[str, np.ndarray], *, per_block: int = 3) -> tuple[bytes, bytes]:
    data, items = b"", [HEADER]
    for name, value in sorted(tensors.items(), key=lambda item: item[0].encode()):
        dtype = FLOAT if value.dtype == np.float32 else INT64
        items.append((name.encode(), Entry(value.shape, len(data), value.nbytes, dtype).encoded()))
        data += value.tobytes()
    return table([block(items[i : i + per_block]) for i in range(0, len(items), per_block)]), data


WHOLE: dict[str, np.ndarray] = {
    "dense/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "dense/bias": np.array([1.5, -2.0], np.float32),
    "dense_1/kernel": np.full((1, 1, 4), 7, np.float32),
    "power": np.array(0.25, np.float32),
    "step": np.array([12], np.int64),
}


def test_checksum_of_the_test_itself() -> None:
    assert crc32c(b"123456789") == 0xE3069283, "the check value that the CRC catalogue states"


@pytest.mark.parametrize("per_block", [1, 2, 100])
def test_what_was_written_is_read(read: Read, per_block: int) -> None:
    found = read(*bundle(WHOLE, per_block=per_block))
    assert set(found) == set(WHOLE) - {"step"}, "counters are left out"
    for name, value in found.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, WHOLE[name])


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.dictionaries(
        st.text("ab/_é", min_size=1, max_size=12), st.lists(st.integers(1, 4), max_size=4), min_size=1, max_size=12
    ),
    per_block=st.integers(1, 5),
)
def test_any_names_and_shapes(
    tmp_path_factory: pytest.TempPathFactory, shapes: dict[str, list[int]], per_block: int
) -> None:
    rng = np.random.default_rng(0)
    tensors = {name: rng.normal(size=shape).astype(np.float32).reshape(shape) for name, shape in shapes.items()}
    folder = tmp_path_factory.mktemp("bundle")
    for name, content in zip(("i", "d"), bundle(tensors, per_block=per_block), strict=True):
        (folder / name).write_bytes(content)
    found = read_tensor_bundle(folder / "i", folder / "d")
    assert set(found) == set(tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value)


def test_every_truncation_and_every_flipped_byte_is_noticed(read: Read) -> None:
    index, data = bundle(WHOLE)
    for length in range(len(index)):
        with pytest.raises(WeightsError, match="not a TensorFlow checkpoint"):
            read(index[:length], data)
    with pytest.raises(WeightsError, match="outside the data file"):
        read(index, data[:-9])
    whole = read(index, data)
    for at in range(len(index)):
        damaged = index[:at] + bytes([index[at] ^ 0x41]) + index[at + 1 :]
        if at < len(index) - 48:
            with pytest.raises(WeightsError, match="Delete both"):
                read(damaged, data)
        else:  # the last 48 bytes have no checksum, and some of them no meaning
            with contextlib.suppress(WeightsError):
                found = read(damaged, data)
                assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in whole.items()}


GOOD = Entry((2,), 0, 8)


@pytest.mark.parametrize(
    ("reason", "entries"),
    [
        ("said to have", [Entry((1 << 40,), 0, 8)]),
        ("said to have", [Entry((1 << 63, 2), 0, 0)]),
        ("said to have", [Entry((0, 1 << 62), 0, 0)]),
        ("said to have", [Entry(((1 << 64) - 1,), 0, 4)]),
        ("outside the data file", [Entry((1 << 40,), 0, 4 << 40)]),
        ("outside the data file", [Entry((2,), (1 << 64) - 4, 8)]),
        ("on another tensor", [GOOD, replace(GOOD, offset=4)]),
        ("on another tensor", [GOOD, GOOD]),
        ("in parts or of unknown shape", [Entry((1,) * 9, 0, 4)]),
        ("in parts or of unknown shape", [replace(GOOD, extra=((3, 1),))]),
        ("in parts or of unknown shape", [replace(GOOD, extra=((7, b""),))]),
        ("not the number it should be", [replace(GOOD, extra=((4, b"x"),))]),
    ],
)
def test_hostile_entries(read: Read, reason: str, entries: list[Entry]) -> None:
    items = [HEADER, *[(bytes([65 + i]), entry.encoded()) for i, entry in enumerate(entries)]]
    with pytest.raises(WeightsError, match=reason):
        read(table([block(items)]), bytes(64))


def test_hostile_tables(read: Read) -> None:
    good = (b"a", GOOD.encoded())
    one = block([HEADER, good])
    cases = {
        "blocks of the index overlap": table([one, one], [(0, len(one) - 5)] * 2),
        "not in order": table([block([good, HEADER])]),
        "compressed": table([block([HEADER, good], kind=1)]),
        "does not fit into its block": table(
            [sealed(varint(0) + varint(1) + varint(1 << 63) + struct.pack("<II", 0, 1))]
        ),
        "one little-endian data file": table([block([(b"", message((1, 7))), good])]),
        "outside the index": table([one], [(0, 1 << 62)]),
        "is longer than": one * (1 << 20),
        "a field is of unknown kind": table([block([HEADER, (b"a", b"\x0f")])]),
        "a number does not end": table([block([HEADER, (b"a", b"\xff" * 30)])]),
        "a field is longer than its message": table([block([HEADER, (b"a", varint(2 << 3 | 2) + varint(1 << 60))])]),
    }
    for reason, index in cases.items():
        with pytest.raises(WeightsError, match=reason):
            read(index, bytes(64))


def test_long_keys_cannot_fill_the_memory(read: Read) -> None:
    """Each entry of a few bytes could otherwise repeat a key of half a megabyte."""
    content = varint(0) + varint(100_000) + varint(0) + b"k" * 100_000
    content += (varint(100_000) + varint(1) + varint(0) + b"k") * 100_000
    with pytest.raises(WeightsError, match="does not fit into its block"):
        read(table([sealed(content + struct.pack("<II", 0, 1))]), b"")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.index"):
        read_tensor_bundle(tmp_path / "none.index", tmp_path / "none.data")
