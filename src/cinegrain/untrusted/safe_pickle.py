"""Reads untrusted pickles of plain containers and arrays without running anything in them.

Each pickle is first scanned opcode by opcode, to check declared sizes, depth and memo indices against the file. Then it
is loaded with a stand-in for every allowed name: the file cannot call any function of NumPy, torch or Python.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cinegrain.errors import DataError, UnsafeFileError

MAX_OPCODES = 5_000_000
MAX_DEPTH = 100
MAX_RECORD_BYTES = 2 << 30
_REFUSED = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}
_PERSISTENT = {"PERSID", "BINPERSID"}
_CHANGES = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}
_BUILDS = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "DICT", "FROZENSET", "REDUCE"}
_EMPTY = {"EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE"}
_PUTS, _GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
_DTYPE = re.compile(r"[fiub][1248]")
_MARK: list[int] = [-1]
_LEAF: list[int] = [0]


@dataclass(frozen=True)
class Extent:
    """Position of one pickle in its file."""

    start: int
    end: int


class ArrayShell:
    """A checked NumPy array; `array` is read-only."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            raise UnsafeFileError("holds an array whose state is not as NumPy writes it")
        _, shape, dtype, fortran, raw = state
        self.array = _array(raw, dtype, shape, "F" if fortran else "C")


class OrderedShell(dict[Any, Any]):
    """A pickled OrderedDict; attributes, such as versions of a state dict, are dropped."""

    def __setstate__(self, state: Any) -> None:
        """Ignores attributes."""


