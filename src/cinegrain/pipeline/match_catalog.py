"""Matches a folder of videos with a catalogue."""

from collections.abc import Sequence
from pathlib import Path

from cinegrain.errors import ConfigError, DataError
from cinegrain.media.files import find_videos
from cinegrain.media.remote import find_remote_videos, source_text
from cinegrain.pipeline.find_files import shown
from cinegrain.pipeline.matching import MatchedRow, match_rows
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.readers.catalog.read import read_catalog
from cinegrain.runs.catalog import FoundFile, Matched
from cinegrain.types import Source, Trailer


def match_catalog(videos: Source, catalog: Path, reading: Reading = AS_FOUND) -> Matched:
    """Finds the file of each row by its path, or by title and year if the catalogue has no file.

    URLs are not checked until they are read.

    Args:
        videos: Folder or its URL.
        catalog: The catalogue.
        reading: How to read its columns and genres.

    Raises:
        ConfigError: If the folder or the catalogue cannot be read.
        DataError: If the folder holds no videos, or no row has a file.
    """
    if isinstance(videos, Path) and not videos.is_dir():
        raise ConfigError(f"There is no folder at {videos}. Give the folder of the videos.")
    read = read_catalog(catalog, columns=reading.columns, genre_map=reading.genre_map)
    files: Sequence[Source] = find_videos(videos) if isinstance(videos, Path) else find_remote_videos(videos)
    matching = match_rows(read.rows, files, videos, catalog.parent)
    notes = [*read.notes, *matching.notes]
    trailers: list[Trailer] = []
    for match in matching.rows:
        row, (first, *parts) = match.row, [p.resolve() if isinstance(p, Path) else p for p in match.paths]
        if not row.genres:
            notes.append(
                f"catalogue row {row.file or row.title!r} has no genre and is not used to train the genre model"
            )
        trailers.append(Trailer(row.trailer_id, first, row.title, row.genres, row.year, row.text, tuple(parts)))
    used = {path for match in matching.rows for path in match.paths}
    notes += [
        f"file {shown(path, videos)!r} has no catalogue row and is left out" for path in files if path not in used
    ]
    if not trailers and not files:
        raise DataError(f"There are no videos in {videos} (searched for .mp4, .mkv, .webm, .mov, .mpg and others).")
    if not trailers:
        raise DataError(
            f"No row of {catalog} names a file below {videos}. {' '.join(_example(matching.notes))}".rstrip()
        )
    return Matched(
        tuple(sorted(trailers, key=lambda t: t.trailer_id)), tuple(notes), tuple(map(_found_file, matching.told))
    )


def _example(notes: Sequence[str]) -> list[str]:
    """The first note with a similar file, else the first note."""
    return [f"For example {note}." for note in sorted(notes, key=lambda note: "nearest" not in note)[:1]]


def _found_file(match: MatchedRow) -> FoundFile:
    row, files = match.row, "|".join(source_text(path) for path in match.paths)
    return FoundFile(row.trailer_id, row.title, row.year, row.file, files, match.how, f"{match.confidence:.2f}")
