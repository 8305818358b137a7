"""Films on object stores and the web: lists and downloads them."""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from cinegrain.errors import ConfigError, MediaError
from cinegrain.media.clock import Deadline
from cinegrain.media.content import HEAD_BYTES, holds_film, may_be_film
from cinegrain.media.files import find_videos, is_open_name, is_video_name, path_text, text_path
from cinegrain.types import Source, Url
from cinegrain.urls import is_address, open_url, url_of, why

_BLOCK_BYTES = 4 << 20
_KEPT_FREE_BYTES = 1 << 30
_TIMES = ("mtime", "LastModified", "last_modified", "modified", "updated", "created")
_MARKS = ("ETag", "etag", "content_md5", "md5Hash", "modify", "modificationTime", "blob_id", "sha")


def source(text: str) -> Source:
    """A path or a URL, as written in a catalogue or on the command line.

    Raises:
        ConfigError: If films are not read from URLs of this kind.
    """
    if not is_address(text):
        return text_path(text)
    return url_of(text)


def source_text(place: Source) -> str:
    """Inverse of `source`."""
    return path_text(place) if isinstance(place, Path) else place


def source_name(place: Source) -> str:
    """The last part of a path or a URL."""
    return place.name if isinstance(place, Path) else PurePosixPath(unquote(urlsplit(place).path)).name


def find_remote_videos(folder: Url) -> list[Url]:
    """All videos below a URL, sorted; recognised by extension or, if that is unknown, by content.

    Raises:
        ConfigError: If it cannot be listed.
    """
    try:
        files, inside = open_url(folder)
        files.invalidate_cache()
        names = files.find(inside)
    except ConfigError:
        raise
    except Exception as error:  # every store raises its own errors
        raise ConfigError(f"{folder} cannot be listed: {why(error)}.") from error
    # Names come without the host, which only the URL of the folder has.
    below = inside.strip("/")
    urls = (
        Url(name if "://" in name else f"{folder.rstrip('/')}/{name.strip('/').removeprefix(below).lstrip('/')}")
        for name in names
    )
    return sorted(url for url in urls if is_video_name(Path(source_name(url))) or _holds_film(url))


def _holds_film(url: Url) -> bool:
    """Whether an object with an unknown extension is a film."""
    name = source_name(url)
    if not name or not is_open_name(name):
        return False
    try:
        files, inside = open_url(url)
        if not may_be_film(files.cat_file(inside, start=0, end=HEAD_BYTES)[:HEAD_BYTES]):
            return False
        with files.open(inside, "rb") as file:
            return holds_film(file)
    except Exception:  # every store raises its own errors; what cannot be read is not a film
        return False


def films_at(texts: Iterable[str]) -> list[Source]:
    """Films given on the command line as files, folders and URLs, each once.

    A URL without the extension of a video is listed: it stands for the films below it, or for itself if there are none.

    Raises:
        ConfigError: If films are not read from URLs of this kind.
    """
    found: list[Source] = []
    for text in texts:
        place = source(text)
        if isinstance(place, Path):
            found += find_videos(place) if place.is_dir() else [place]
        elif is_video_name(Path(source_name(place))):
            found.append(place)
        else:
            found += _films_below(place) or [place]
    return list(dict.fromkeys(found))


def _films_below(place: Url) -> list[Url]:
    """Films below a URL; None if it cannot be listed, so that reading it reports why."""
    try:
        return find_remote_videos(place)
    except ConfigError:
        return []


def source_stamp(place: Source) -> tuple[int, int]:
    """Size in bytes and modification time in ns (or a number from the ETag, where a store has no times).

    Raises:
        MediaError: If a URL cannot be reached.
        OSError: If a file cannot be reached.
    """
    if isinstance(place, Path):
        status = place.stat()
        return status.st_size, status.st_mtime_ns
    with _as_media_error(place):
        files, inside = open_url(place)
        return _stamp(files.info(inside))


