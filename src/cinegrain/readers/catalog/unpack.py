"""Recognises, decompresses and decodes catalogue files, with limits on size."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from cinegrain.errors import ConfigError

MAX_BYTES = 2 << 30
MAX_LINE = 16 << 20
# Text compresses to a tenth, repetitive text to a thirtieth, a decompression bomb to a thousandth.
_FREE_BYTES, _MAX_RATIO = 64 << 20, 100

Kind: TypeAlias = Literal["parquet", "spreadsheet", "json", "jsonl", "text"]
_GZIP = b"\x1f\x8b"
_SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".ods", ".xls")
_KINDS: dict[str, Kind] = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".geojson": "json"}
_STRANGERS = (
    (b"BZh", "a bzip2 archive. Unpack it, or compress it with gzip"),
    (b"\xfd7zXZ", "an xz archive. Unpack it, or compress it with gzip"),
    (b"(\xb5/\xfd", "a Zstandard archive. Unpack it, or compress it with gzip"),
    (b"7z\xbc\xaf", "a 7z archive. Unpack it"),
    (b"%PDF", "a PDF. Save its table as CSV or .xlsx"),
    (b"{\\rtf", "an RTF document. Save its table as CSV or .xlsx"),
    (b"<", "a web page or XML. Save its table as CSV or .xlsx"),
    (b"SQLite format 3", "an SQLite database. Export its table as CSV"),
)


def kind_of(path: Path) -> Kind:
    """Format of a catalogue, by its first bytes or else by its extension.

    Raises:
        ConfigError: If the format, or its compression, is not supported.
    """
    with _opened(path) as file:
        head = file.read(512)
        packed = is_gzip(path)
        while packed and file.read(1 << 20):
            pass  # check size and integrity before reading
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0") or path.suffix.lower() in _SPREADSHEETS:
        if is_gzip(path):
            raise ConfigError(f"{path} is a gzipped spreadsheet. Unpack it; only text tables may be gzipped.")
        return "spreadsheet"
    for magic, what in _STRANGERS:
        if head.lstrip().startswith(magic):
            raise ConfigError(f"{path} is not a table of films but {what}.")
    ending = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if ending.lower() not in (".csv", ".tsv", ".tab", *_KINDS) and start[:2] in (b"[{", b'{"'):
        return "json"
    return "parquet" if ending.lower() == ".parquet" else _KINDS.get(ending.lower(), "text")


def is_gzip(path: Path) -> bool:
    """Whether a file's content is gzipped."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


@contextmanager
def text_lines(path: Path) -> Iterator[Iterator[str]]:
    r"""The physical lines of a text file with their line breaks; only \n, \r\n and \r end a line.

    Raises:
        ConfigError: If it is not UTF-8 (or UTF-16), has NUL characters, or is too large.
    """
    with _opened(path) as file:
        encoding = _encoding(file.read(64))
    with _opened(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
        yield _checked(text, path, encoding)


def read_text(path: Path) -> str:
    """The whole text of a file.

    Raises:
        ConfigError: As in `text_lines`, but lines may have any length.
    """
    with _opened(path) as file:
        content = file.read()
    encoding = _encoding(content[:64])
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, encoding) from error


def _checked(text: io.TextIOWrapper, path: Path, encoding: str) -> Iterator[str]:
    try:
        for number, line in enumerate(iter(lambda: text.readline(MAX_LINE), ""), start=1):
            if "\x00" in line:
                raise ConfigError(
                    f"{path} is not a text table (line {number} holds a NUL character). "
                    "Give CSV, TSV, .xlsx, .ods, JSON, JSON Lines or Parquet."
                )
            if len(line) >= MAX_LINE:
                raise ConfigError(f"Line {number} of {path} is longer than {MAX_LINE:,} characters. Is it a table?")
            yield line
    except UnicodeDecodeError as error:
        raise _not_utf8(path, encoding) from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if not is_gzip(path):
        with path.open("rb") as file:
            yield file
        return
    try:
        with gzip.open(path) as packed:
            yield io.BufferedReader(_Bounded(packed, path), 1 << 16)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} is gzipped and damaged or incomplete ({error}). Download it again.") from error


class _Bounded(io.RawIOBase):
    """Content of a gzip file, with a limit on its size."""

    def __init__(self, packed: gzip.GzipFile, path: Path) -> None:
        self._packed, self._path = packed, path
        self._limit = min(MAX_BYTES, max(_FREE_BYTES, _MAX_RATIO * path.stat().st_size))
        self._n_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        block = self._packed.read(len(buffer))
        self._n_bytes += len(block)
        if self._n_bytes > self._limit:
            raise ConfigError(
                f"{self._path} unpacks to more than {self._limit:,} bytes, which is unusual for a "
                "catalogue. If it is the right file, unpack it first."
            )
        buffer[: len(block)] = block
        return len(block)


def _encoding(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for encoding, zeros, letters in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if zeros and not zeros.strip(b"\0") and b"\0" not in letters:
            return encoding
    return "utf-8-sig"


def _not_utf8(path: Path, encoding: str) -> ConfigError:
    if encoding.startswith("utf-16"):
        return ConfigError(f"The catalogue {path} is damaged UTF-16. Save it as UTF-8 and try again.")
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return ConfigError(
                    f"The catalogue {path} is not UTF-8: line {number} holds byte 0x{line[error.start]:02x}, so it is "
                    "probably Windows-1252 or Latin-1. Save it as UTF-8 (in Excel: 'CSV UTF-8'), or run "
                    f"`iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8-{path.name}`."
                )
    return ConfigError(f"The catalogue {path} is not UTF-8. Save it as UTF-8 and try again.")
