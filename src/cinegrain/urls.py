"""URLs on object stores, servers and the web, through fsspec."""

import os
from pathlib import Path
from typing import Any

import platformdirs

from cinegrain.errors import ConfigError
from cinegrain.types import Url

CACHE_VARIABLE = "CINEGRAIN_CACHE"
# Protocols of fsspec that films are not read from: parts of other files, caches and wrappers, local files, and those
# that pass a URL to a program (reference files are templates, dask runs tasks).
_NO_PLACES = frozenset(
    (
        *("async_wrapper", "asyncwrapper", "asynclocal", "blockcache", "cached", "dask", "data", "dir", "file"),
        *("filecache", "generic", "git", "libarchive", "local", "pyscript", "reference", "simplecache", "tar", "zip"),
    )
)


def cache_folder() -> Path:
    """Folder of weights, graphs and copies: $CINEGRAIN_CACHE or the user's cache folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("cinegrain"))


def is_address(text: str) -> bool:
    """Whether a text is a URL and not a path; `file:` URLs are paths."""
    return "://" in text and not text.startswith("file://")


def url_of(text: str) -> Url:
    """A URL that films can be read from.

    Raises:
        ConfigError: If its protocol is not supported.
    """
    import fsspec

    scheme = text.partition("://")[0]
    if scheme == "memory":
        raise ConfigError(
            f"{text!r} is in the memory of one process, but films are read by others. Save it to a folder."
        )
    if "::" in text or scheme in _NO_PLACES or scheme not in fsspec.available_protocols():
        raise ConfigError(
            f"Films cannot be read from {text!r}. Use a folder, or a URL such as s3://, gs://, az://, https://, ftp:// "
            "or sftp:// (protocols of fsspec, without chains, archives and caches)."
        )
    return Url(text)


def open_url(url: Url) -> tuple[Any, str]:
    """File system of a URL (with credentials from its own library), and the path in it.

    Raises:
        ConfigError: If a package is missing.
    """
    import fsspec

    scheme = url.partition("://")[0]
    try:
        files, inside = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ConfigError(f"Reading {scheme}:// needs one more package: {str(error).rstrip('.')}.") from error
    return files, inside


def why(error: Exception) -> str:
    """A store's error in plain words."""
    text = " ".join(str(error).split())[:200].rstrip(".")
    if isinstance(error, FileNotFoundError):
        return "there is nothing. Check the URL"
    if isinstance(error, PermissionError) or "credential" in text.lower():
        return f"access was denied ({text}). Set the store's credentials, for S3 AWS_ACCESS_KEY_ID and so on"
    return f"{type(error).__name__}: {text}"
