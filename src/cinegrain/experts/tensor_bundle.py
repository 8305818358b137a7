"""TensorFlow's checkpoints ("tensor bundles"): an index of names and places, and a file of raw numbers.

Read without TensorFlow, and so that a damaged or hostile file can neither ask for more memory than it is long nor
keep us busy: everything lies inside the files, in ascending order and without overlap.

Source: tensorflow/core/protobuf/tensor_bundle.proto; the index is a sorted table of LevelDB (doc/table_format.md).
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cinegrain.errors import WeightsError
from cinegrain.types import Float32

_MAX_INDEX_BYTES = 1 << 20
_MAX_ENTRIES, _MAX_KEY_BYTES, _MAX_AXES = 10_000, 512, 8
_FOOTER_BYTES, _BLOCK_TAIL_BYTES = 48, 5
_MAGIC = 0xDB4775248B80FB57
_VARINT_BYTES, _VARINT_BITS = 10, 64
_HEADER_KEY = b""
_DT_FLOAT = 1
_SHARDS, _ENDIANNESS = 1, 2  # fields of BundleHeaderProto
_DTYPE, _SHAPE, _SHARD, _OFFSET, _SIZE, _SLICES = 1, 2, 3, 4, 5, 7  # fields of BundleEntryProto
_DIMENSION, _UNKNOWN_RANK = 2, 3  # fields of TensorShapeProto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_CRC_POLYNOMIAL, _CRC_MASK = 0x82F63B78, 0xA282EAD8

Fields = dict[int, list[int | bytes]]


class _DamagedError(Exception):
    """What does not fit; becomes a `WeightsError` that names the file."""


def read_tensor_bundle(index: Path, data: Path) -> dict[str, Float32]:
    """All float32 tensors of a checkpoint with one data file, by variable name; counters are left out.

    The index is checked by its own checksums, the numbers only by their places and sizes.

    Args:
        index: The file `*.index`.
        data: The file `*.data-00000-of-00001`.

    Raises:
        WeightsError: If a file cannot be read or is not what it should be.
    """
    try:
        if index.stat().st_size > _MAX_INDEX_BYTES:
            raise _DamagedError(f"is longer than {_MAX_INDEX_BYTES} bytes")
        entries = dict(_table(index.read_bytes()))
        _check_header(entries.pop(_HEADER_KEY, b""))
        places = {key.decode(): _place(_fields(value)) for key, value in entries.items()}
        return _read_numbers({name: place for name, place in places.items() if place is not None}, data)
    except (OSError, UnicodeDecodeError, _DamagedError) as error:
        raise WeightsError(
            f"{index} and {data.name} are not a TensorFlow checkpoint: {error}. Delete both and fetch them again."
        ) from error


def _check_header(value: bytes) -> None:
    header = _fields(value)
    if _number(header, _SHARDS) != 1 or _number(header, _ENDIANNESS) != 0:
        raise _DamagedError("it does not say that it is one little-endian data file")


def _place(entry: Fields) -> tuple[int, tuple[int, ...]] | None:
    """Offset in bytes and shape of a tensor; None if it does not hold float32."""
    if _number(entry, _DTYPE) != _DT_FLOAT:
        return None
    (encoded,) = entry.get(_SHAPE, [b""])[:1]
    shape_fields = _fields(_as_bytes(encoded))
    axes = shape_fields.get(_DIMENSION, [])
    if _number(shape_fields, _UNKNOWN_RANK) or len(axes) > _MAX_AXES or _SLICES in entry or _number(entry, _SHARD):
        raise _DamagedError("it holds a tensor in parts or of unknown shape")
    shape = tuple(_number(_fields(_as_bytes(axis)), 1) for axis in axes)
    if 0 in shape or math.prod(shape) * 4 != _number(entry, _SIZE):
        raise _DamagedError(f"a tensor of shape {shape} is said to have {_number(entry, _SIZE)} bytes")
    return _number(entry, _OFFSET), shape


def _read_numbers(places: dict[str, tuple[int, tuple[int, ...]]], data: Path) -> dict[str, Float32]:
    tensors, end, total = {}, 0, data.stat().st_size
    with data.open("rb") as stream:
        for name, (offset, shape) in sorted(places.items(), key=lambda item: item[1][0]):
            n_bytes = math.prod(shape) * 4
            if offset < end or offset + n_bytes > total:
                raise _DamagedError(f"{name} lies outside the data file or on another tensor")
            end = offset + n_bytes
            stream.seek(offset)
            content = stream.read(n_bytes)
            if len(content) != n_bytes:
                raise _DamagedError(f"{name} ends too early")
            tensors[name] = np.frombuffer(content, "<f4").reshape(shape).astype(np.float32)
    return tensors


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a sorted table, keys strictly ascending."""
    if len(content) < _FOOTER_BYTES or struct.unpack("<Q", content[-8:])[0] != _MAGIC:
        raise _DamagedError("the index does not end as such tables do")
    footer = content[-_FOOTER_BYTES:]
    at = 0
    for _ in range(2):  # the handle of the block of meta blocks is of no use here
        at, offset, size = _handle(footer, at)
    last_key, n_entries, end = None, 0, 0
    for _, handle in _block(content, offset, size):
        _, offset, size = _handle(handle, 0)
        if offset < end:
            raise _DamagedError("blocks of the index overlap")
        end = offset + size
        for key, value in _block(content, offset, size):
            n_entries += 1
            if n_entries > _MAX_ENTRIES or (last_key is not None and key <= last_key):
                raise _DamagedError("keys of the index are too many or not in order")
            last_key = key
            yield key, value


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The entries of one block, whose keys share beginnings with the key before."""
    end = offset + size
    if size < 4 or end + _BLOCK_TAIL_BYTES > len(content):
        raise _DamagedError("a block lies outside the index")
    kind, stored = struct.unpack_from("<BI", content, end)
    if kind != 0:
        raise _DamagedError("the index is compressed")
    if _masked_crc32c(content[offset : end + 1]) != stored:
        raise _DamagedError("the checksum of a block does not fit")
    (n_restarts,) = struct.unpack_from("<I", content, end - 4)
    block = content[offset : max(offset, end - 4 - 4 * n_restarts)]
    at, key = 0, b""
    while at < len(block):
        at, shared = _varint(block, at)
        at, unshared = _varint(block, at)
        at, length = _varint(block, at)
        if shared > len(key) or shared + unshared > _MAX_KEY_BYTES or at + unshared + length > len(block):
            raise _DamagedError("an entry of the index does not fit into its block")
        key = key[:shared] + block[at : at + unshared]
        at += unshared
        yield key, block[at : at + length]
        at += length


def _handle(content: bytes, at: int) -> tuple[int, int, int]:
    at, offset = _varint(content, at)
    at, size = _varint(content, at)
    return at, offset, size


def _fields(message: bytes) -> Fields:
    """The fields of a protocol buffer by number, not knowing what they mean."""
    found: Fields = {}
    at = 0
    while at < len(message):
        at, tag = _varint(message, at)
        value: int | bytes
        if tag & 7 == _VARINT:
            at, value = _varint(message, at)
        elif tag & 7 in (_FIXED64, _FIXED32, _BYTES):
            at, length = _varint(message, at) if tag & 7 == _BYTES else (at, 8 if tag & 7 == _FIXED64 else 4)
            if at + length > len(message):
                raise _DamagedError("a field is longer than its message")
            value, at = message[at : at + length], at + length
        else:
            raise _DamagedError("a field is of unknown kind")
        found.setdefault(tag >> 3, []).append(value)
    return found


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Position after a number and the number, 0..2**64 - 1."""
    value = 0
    for i, byte in enumerate(content[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80 and value < 1 << _VARINT_BITS:
            return at + i + 1, value
    raise _DamagedError("a number does not end")


def _number(fields: Fields, field: int) -> int:
    """The last value of a field, 0 if it is not there, as protocol buffers have it."""
    value = fields.get(field, [0])[-1]
    if not isinstance(value, int):
        raise _DamagedError("a field is not the number it should be")
    return value


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise _DamagedError("a field is not the message it should be")
    return value


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CRC_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _masked_crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _CRC_MASK) & 0xFFFFFFFF
