"""TensorFlow's checkpoints ("tensor bundles"): an index of names and places, and a file of raw numbers.

Read without TensorFlow. For files whose sha256 was checked: nothing in them is doubted.

Source: tensorflow/core/protobuf/tensor_bundle.proto; the index is a sorted table of LevelDB (doc/table_format.md).
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.types import Float32

_FOOTER_BYTES = 48
_DT_FLOAT = 1
_DTYPE, _SHAPE, _OFFSET = 1, 2, 4  # fields of BundleEntryProto
_DIMENSION, _LENGTH = 2, 1  # fields of TensorShapeProto and of its dimensions
_VARINT, _FIXED_BYTES = 0, {1: 8, 5: 4}  # wire types; any other has its length before it


def read_tensor_bundle(index: Path, data: Path) -> dict[str, Float32]:
    """All float32 tensors of a checkpoint with one data file, by variable name; counters are left out.

    Args:
        index: The file `*.index`.
        data: The file `*.data-00000-of-00001`.
    """
    numbers = data.read_bytes()
    tensors = {}
    for name, value in _table(index.read_bytes()):
        entry = _fields(value)
        if not name or entry[_DTYPE] != [_DT_FLOAT]:  # the nameless one is the header
            continue
        dimensions = _fields(entry.get(_SHAPE, [b""])[0]).get(_DIMENSION, [])
        shape = tuple(_fields(dimension)[_LENGTH][0] for dimension in dimensions)
        (offset,) = entry.get(_OFFSET, [0])
        values = np.frombuffer(numbers, "<f4", math.prod(shape), offset)
        tensors[name.decode()] = values.reshape(shape).astype(np.float32)
    return tensors


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a sorted table: an index of blocks, and blocks of entries."""
    footer = content[-_FOOTER_BYTES:]
    at, _, _ = _handle(footer, 0)  # of the block of meta blocks
    _, offset, size = _handle(footer, at)
    for _, handle in _block(content, offset, size):
        _, offset, size = _handle(handle, 0)
        yield from _block(content, offset, size)


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The entries of one block, whose keys share beginnings with the key before."""
    end = offset + size
    (n_restarts,) = struct.unpack_from("<I", content, end - 4)
    at, end, key = offset, end - 4 - 4 * n_restarts, b""
    while at < end:
        at, n_shared = _varint(content, at)
        at, n_unshared = _varint(content, at)
        at, length = _varint(content, at)
        key = key[:n_shared] + content[at : at + n_unshared]
        at += n_unshared
        yield key, content[at : at + length]
        at += length


def _handle(content: bytes, at: int) -> tuple[int, int, int]:
    at, offset = _varint(content, at)
    at, size = _varint(content, at)
    return at, offset, size


def _fields(message: bytes) -> dict[int, list[Any]]:
    """The fields of a protocol buffer by number: whole numbers, or bytes."""
    found: dict[int, list[Any]] = {}
    value: int | bytes
    at = 0
    while at < len(message):
        at, tag = _varint(message, at)
        if tag & 7 == _VARINT:
            at, value = _varint(message, at)
        else:
            at, length = (at, _FIXED_BYTES[tag & 7]) if tag & 7 in _FIXED_BYTES else _varint(message, at)
            value, at = message[at : at + length], at + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Position after a number, and the number."""
    value = shift = 0
    while content[at] & 0x80:
        value |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return at + 1, value | content[at] << shift
