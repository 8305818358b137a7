"""Finds video files in a folder and identifies them by content."""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from urllib.parse import unquote_to_bytes

from cinegrain.errors import MediaError
from cinegrain.media.clock import Deadline
from cinegrain.media.content import holds_film

VIDEO_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("264", "265", "3g2", "3gp", "3gpp", "asf", "avi", "bik", "divx", "dv", "dvr-ms", "evo", "f4v", "flv", "gif"),
        *("gxf", "h264", "h265", "hevc", "ivf", "m1v", "m2p", "m2t", "m2ts", "m2v", "m4v", "mk3d", "mkv", "mov"),
        *("mp4", "mp4v", "mpe", "mpeg", "mpg", "mpv", "mts", "mxf", "nsv", "nut", "ogm", "ogv", "qt", "rm", "rmvb"),
        *("tod", "trp", "ts", "vob", "vro", "webm", "wmv", "wtv", "y4m"),
    )
)
_NO_VIDEO_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        # Pictures and documents.
        *("ai", "arw", "avif", "bmp", "cr2", "dng", "exr", "heic", "heif", "ico", "jfif", "jpe", "jpeg", "jpg", "nef"),
        *("png", "psd", "svg", "tbn", "tif", "tiff", "webp", "bib", "doc", "docx", "epub", "htm", "html", "md", "odt"),
        *("ods", "pdf", "ppt", "pptx", "rtf", "tex", "txt", "xls", "xlsx"),
        # Subtitles, notes and lists beside films.
        *(
            "ass",
            "bup",
            "cue",
            "edl",
            "idx",
            "ifo",
            "lrc",
            "nfo",
            "sami",
            "sbv",
            "scc",
            "smi",
            "srt",
            "ssa",
            "stl",
            "sub",
        ),
        *("sup", "ttml", "vtt", "asx", "m3u", "m3u8", "mpd", "pls", "sdp", "strm", "url", "webloc", "wpl", "xspf"),
        # Data and programs.
        *("cfg", "conf", "css", "csv", "db", "dll", "exe", "ini", "ipynb", "js", "json", "jsonl", "lnk", "log", "npy"),
        *("npz", "parquet", "pkl", "plist", "py", "sh", "sqlite", "toml", "tsv", "xml", "yaml", "yml", "md5", "par2"),
        *("sfv", "sha1", "sha256", "torrent", "aae", "thm", "xmp"),
        # Sound.
        *("aac", "ac3", "aif", "aiff", "amr", "ape", "au", "caf", "dts", "eac3", "flac", "m4a", "m4b", "mid", "midi"),
        *("mka", "mp2", "mp3", "mpa", "oga", "opus", "ra", "spx", "tta", "w64", "wav", "wma", "wv"),
        # Archives, and downloads that are not finished.
        *("7z", "bz2", "gz", "img", "iso", "rar", "tar", "tgz", "xz", "zip", "zst", "aria2", "crdownload", "part"),
        *("partial", "tmp", "!qb", "!ut"),
    )
)
_BLOCK_BYTES = 1 << 20
_ADDRESS = "file://"  # followed by the absolute path
_NOT_TEXT = frozenset(("Cc", "Cs"))  # control characters; bytes that are no UTF-8


def is_video_name(path: Path) -> bool:
    """Whether a file has the extension of a video; the file is not opened."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def find_videos(folder: Path) -> list[Path]:
    """All videos under a folder, sorted; hidden files and files that are not regular are left out.

    A file is recognised by its extension or, if that is unknown or missing, by its content. Links are followed; each
    folder is entered once, so circular links are harmless.

    Raises:
        MediaError: If `folder` is not a folder.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder} is not a folder. Check the path.")
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
        found.extend(path for name in names if is_open_name(name) and _is_video(path := Path(parent, name)))
    return sorted(found)


def is_open_name(name: str) -> bool:
    """Whether a file's name leaves open that it is a video."""
    return not name.startswith(".") and PurePath(name).suffix.lower() not in _NO_VIDEO_SUFFIXES


def _is_video(path: Path) -> bool:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
        return False
    return is_video_name(path) or _holds_film(path, (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=4096)  # watched folders are searched every few seconds
def _holds_film(path: Path, _stamp: tuple[int, int]) -> bool:
    try:
        with path.open("rb") as file:
            return holds_film(file)
    except OSError:
        return False


def path_text(path: Path) -> str:
    """A path as one line of UTF-8, reversible with `text_path`.

    File names may hold any bytes, tables and JSON may not: a path with control characters or bytes that are not UTF-8
    becomes a `file:` URL, others are unchanged.
    """
    text = str(path)
    return path.absolute().as_uri() if plain_text(text) != text else text


def text_path(text: str) -> Path:
    """Inverse of `path_text`."""
    if text.startswith(_ADDRESS + "/"):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_ADDRESS))))
    return Path(text)


def plain_text(text: str) -> str:
    """Text as one line of UTF-8: control characters and invalid bytes become escapes as in Python."""
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _NOT_TEXT else c for c in text)


def file_sha256(path: Path, deadline: Deadline | None = None) -> str:
    """SHA-256 of a regular file, as 64 hexadecimal digits.

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


def files_sha256(files: Sequence[Path], deadline: Deadline | None = None) -> str:
    """SHA-256 of a file, or of the concatenated hexadecimal digests of several.

    Raises:
        MediaError: If a file cannot be read, or the deadline passes.
    """
    digests = [file_sha256(file, deadline) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def joined_stamp(stamps: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Total size in bytes and latest modification time in ns of several files."""
    return sum(size for size, _ in stamps), max(changed for _, changed in stamps)


def check_regular_file(path: Path) -> None:
    """Raises if a path is not a readable file, before anything opens it: opening a named pipe would block.

    Raises:
        MediaError: If `path` is missing, not a regular file, empty, or not readable.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError(f"There is no file at {path}. Check the path and its spelling.") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MediaError(f"The video file {path} cannot be reached: {why}. Check the path.") from error
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{path} is a folder, not a video file. Give the file of the film inside it.")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path} is a pipe or a device, not a video file. Save the film to a file first.")
    if status.st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes). Copy or download the film again.")
    if not os.access(path, os.R_OK):
        raise MediaError(f"There is no permission to read {path}. Change its permissions.")