@contextmanager
def local_copy(place: Source, *, limit_bytes: int, limit_s: float, on_progress: Callable[[], None]) -> Iterator[Path]:
    """A film as a local file: itself, or a temporary copy that is removed even after `kill -9` (on Linux).

    Args:
        place: Path or URL.
        limit_bytes: Maximum size.
        limit_s: Time limit for the download.
        on_progress: Called after each block.

    Raises:
        MediaError: If it cannot be downloaded, changes meanwhile, is too large, or the disk is full. MediaErrors raised
            inside the context name the URL instead of the copy.
    """
    if isinstance(place, Path):
        yield place
        return
    # On Linux a file without a name, which the kernel removes with the process.
    make = tempfile.TemporaryFile if sys.platform == "linux" else tempfile.NamedTemporaryFile
    with make() as copy:
        with _as_media_error(place):
            _fetch(place, copy, limit_bytes, Deadline(limit_s), on_progress)
        path = Path(f"/proc/self/fd/{copy.fileno()}") if sys.platform == "linux" else Path(copy.name)
        try:
            yield path
        except MediaError as error:
            raise MediaError(str(error).replace(str(path), place)) from error


def _fetch(url: Url, copy: Any, limit_bytes: int, deadline: Deadline, on_progress: Callable[[], None]) -> None:
    files, inside = open_url(url)
    info = files.info(inside)
    _check_room(url, int(info.get("size") or 0), limit_bytes)
    n_bytes = 0
    reader: BinaryIO
    # 0 requests the whole file as one stream, since many web servers do not serve ranges.
    block_bytes = 0 if url.startswith("http") else _BLOCK_BYTES
    with files.open(inside, "rb", block_size=block_bytes) as reader:
        while block := reader.read(_BLOCK_BYTES):
            n_bytes += len(block)
            _check_room(url, n_bytes, limit_bytes, n_missing=len(block))
            copy.write(block)
            deadline.check()
            on_progress()
    copy.flush()
    files.invalidate_cache()
    if _stamp(files.info(inside)) != _stamp(info) or info.get("size") not in (None, n_bytes):
        raise MediaError(f"{url} changed while it was read. Wait until it is complete.")


def _check_room(url: Url, n_bytes: int, limit_bytes: int, n_missing: int | None = None) -> None:
    if n_bytes > limit_bytes:
        raise MediaError(
            f"{url} is larger than {limit_bytes / 1e9:g} GB. Raise extract.download_limit_gb if it is a film."
        )
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free - _KEPT_FREE_BYTES
    if (n_bytes if n_missing is None else n_missing) > free:
        raise MediaError(f"There is no space for {url} in {folder}. Set TMPDIR to a larger folder, or free some space.")


@contextmanager
def _as_media_error(url: Url) -> Iterator[None]:
    try:
        yield
    except (MediaError, ConfigError) as error:
        raise MediaError(str(error)) from error
    except FileNotFoundError as error:
        raise MediaError(f"There is nothing at {url}. Check the URL.") from error
    except Exception as error:  # every store raises its own errors
        raise MediaError(f"{url} cannot be read: {why(error)}.") from error


def _stamp(info: dict[str, Any]) -> tuple[int, int]:
    size = int(info.get("size") or 0)
    for name in _TIMES:
        found = info.get(name)
        if isinstance(found, str):
            try:
                found = datetime.fromisoformat(found)
            except ValueError:
                continue
        if isinstance(found, datetime):
            whole = found if found.tzinfo else found.replace(tzinfo=UTC)
            return size, int(whole.timestamp() * 1e6) * 1000
        if isinstance(found, int | float):
            return size, int(found * 1e6) * 1000
    mark = next((str(info[name]) for name in _MARKS if info.get(name)), "")
    return size, int(hashlib.sha256(mark.encode()).hexdigest()[:15], 16) if mark else 0
