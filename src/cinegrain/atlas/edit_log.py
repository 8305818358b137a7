"""The log of edits of a run: append-only, safe with several editors and `kill -9`."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from cinegrain.atlas.edits import Entry
from cinegrain.errors import ConflictError, StoreError

_WAIT_S = 30.0
_MAX_LOG_BYTES = 1 << 30
_ENTRY = TypeAdapter(Entry)


@dataclass(frozen=True)
class EditLog:
    """Content of a log.

    Attributes:
        entries: Complete entries in order.
        damage: A sentence for every incomplete line, as left by a kill while writing.
    """

    entries: tuple[Entry, ...] = ()
    damage: tuple[str, ...] = ()

    @property
    def version(self) -> int:
        """Number of the last entry, or 0."""
        return len(self.entries)


def read_log(path: Path) -> EditLog:
    """Reads a log; incomplete lines are reported and kept.

    Raises:
        StoreError: If the file cannot be opened, or entries are missing from its middle.
    """
    try:
        if not path.exists():
            return EditLog()
        if path.stat().st_size > _MAX_LOG_BYTES:
            raise StoreError(f"{path} is larger than 1 GiB and so not a log of edits. Restore it from a backup.")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}. Correct its permissions.") from error
    entries: list[Entry] = []
    damage: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = _ENTRY.validate_json(line)
        except ValidationError:
            damage.append(
                f"line {number} of {path.name} is incomplete: writing that edit was interrupted, so it has no effect"
            )
            continue
        if entry.number != len(entries) + 1:
            raise StoreError(
                f"{path}, line {number}: expected entry {len(entries) + 1}, found {entry.id}. Edits are missing or "
                f"doubled{' (line ' + ' and '.join(d.split()[1] for d in damage) + ' is damaged)' if damage else ''}; "
                "restore the file from a backup."
            )
        entries.append(entry)
    return EditLog(tuple(entries), tuple(damage))


@contextmanager
def locked(folder: Path, name: str = ".edits.lock") -> Iterator[None]:
    """Locks a run against edits by other processes.

    Args:
        folder: The run.
        name: Name of the lock; long work has its own.

    Raises:
        StoreError: If another process holds the lock for half a minute, or the folder cannot be written.
    """
    lock = FileLock(folder / name, timeout=_WAIT_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"Another process has been writing to {folder} for {_WAIT_S:.0f} s. Try again later."
        ) from error
    except OSError as error:
        raise StoreError(f"Cannot write to {folder}: {error.strerror or error}. Check its permissions.") from error
    try:
        yield
    finally:
        lock.release()


def add_entries(
    path: Path, make: Callable[[EditLog], Sequence[Entry]], *, expected: int | None = None
) -> tuple[Entry, ...]:
    """Adds entries. They are on disk when this returns.

    Args:
        path: The log.
        make: Returns the new entries for the current log, which is locked meanwhile.
        expected: Version that the editor saw; None skips the check.

    Raises:
        ConflictError: If the log has another version.
        EditError: If `make` raises it.
        StoreError: If the log cannot be read or written.
    """
    with locked(path.parent):
        log = read_log(path)
        if expected is not None and expected != log.version:
            raise ConflictError(_conflict(log, expected))
        entries = tuple(make(log))
        _append(path, b"".join(_ENTRY.dump_json(entry) + b"\n" for entry in entries))
    return entries


def now() -> str:
    """Current time, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _append(path: Path, lines: bytes) -> None:
    if not lines:
        return
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            if size and not _ends_with_newline(path):
                lines = b"\n" + lines  # keep an incomplete line as it is
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if not size:
            _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            os.truncate(path, size)
        raise StoreError(
            f"The edit could not be saved: {path}: {error.strerror or error}. Nothing was changed."
        ) from error


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _sync_folder(folder: Path) -> None:
    """Makes a new file survive a power failure, where folders can be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _conflict(log: EditLog, expected: int) -> str:
    if expected > log.version:
        return f"Your edit is for version {expected}, but the atlas is at version {log.version}. Reload it."
    others = [f"{e.by} {e.said} ({e.id}, {e.at})" for e in log.entries[expected:]]
    more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
    return (
        f"The atlas has been edited since (you saw version {expected}, it is at {log.version}): "
        f"{'; '.join(others[:3])}{more}. Your edit was not made; reload the atlas and repeat it."
    )
