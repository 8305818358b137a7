"""Reads .xlsx, .xls, .xlsb and .ods files."""

import json
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog import sheet_worker
from cinegrain.readers.catalog.delimited import RawRow

MAX_UNPACKED_BYTES = 512 << 20
_MEMORY_BYTES = 3 << 30
_MAX_ROWS = 1_048_576
_MAX_SECONDS = 300


def read_sheets(path: Path) -> dict[str, list[RawRow]]:
    """Non-empty rows of each visible sheet, read in a separate process with limited memory.

    Raises:
        ConfigError: If it is not a spreadsheet, is locked, or is too large.
    """
    if zipfile.is_zipfile(path):
        _check_zip(path)
    command = [sys.executable, "-P", sheet_worker.__file__, str(path), str(_MEMORY_BYTES), str(_MAX_ROWS)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_MAX_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{path} took more than {_MAX_SECONDS} s to open. Save its table as CSV.") from error
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
        why = why if done.returncode == 1 and why else "it needs too much memory for a catalogue"
        raise ConfigError(f"{path} cannot be read as a spreadsheet: {why}. Open it and save it as .xlsx or CSV.")
    sheets: dict[str, list[RawRow]] = {}
    rows: list[RawRow] = []
    for line in done.stdout.split(b"\n"):
        if not line:
            continue
        found = json.loads(line)
        if isinstance(found, dict):
            rows = sheets.setdefault(found["sheet"], [])
        else:
            rows.append(RawRow(*found))
    return sheets


def _check_zip(path: Path) -> None:
    """Measures the unpacked size, since sizes in a zip file may be false."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "mimetype" not in names and "[Content_Types].xml" not in names:
                raise ConfigError(f"{path} is a zip archive ({', '.join(names[:3])}). Unpack it and give the table.")
            if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise ConfigError(f"{path} unpacks to more than {MAX_UNPACKED_BYTES:,} bytes. Save its table as CSV.")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(f"{path} is damaged ({error}). Open it and save it again, or save it as CSV.") from error
    if damaged is not None:
        raise ConfigError(f"{path} is damaged ({damaged}). Open it and save it again, or save it as CSV.")
