"""Writes a safetensors file in pieces; the library only writes tensors that are in memory."""

import json
import math
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_NAMES = {np.dtype(np.float16): "F16", np.dtype(np.int64): "I64"}
_ALIGN_BYTES = 8


class TensorFile:
    """Tensors of known shapes in one file, each filled row by row.

    Source: format description, https://github.com/huggingface/safetensors#format.
    """

    def __init__(self, file: BinaryIO, tensors: Mapping[str, tuple[type[np.generic], tuple[int, ...]]]) -> None:
        """Writes the header.

        Args:
            file: An empty file.
            tensors: Type (float16 or int64) and shape by name.
        """
        self._file = file
        header: dict[str, object] = {}
        self._at: dict[str, int] = {}
        end = 0
        # 8-byte numbers first, for alignment.
        for name, (kind, shape) in sorted(tensors.items(), key=lambda item: -np.dtype(item[1][0]).itemsize):
            start, end = end, end + math.prod(shape) * np.dtype(kind).itemsize
            header[name] = {"dtype": _NAMES[np.dtype(kind)], "shape": list(shape), "data_offsets": [start, end]}
            self._at[name] = start
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % _ALIGN_BYTES)
        file.write(len(text).to_bytes(8, "little") + text)
        self._at = {name: at + 8 + len(text) for name, at in self._at.items()}
        file.truncate(8 + len(text) + end)

    def append(self, name: str, rows: NDArray[np.generic]) -> None:
        """Appends rows to a tensor."""
        content = np.ascontiguousarray(rows).tobytes()
        self._file.seek(self._at[name])
        self._file.write(content)
        self._at[name] += len(content)
