"""Checks whether the files of a film have changed since it was embedded."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from cinegrain.config import Settings
from cinegrain.errors import CinegrainError, MediaError
from cinegrain.media.clock import Deadline
from cinegrain.media.files import files_sha256, joined_stamp
from cinegrain.media.remote import local_copy, source, source_stamp
from cinegrain.store.schema import TrailerRecord
from cinegrain.types import Source

NO_FILE = (-1, -1)
"""Stamp of a missing or unreachable file."""


def stamp_of(*places: Source) -> tuple[int, int]:
    """Size in bytes and modification time in ns of a film's files; (-1, -1) if one is missing."""
    try:
        return joined_stamp([source_stamp(place) for place in places])
    except (OSError, MediaError):
        return NO_FILE


def is_unchanged(record: TrailerRecord, places: Sequence[Source], settings: Settings) -> bool:
    """Whether files are unchanged: by size and time, and by content if only the time differs.

    Raises:
        MediaError: If they exist but cannot be read.
    """
    if [source(text) for text in _parts(record)] != list(places[1:]):
        return False
    stamp = stamp_of(*places)
    if stamp == (record.size_bytes, record.modified_ns):
        return True
    return stamp[0] == record.size_bytes and _sha256(places, settings) == record.sha256


def verified(record: TrailerRecord, settings: Settings) -> bool | None:
    """Whether a trailer's files are unchanged, always by content if they are local.

    Returns:
        None if they are missing or cannot be read.
    """
    try:
        places = [source(text) for text in (record.path, *_parts(record))]
        if all(isinstance(place, Path) for place in places):
            return _sha256(places, settings) == record.sha256
        return None if stamp_of(*places) == NO_FILE else is_unchanged(record, places, settings)
    except CinegrainError:
        return None


def _parts(record: TrailerRecord) -> list[str]:
    """Further files of a film in several."""
    found = json.loads(record.facts).get("parts", [])
    return list(found)


def _sha256(places: Sequence[Source], settings: Settings) -> str:
    limit_bytes, limit_s = settings.extract.download_limit_bytes, settings.media.time_limit_s
    with ExitStack() as copies:
        here = [
            copies.enter_context(local_copy(place, limit_bytes=limit_bytes, limit_s=limit_s, on_progress=lambda: None))
            for place in places
        ]
        return files_sha256(here, Deadline(limit_s))
