"""Reads files of `torch.save`, and pickles with tensors, without PyTorch; tensors become arrays."""

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.errors import UnsafeFileError
from cinegrain.untrusted.safe_pickle import ALLOWED, ArrayShell, Stand, check_is_file, load_next

MAX_FILE_BYTES = 1 << 30
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the format before PyTorch 1.6
_STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
}


def load_tensor(path: Path) -> np.ndarray:
    """The tensor in a file of `torch.save`.

    Raises:
        DataError: If the file is missing, damaged, unsafe, or not a single tensor.
    """
    found = load_tensors(path)
    if isinstance(found, ArrayShell):
        found = found.array
    if not isinstance(found, np.ndarray):
        raise UnsafeFileError(f"{path} is not a single tensor but {type(found).__name__}.")
    return found


def load_tensors(path: Path) -> Any:
    """Containers of tensors in a file of `torch.save`, in the zip format or the one before.

    Declared sizes are checked.

    Raises:
        DataError: If the file is missing, damaged or unsafe.
    """
    size = check_is_file(path)
    if size > MAX_FILE_BYTES:
        raise UnsafeFileError(f"{path} has {size:,} bytes; the maximum is {MAX_FILE_BYTES:,}.")
    data = path.read_bytes()
    return _load_zip(data, str(path)) if zipfile.is_zipfile(io.BytesIO(data)) else _load_legacy(data, str(path))


def _load_zip(data: bytes, where: str) -> Any:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
        if any(m.compress_type != zipfile.ZIP_STORED or m.file_size > len(data) for m in members):
            raise UnsafeFileError(f"{where} is a compressed archive, which torch.save never writes. It was not read.")
        main = next((m.filename for m in members if m.filename.endswith("data.pkl")), None)
        if main is None:
            raise UnsafeFileError(f"{where} is a zip file without data.pkl: not written by torch.save.")
        root = main.removesuffix("data.pkl")

        def storage(reference: Any) -> np.ndarray:
            code, key, count = _storage_of(reference)
            values = _numbers(archive.read(f"{root}data/{key}"), code)
            if count > len(values):
                raise UnsafeFileError(f"claims {count} numbers where {len(values)} are stored")
            return values

        return load_next(io.BytesIO(archive.read(main)), where, _TENSOR_NAMES, storage)
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError, EOFError) as error:
        raise UnsafeFileError(f"{where} is a damaged .pt file: {error}. Copy it again.") from error


def _load_legacy(data: bytes, where: str) -> Any:
    """The format before PyTorch 1.6: pickles of a header, the object and the storages' keys, then their bytes.

    Tensors are views of storages, which are filled at the end.
    """
    file = io.BytesIO(data)
    storages: dict[str, tuple[str, np.ndarray]] = {}

    def storage(reference: Any) -> np.ndarray:
        code, key, count = _storage_of(reference)
        if count * _item_bytes(code) > len(data):
            raise UnsafeFileError(f"declares sizes that its {len(data):,} bytes cannot hold")
        if key not in storages:
            storages[key] = code, np.empty(count, _dtype(code))
        return storages[key][1]

    if (load_next(file, where, ALLOWED), load_next(file, where, ALLOWED)) != (_MAGIC, _PROTOCOL):
        raise UnsafeFileError(f"{where} was not written by torch.save. It was not read.")
    load_next(file, where, ALLOWED)  # byte order of the writer
    found = load_next(file, where, _TENSOR_NAMES, storage)
    keys = load_next(file, where, ALLOWED)
    if not isinstance(keys, list) or sorted(map(repr, keys)) != sorted(map(repr, storages)):
        raise UnsafeFileError(f"{where} holds other numbers than its tensors need. Copy it again.")
    for key in keys:
        code, values = storages[key]
        count, raw = int.from_bytes(file.read(8), "little"), file.read(len(values) * _item_bytes(code))
        if count != len(values) or len(raw) != len(values) * _item_bytes(code):
            raise UnsafeFileError(f"{where} declares sizes that its {len(data):,} bytes cannot hold.")
        values[:] = _numbers(raw, code)
    return found


def _storage_of(reference: Any) -> tuple[str, str, int]:
    """Dtype, key and length of a tensor's storage."""
    if not (isinstance(reference, tuple) and len(reference) >= 5 and reference[0] == "storage"):
        raise UnsafeFileError("refers to an object that is not a tensor storage")
    kind, key, count = reference[1], reference[2], reference[4]
    code = _STORAGES.get(kind.name.rpartition(".")[2]) if isinstance(kind, Stand) else None
    if code is None or not isinstance(key, str) or type(count) is not int or count < 0:
        raise UnsafeFileError("holds a tensor of an unknown kind")
    if len(reference) > 5 and reference[5] is not None:
        raise UnsafeFileError("holds a view of a storage, which PyTorch has not written since 2017")
    return code, key, count


def _item_bytes(code: str) -> int:
    return 2 if code == "bf16" else np.dtype(code).itemsize


def _dtype(code: str) -> np.dtype[Any]:
    return np.dtype("f4" if code == "bf16" else f"<{code}")


def _numbers(raw: bytes, code: str) -> np.ndarray:
    if code == "bf16":
        return (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(raw, f"<{code}")


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> np.ndarray:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, np.ndarray) or not all(type(n) is int and n >= 0 for n in numbers):
        raise UnsafeFileError("holds a tensor whose shape is not made of whole numbers")
    count = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if count else offset
    if count * storage.itemsize > MAX_FILE_BYTES or (count and last >= len(storage)) or len(shape) > 8:
        raise UnsafeFileError(f"holds a tensor of {count:,} numbers over a storage of {len(storage):,}")
    steps = tuple(step * storage.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)


def _from_bytes(data: Any) -> Any:
    if not isinstance(data, bytes):
        raise UnsafeFileError("holds a tensor storage that is not made of bytes")
    return np.asarray(_load_legacy(data, "a tensor in it"))


_TENSOR_NAMES: Mapping[tuple[str, str], Stand] = {
    **ALLOWED,
    ("torch._utils", "_rebuild_tensor"): Stand("torch._utils._rebuild_tensor", _rebuild),
    ("torch._utils", "_rebuild_tensor_v2"): Stand("torch._utils._rebuild_tensor_v2", _rebuild),
    ("torch._utils", "_rebuild_parameter"): Stand("torch._utils._rebuild_parameter", lambda tensor, *_: tensor),
    **{("torch", name): Stand(f"torch.{name}") for name in _STORAGES},
}
TENSOR_PICKLE_NAMES: Mapping[tuple[str, str], Stand] = {
    **_TENSOR_NAMES,
    ("torch.storage", "_load_from_bytes"): Stand("torch.storage._load_from_bytes", _from_bytes),
}
