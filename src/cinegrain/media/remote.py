"""Films on object stores and the web: found, told apart, and brought here for as long as they are read."""

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
    """A path or an address, as written in a catalogue or on the command line.

    Raises:
        ConfigError: For an address of a kind that films are not read from.
    """
    if not is_address(text):
        return text_path(text)
    return url_of(text)


def source_text(place: Source) -> str:
    """What `source` reads back."""
    return path_text(place) if isinstance(place, Path) else place


def source_name(place: Source) -> str:
    """The last part of a path or an address."""
    return place.name if isinstance(place, Path) else PurePosixPath(unquote(urlsplit(place).path)).name


def find_remote_videos(folder: Url) -> list[Url]:
    """All videos below an address, sorted: told by their endings, and where these are unknown by their content.

    Raises:
        ConfigError: If it cannot be listed; the message says what is missing.
    """
    try:
        files, inside = open_url(folder)
        files.invalidate_cache()
        names = files.find(inside)
    except ConfigError:
        raise
    except Exception as error:  # every store has errors of its own
        raise ConfigError(f"{folder} cannot be listed: {why(error)}.") from error
    # Names come without the host, on which the address of the folder alone can tell.
    below = inside.strip("/")
    urls = (
        Url(name if "://" in name else f"{folder.rstrip('/')}/{name.strip('/').removeprefix(below).lstrip('/')}")
        for name in names
    )
    return sorted(url for url in urls if is_video_name(Path(source_name(url))) or _holds_film(url))


def _holds_film(url: Url) -> bool:
    """Whether an object whose ending is unknown holds a film."""
    name = source_name(url)
    if not name or not is_open_name(name):
        return False
    try:
        files, inside = open_url(url)
        if not may_be_film(files.cat_file(inside, start=0, end=HEAD_BYTES)[:HEAD_BYTES]):
            return False
        with files.open(inside, "rb") as file:
            return holds_film(file)
    except Exception:  # every store has errors of its own, and what cannot be read is no film
        return False


def films_at(texts: Iterable[str]) -> list[Source]:
    """The films that a person names on the command line: files, folders, and addresses of either; each film once.

    What an address without a video's ending stands for shows when it is listed: the films below it, else itself.

    Raises:
        ConfigError: For an address of a kind that films are not read from.
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
    """None where it cannot be listed: reading it will say why."""
    try:
        return find_remote_videos(place)
    except ConfigError:
        return []


def source_stamp(place: Source) -> tuple[int, int]:
    """Size in bytes and time of change in ns (where a store tells none, a number made from its ETag or the like).

    Raises:
        MediaError: If an address cannot be reached.
        OSError: If a file cannot.
    """
    if isinstance(place, Path):
        status = place.stat()
        return status.st_size, status.st_mtime_ns
    with _as_media_error(place):
        files, inside = open_url(place)
        return _stamp(files.info(inside))


@contextmanager
def local_copy(place: Source, *, limit_bytes: int, limit_s: float, on_progress: Callable[[], None]) -> Iterator[Path]:
    """A film as a file of this machine: itself, or a copy that is gone afterwards, on Linux even after `kill -9`.

    Args:
        place: Where it is.
        limit_bytes: What is larger is refused.
        limit_s: For bringing it here.
        on_progress: Called after each block.

    Raises:
        MediaError: If it cannot be had, changes meanwhile, is too large, or there is no room for it; and where
            reading it raises one, then with its address instead of the copy's path.
    """
    if isinstance(place, Path):
        yield place
        return
    # A file without a name on Linux: the kernel takes it away with the process.
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
    # Many web servers cannot give a part of a file: there 0 asks for all of it as one stream.
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
        raise MediaError(f"{url} changed while it was read. Wait until it is written to its end.")


def _check_room(url: Url, n_bytes: int, limit_bytes: int, n_missing: int | None = None) -> None:
    if n_bytes > limit_bytes:
        raise MediaError(
            f"{url} is larger than {limit_bytes / 1e9:g} GB. Raise extract.download_limit_gb if it is a film."
        )
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free - _KEPT_FREE_BYTES
    if (n_bytes if n_missing is None else n_missing) > free:
        raise MediaError(f"There is no room for {url} in {folder}. Name a larger folder in TMPDIR, or free some space.")


@contextmanager
def _as_media_error(url: Url) -> Iterator[None]:
    try:
        yield
    except (MediaError, ConfigError) as error:
        raise MediaError(str(error)) from error
    except FileNotFoundError as error:
        raise MediaError(f"There is nothing at {url}. Check the address.") from error
    except Exception as error:  # every store has errors of its own
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
