"""Finding video files in a folder and telling them apart by their content."""

import hashlib
import os
import stat
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes

from cinegrain.errors import MediaError
from cinegrain.media.clock import Deadline

VIDEO_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("3gp", "asf", "avi", "divx", "f4v", "flv", "gif", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4"),
        *("mpeg", "mpg", "mts", "mxf", "ogm", "ogv", "ts", "vob", "webm", "wmv"),
    )
)
_BLOCK_BYTES = 1 << 20
_ADDRESS = "file://"  # followed by the absolute path
_NOT_TEXT = frozenset(("Cc", "Cs"))  # control characters; bytes that are no UTF-8


def is_video_name(path: Path) -> bool:
    """Whether a file's name ends like a video's; the file itself is not looked at."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def find_videos(folder: Path) -> list[Path]:
    """All regular files under a folder that are named like videos, sorted; hidden ones are left out.

    Links are followed, each folder is entered once, so a link that points back does no harm.

    Raises:
        MediaError: If `folder` is not a folder.
    """
    if not folder.is_dir():
        raise MediaError(f"Expected a folder of videos at {folder}, but found none. Check the path.")
    entered: set[tuple[int, int]] = set()
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        status = Path(parent).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in entered:
            folders.clear()
            continue
        entered.add(identity)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(parent) / name for name in names)
        found.extend(path for path in paths if is_video_name(path) and path.is_file())
    return sorted(found)


def path_text(path: Path) -> str:
    """A path as one line of plain UTF-8, from which it can be had back.

    File systems allow any bytes in names, tables and JSON do not: a path with bytes that are no UTF-8, or with
    line breaks and other control characters, is written as a `file:` address, all others as they are.
    """
    text = str(path)
    return path.absolute().as_uri() if plain_text(text) != text else text


def text_path(text: str) -> Path:
    """The path that `path_text` wrote."""
    if text.startswith(_ADDRESS + "/"):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_ADDRESS))))
    return Path(text)


def plain_text(text: str) -> str:
    """Text as one line of UTF-8: control characters, and bytes that are none, become escapes as in Python."""
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _NOT_TEXT else c for c in text)


def file_sha256(path: Path, deadline: Deadline | None = None) -> str:
    """The SHA-256 of a regular file's bytes, as 64 hexadecimal digits.

    Raises:
        MediaError: If there is no readable, non-empty regular file at `path`, or the deadline passes.
    """
    check_regular_file(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if deadline is not None:
                deadline.check()
            digest.update(block)
    return digest.hexdigest()


def check_regular_file(path: Path) -> None:
    """Refuse what is no file to read, before anything opens it: opening a named pipe would wait for ever.

    Raises:
        MediaError: If `path` is missing, is no regular file, is empty, or may not be read.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError(f"There is no file at {path}. Check the path.") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MediaError(f"The video file {path} cannot be reached: {why}. Check the path.") from error
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"Expected a video file, but {path} is a folder. Name the file inside it that holds the film.")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"Expected a video file, but {path} is a pipe or a device. Save the film to a file first.")
    if status.st_size == 0:
        raise MediaError(f"Expected a video file, but {path} is empty (0 bytes). Copy or download the film again.")
    if not os.access(path, os.R_OK):
        raise MediaError(f"The video file {path} may not be read. Give yourself permission to read it.")
