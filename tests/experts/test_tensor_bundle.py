"""Checkpoints in TensorFlow's format, written here by hand."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinegrain.experts.tensor_bundle import read_tensor_bundle

FLOAT, INT64 = 1, 9
Item = tuple[bytes, bytes]


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


def block(items: Sequence[Item]) -> bytes:
    content, last = b"", b""
    for key, value in items:
        shared = next((i for i, (a, b) in enumerate(zip(last, key, strict=False)) if a != b), min(len(last), len(key)))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return content + struct.pack("<II", 0, 1) + bytes(5)  # not compressed, and a checksum that nobody reads


@dataclass(frozen=True)
class Entry:
    shape: tuple[int, ...]
    offset: int
    size: int
    dtype: int = FLOAT

    def encoded(self) -> bytes:
        shape = message(*[(2, message((1, axis))) for axis in self.shape])
        return message((1, self.dtype), (2, shape), (4, self.offset), (5, self.size))


HEADER = (b"", message((1, 1), (3, message((1, 1)))))


def table(blocks: Sequence[bytes]) -> bytes:
    content, found = b"", []
    for one in blocks:
        found.append((len(content), len(one) - 5))
        content += one
    index = block([(bytes([i]), varint(at) + varint(n)) for i, (at, n) in enumerate(found)])
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
