"""Reads one tensor from a `.pt` file, or from a pickle that holds tensors, as an array."""

import io
import math
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.readers.foreign import UnsafeFileError, check_is_file
from cinegrain.readers.safe_pickle import ALLOWED, ArrayShell, Bounded, Stand, load_bytes

MAX_TENSOR_BYTES = 1 << 30
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


def load_pt(path: Path) -> np.ndarray:
    """The tensor in a file that `torch.save` wrote.

    Today's zip files are read here, with every size checked; the older kind goes through `torch.load` with
    `weights_only`, once its declared sizes are known to fit the file.

    Raises:
        DataError: If the file is missing, damaged, unsafe, or holds no single tensor.
    """
    size = check_is_file(path)
    if size > MAX_TENSOR_BYTES:
        raise UnsafeFileError(f"{path} has {size:,} bytes; one tensor of vectors has at most {MAX_TENSOR_BYTES:,}.")
    data = path.read_bytes()
    found = _load_zip(data, str(path)) if zipfile.is_zipfile(io.BytesIO(data)) else _load_legacy(data, str(path))
    if isinstance(found, ArrayShell):
        found = found.array
    if not isinstance(found, np.ndarray):
        raise UnsafeFileError(f"{path} holds no single tensor but {type(found).__name__}.")
    return found


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

        def storage(reference: Any) -> Any:
            if not (isinstance(reference, tuple) and len(reference) >= 5 and reference[0] == "storage"):
                raise UnsafeFileError("refers to something that is no tensor storage")
            kind, key, count = reference[1], reference[2], reference[4]
            code = _STORAGES.get(kind.name.rpartition(".")[2]) if isinstance(kind, Stand) else None
            if code is None:
                raise UnsafeFileError("holds a tensor of an unknown kind")
            values = _numbers(archive.read(f"{root}data/{key}"), code)
            if type(count) is not int or count > len(values):
                raise UnsafeFileError(f"claims {count} numbers where {len(values)} are stored")
            return values

        return load_bytes(archive.read(main), where, _TENSOR_NAMES, storage)
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError, EOFError) as error:
        raise UnsafeFileError(f"{where} is a damaged .pt file: {error}. Copy it again.") from error


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
    if count > len(storage) or (count and last >= len(storage)) or len(shape) > 8:
        raise UnsafeFileError(f"holds a tensor of {count:,} numbers over a storage of {len(storage):,}")
    steps = tuple(step * storage.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()


def _load_legacy(data: bytes, where: str) -> Any:
    """Old `torch.save` format: refuse declared sizes that the file cannot hold, then let torch read it."""
    _check_legacy(data, where)
    import torch

    try:
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its parser met
        raise UnsafeFileError(f"{where} is no tensor file that can be read safely: {str(error)[:200]}") from error
    if isinstance(found, torch.storage.TypedStorage):
        found = torch.tensor([], dtype=found.dtype).set_(found)
    if isinstance(found, torch.Tensor):
        if found.numel() * found.element_size() > len(data):
            raise UnsafeFileError(f"{where} holds a tensor larger than its file. It was not read.")
        return found.detach().float().contiguous().numpy()
    return found


def _check_legacy(data: bytes, where: str) -> None:
    file = io.BytesIO(data)
    allowed_total = len(data) + (1 << 16)
    try:
        for part in range(5):  # magic, protocol, system, object, keys
            total, names = 0, []
            for op, arg, _ in pickletools.genops(Bounded(file, len(data))):  # type: ignore[arg-type]
                if op.name in ("GLOBAL", "INST"):
                    names.append(tuple(str(arg).split(" ", 1)))
                elif op.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "NEWOBJ", "NEWOBJ_EX", "OBJ"):
                    names.append(("an unnamed", "object"))
                elif isinstance(arg, int) and not isinstance(arg, bool):
                    total += abs(arg)
            bad = next((n for n in names if n not in _TENSOR_NAMES), None)
            if bad:
                raise UnsafeFileError(f"{where} asks for {'.'.join(bad)}, which is refused. It was not read.")
            if part >= 2 and total > allowed_total:
                raise UnsafeFileError(f"{where} declares sizes that its {len(data):,} bytes cannot hold.")
    except (ValueError, IndexError, OverflowError) as error:
        raise UnsafeFileError(f"{where} is no whole tensor file: {error}. Copy it again.") from error


def _from_bytes(data: Any) -> Any:
    if not isinstance(data, bytes):
        raise UnsafeFileError("holds a tensor storage that is not made of bytes")
    return np.asarray(_load_legacy(data, "a tensor in it"))


_HOOKS = Stand("collections.OrderedDict", lambda *_: {})
_TENSOR_NAMES: Mapping[tuple[str, str], Stand] = {
    **ALLOWED,
    ("collections", "OrderedDict"): _HOOKS,
    ("torch._utils", "_rebuild_tensor"): Stand("torch._utils._rebuild_tensor", _rebuild),
    ("torch._utils", "_rebuild_tensor_v2"): Stand("torch._utils._rebuild_tensor_v2", _rebuild),
    ("torch._utils", "_rebuild_parameter"): Stand("torch._utils._rebuild_parameter", lambda tensor, *_: tensor),
    **{("torch", name): Stand(f"torch.{name}") for name in _STORAGES},
}
TENSOR_PICKLE_NAMES: Mapping[tuple[str, str], Stand] = {
    **_TENSOR_NAMES,
    ("torch.storage", "_load_from_bytes"): Stand("torch.storage._load_from_bytes", _from_bytes),
}
