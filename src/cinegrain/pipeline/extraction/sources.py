"""Is a film still the file that it was when it was embedded?"""

from pathlib import Path

from cinegrain.config import Settings
from cinegrain.errors import CinegrainError, MediaError
from cinegrain.media.clock import Deadline
from cinegrain.media.files import file_sha256
from cinegrain.media.remote import local_copy, remote_stamp, source
from cinegrain.store.schema import TrailerRecord
from cinegrain.types import Source, Url

NO_FILE = (-1, -1)
"""Stamp of what is not there, or cannot be reached."""


def stamp_of(place: Source) -> tuple[int, int]:
    """Size in bytes and time of change in ns; (-1, -1) if there is nothing to be had."""
    try:
        if not isinstance(place, Path):
            return remote_stamp(place)
        status = place.stat()
    except (OSError, MediaError):
        return NO_FILE
    return (status.st_size, status.st_mtime_ns)


def is_unchanged(record: TrailerRecord, place: Source, settings: Settings) -> bool:
    """Whether the file at a place is the trailer's: by size and time, and by content where only the time is another.

    Raises:
        MediaError: If it is there but cannot be read.
    """
    stamp = stamp_of(place)
    if stamp == (record.size_bytes, record.modified_ns):
        return True
    if stamp[0] != record.size_bytes:
        return False
    if isinstance(place, Path):
        return file_sha256(place) == record.sha256
    return _remote_sha256(place, settings) == record.sha256


def verified(record: TrailerRecord, settings: Settings) -> bool | None:
    """Whether a trailer's file is still the same, always by content where it lies on this machine.

    Returns:
        None if it is not there, or cannot be read.
    """
    try:
        place = source(record.path)
        if isinstance(place, Path):
            return file_sha256(place) == record.sha256
        return None if stamp_of(place) == NO_FILE else is_unchanged(record, place, settings)
    except CinegrainError:
        return None


def _remote_sha256(url: Url, settings: Settings) -> str:
    limit_bytes, deadline = settings.extract.download_limit_bytes, Deadline(settings.media.time_limit_s)
    with local_copy(url, limit_bytes=limit_bytes, deadline=deadline, on_progress=lambda: None) as copy:
        return file_sha256(copy)