class _Dtype:
    """A NumPy dtype; only plain numbers are allowed."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        text = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        if not (isinstance(text, str) and _DTYPE.fullmatch(text)):
            raise UnsafeFileError(f"holds an array of type {code!r}; only plain numbers are read")
        self.code, self.order = text, "<"

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) >= 2 and state[1] in ("<", ">", "|", "=")):
            raise UnsafeFileError("holds a number type whose state is not as NumPy writes it")
        self.order = state[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


class Stand:
    """Stand-in for an allowed name, so that the file gets no real Python object."""

    __slots__ = ("_function", "name")

    def __init__(self, name: str, function: Callable[..., Any] | None = None) -> None:
        self.name, self._function = name, function

    def __call__(self, *args: Any) -> Any:  # noqa: D102
        if self._function is None:
            raise UnsafeFileError(f"calls {self.name}, which is not allowed here")
        try:
            return self._function(*args)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UnsafeFileError(f"calls {self.name} in an unusual way: {error}") from error

    def __setstate__(self, state: Any) -> None:
        raise UnsafeFileError(f"tries to change {self.name}")


def _array(raw: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
        raise UnsafeFileError("holds an array that is not made of plain numbers")
    if not (isinstance(shape, tuple) and len(shape) <= 8 and all(type(n) is int and n >= 0 for n in shape)):
        raise UnsafeFileError(f"holds an array of shape {str(shape)[:80]}")
    declared = math.prod(shape) * dtype.dtype.itemsize
    if declared != len(raw):
        raise UnsafeFileError(f"holds an array that claims {declared:,} bytes and brings {len(raw):,}")
    return np.frombuffer(raw, dtype=dtype.dtype).reshape(shape, order=order)


def _scalar(dtype: Any, raw: Any) -> Any:
    return _array(raw, dtype, (), "C").item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise UnsafeFileError("encodes something that is not text")
    return text.encode("latin-1")


def _path(*parts: Any) -> str:
    return "/".join(str(part).rstrip("/") for part in parts) if all(isinstance(p, str) for p in parts) else ""


def _allowed() -> dict[tuple[str, str], Stand]:
    names: dict[tuple[str, str], Callable[..., Any] | None] = {
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): lambda code, *_: _Dtype(code),
        ("_codecs", "encode"): _encode,
        ("collections", "OrderedDict"): OrderedShell,
        ("collections", "defaultdict"): lambda *_: {},
    }
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray", "_reconstruct"] = lambda *_: ArrayShell()
        names[f"{core}.multiarray", "scalar"] = _scalar
        names[f"{core}.numeric", "_frombuffer"] = _array
    for module in ("pathlib", "pathlib._local"):
        for name in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"):
            names[module, name] = _path
    for module in ("builtins", "__builtin__"):
        names.update({(module, name): None for name in ("list", "dict", "int", "float", "str")})
        names[module, "bytes"] = lambda: b""  # empty bytes in protocols 0 to 2
        names[module, "set"] = set
        names[module, "frozenset"] = frozenset
    return {key: Stand(".".join(key), function) for key, function in names.items()}


ALLOWED: Mapping[tuple[str, str], Stand] = _allowed()


class RestrictedUnpickler(pickle.Unpickler):
    """Resolves names to the given stand-ins only."""

    def __init__(self, file: BinaryIO, allowed: Mapping[tuple[str, str], Stand]) -> None:
        super().__init__(file)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """Stand-in of an allowed name.

        Raises:
            UnsafeFileError: For any other name.
        """
        _check_name(module, name, self._allowed)
        return self._allowed[module, name]


def check_is_file(path: Path) -> int:
    """Size of a regular file.

    Raises:
        DataError: If it is not one, since a pipe or device would block.
    """
    if not path.is_file():
        raise DataError(f"There is no file at {path}. Check the path.")
    return path.stat().st_size


def pickles(path: Path, allowed: Mapping[tuple[str, str], Stand] = ALLOWED) -> Iterator[tuple[Extent, Any]]:
    """Every pickle of a stream of appended pickles, checked and loaded, one at a time in memory.

    Args:
        path: The file.
        allowed: Stand-ins by module and name.

    Raises:
        UnsafeFileError: If the file is damaged or needs anything but data; with the offset.
    """
    size = check_is_file(path)
    with path.open("rb") as file:
        start = 0
        while start < size:
            extent = Extent(start, _end_of(file, start, size, path, allowed))
            yield extent, load_extent(path, extent, allowed)
            start = extent.end
    if not size:
        raise UnsafeFileError(f"{path} is empty (0 bytes). Copy or download it again.")


def load_extent(path: Path, extent: Extent, allowed: Mapping[tuple[str, str], Stand] = ALLOWED) -> Any:
    """Loads one pickle of a stream."""
    with path.open("rb") as file:
        file.seek(extent.start)
        return load_bytes(file.read(extent.end - extent.start), f"{path} (byte {extent.start:,})", allowed)


def load_bytes(data: bytes, where: str, allowed: Mapping[tuple[str, str], Stand]) -> Any:
    """Checks and loads one pickle; see `load_next`."""
    return load_next(io.BytesIO(data), where, allowed)


def load_next(
    file: io.BytesIO,
    where: str,
    allowed: Mapping[tuple[str, str], Stand],
    persistent_load: Callable[[Any], Any] | None = None,
) -> Any:
    """Checks and loads one pickle of a file in memory, and positions the file behind it.

    Args:
        file: Positioned at the start of the pickle.
        where: For errors.
        allowed: Stand-ins by module and name.
        persistent_load: Resolves references to objects outside the pickle; None refuses them.

    Raises:
        UnsafeFileError: If it is damaged or needs anything else.
    """
    start = file.tell()
    try:
        scan(Bounded(file, len(file.getbuffer())), allowed, persistent=persistent_load is not None)
        end = file.tell()
        file.seek(start)
        unpickler = RestrictedUnpickler(file, allowed)
        if persistent_load is not None:
            unpickler.persistent_load = persistent_load  # type: ignore[method-assign]
        loaded = unpickler.load()
        file.seek(end)
        return loaded
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{where} {error}. It was not read.") from error
    except (pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise _damaged(where, error) from error
    except (EOFError, OverflowError, MemoryError, RecursionError, ImportError, UnicodeError) as error:
        raise _damaged(where, error) from error


class Bounded:
    """A file that raises instead of allocating memory for reads beyond its end."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._end = file, end

    def read(self, n: int) -> bytes:
        """Exactly n bytes, or b"" at the end.

        Raises:
            UnsafeFileError: If n is more than what is left.
        """
        left = self._end - self._file.tell()
        if n > max(left, 1):
            raise UnsafeFileError(f"claims {n:,} bytes where {left:,} are left; it is incomplete or malicious")
        return self._file.read(n)

    def readline(self) -> bytes:
        """A line."""
        return self._file.readline(self._end - self._file.tell())

    def tell(self) -> int:
        """Current position."""
        return self._file.tell()


