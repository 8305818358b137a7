"""Reads `.npz` files after checking declared sizes."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from cinegrain.errors import UnsafeFileError
from cinegrain.untrusted.safe_pickle import check_is_file

MAX_BYTES = 8 << 30
MAX_RATIO = 100
_SMALL_BYTES = 16 << 20


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Every array by name.

    Raises:
        DataError: If the file is missing, damaged, would unpack to far more than it is, or holds Python objects.
    """
    check_is_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_sizes(path, members)
            return {m.filename.removesuffix(".npy"): _read_member(path, archive, m) for m in members}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise UnsafeFileError(f"{path} is not a complete .npz file: {error}. Copy it again.") from error


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    total, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    if total > MAX_BYTES:
        raise UnsafeFileError(f"{path} would unpack to {total:,} bytes; at most {MAX_BYTES:,} are read. Split it.")
    if total > _SMALL_BYTES and total > MAX_RATIO * max(packed, path.stat().st_size):
        raise UnsafeFileError(
            f"{path} would unpack {packed:,} bytes to {total:,}: vectors never compress so well, so it "
            "may be a decompression bomb. It was not read."
        )


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    where = f"{path}: array {member.filename!r}"
    with archive.open(member) as file:
        try:
            shape, fortran, dtype = _header(file)
        except ValueError as error:
            raise UnsafeFileError(f"{where} has no readable .npy header: {str(error)[:200]}") from error
        if dtype.kind not in "fiubUS":
            raise UnsafeFileError(f"{where} has {dtype}, which could run code; only numbers and text are read.")
        if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize > member.file_size:
            raise UnsafeFileError(f"{where} claims shape {shape}, more than its {member.file_size:,} bytes hold.")
        raw = file.read(math.prod(shape) * dtype.itemsize)
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise UnsafeFileError(f"{where} is cut short. Copy the file again.")
    return np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"version {version} is not known")