def scan(file: Bounded, allowed: Mapping[tuple[str, str], Stand], *, persistent: bool = False) -> None:
    """Scans one pickle without building anything, and positions the file behind it.

    Raises:
        UnsafeFileError: If it needs a name that is not allowed, is too deep or too long, or declares impossible sizes
            or memo indices.
        ValueError: If it is not a pickle.
    """
    stack: list[list[int]] = []
    memo: dict[int, list[int]] = {}
    for number, (op, arg, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
        name = op.name
        if number > MAX_OPCODES:
            raise UnsafeFileError(f"needs more than {MAX_OPCODES:,} steps; save arrays, not lists of numbers")
        if name in _REFUSED or (name in _PERSISTENT and not persistent):
            named = f" ({str(arg)[:80]})" if arg is not None else ""
            raise UnsafeFileError(f"builds objects of other classes{named}, which is not allowed here")
        if name == "GLOBAL":
            module, _, attribute = str(arg).partition(" ")
            _check_name(module, attribute, allowed)
        if name == "FRAME" and arg is not None and arg > file._end - file.tell():
            raise UnsafeFileError(f"claims a frame of {arg:,} bytes, more than is left; it is incomplete or malicious")
        if name in _PUTS or name == "MEMOIZE":
            place = len(memo) if name == "MEMOIZE" else int(arg or 0)
            if not 0 <= place <= number or not stack:
                raise UnsafeFileError(f"uses memo index {place:,} after {number:,} steps")
            memo[place] = stack[-1]
        elif name in _GETS:
            stack.append(memo[int(arg or 0)])
        elif name == "POP":
            stack.pop()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name != "STOP":
            _step(op, stack)
    if len(stack) != 1 or stack[0] is _MARK:
        raise UnsafeFileError("ends with unused objects on the stack")


def _step(op: pickletools.OpcodeInfo, stack: list[list[int]]) -> None:
    """Applies one opcode to the stack, whose entries are the depths of objects."""
    before, name = op.stack_before, op.name
    parts: list[list[int]] = []
    marked = pickletools.markobject in before
    if marked:
        while (item := stack.pop()) is not _MARK:
            parts.append(item)
    n_beneath = before.index(pickletools.markobject) if marked else len(before)
    for _ in range(n_beneath):
        parts.append(stack.pop())
        if parts[-1] is _MARK:
            raise ValueError("unexpected mark")
    if name == "MARK":
        stack.append(_MARK)
    elif name in _CHANGES:
        target = parts.pop()
        if target is _LEAF:
            raise UnsafeFileError("changes an object that is not a container")
        target[0] = _deeper(parts, target[0])
        stack.append(target)
    elif name in _BUILDS:
        stack.append([_deeper(parts, 0)])
    elif name in _EMPTY:
        stack.append([0])
    else:
        stack.extend(_LEAF for _ in op.stack_after)


def _deeper(parts: list[list[int]], least: int) -> int:
    depth = max((part[0] + 1 for part in parts), default=0)
    if depth > MAX_DEPTH:
        raise UnsafeFileError(f"is nested deeper than {MAX_DEPTH} levels")
    return max(depth, least)


def _check_name(module: str, name: str, allowed: Mapping[tuple[str, str], Stand]) -> None:
    if (module, name) not in allowed:
        raise UnsafeFileError(
            f"asks for {module}.{name}, which could run code and is refused: only arrays and plain containers are read"
        )


def _end_of(file: BinaryIO, start: int, size: int, path: Path, allowed: Mapping[tuple[str, str], Stand]) -> int:
    file.seek(start)
    where = f"{path} (byte {start:,})"
    try:
        scan(Bounded(file, size), allowed)
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{where} {error}. It was not read.") from error
    except (ValueError, KeyError, IndexError, OverflowError, MemoryError, UnicodeError) as error:
        raise _damaged(where, error) from error
    end = file.tell()
    if end - start > MAX_RECORD_BYTES:
        raise UnsafeFileError(f"{where} holds one record of {end - start:,} bytes; at most {MAX_RECORD_BYTES:,}.")
    return end


def _damaged(where: str, error: BaseException) -> UnsafeFileError:
    return UnsafeFileError(
        f"{where} is not a complete pickle: {str(error)[:200] or type(error).__name__}. Copy it again."
    )
