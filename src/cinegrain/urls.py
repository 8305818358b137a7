"""Addresses on object stores, servers and the web, through fsspec."""

import os
from pathlib import Path
from typing import Any

import platformdirs

from cinegrain.errors import ConfigError
from cinegrain.types import Url

CACHE_VARIABLE = "CINEGRAIN_CACHE"
# What fsspec knows and what is no place where films lie by themselves: parts of other files, caches and wrappers, this
# machine's own files, and those that hand an address to a program (reference files are templates, dask runs tasks).
_NO_PLACES = frozenset(
    (
        *("async_wrapper", "asyncwrapper", "asynclocal", "blockcache", "cached", "dask", "data", "dir", "file"),
        *("filecache", "generic", "git", "libarchive", "local", "pyscript", "reference", "simplecache", "tar", "zip"),
    )
)


def cache_folder() -> Path:
    """Where weights, graphs and copies are kept: $CINEGRAIN_CACHE or the user's cache folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("cinegrain"))


def is_address(text: str) -> bool:
    """Whether a text is an address and not a path; `file:` addresses are paths."""
    return "://" in text and not text.startswith("file://")


def url_of(text: str) -> Url:
    """An address of a kind that is read: any protocol of fsspec under which files lie by themselves.

    Raises:
        ConfigError: If it is of another kind.
    """
    import fsspec

    scheme = text.partition("://")[0]
    if scheme == "memory":
        raise ConfigError(
            f"{text!r} is in the memory of one process, and films are read by others. Save it to a folder."
        )
    if "::" in text or scheme in _NO_PLACES or scheme not in fsspec.available_protocols():
        raise ConfigError(
            "Films are read from folders and from addresses such as s3://, gs://, az://, https://, ftp:// and sftp:// "
            f"(what fsspec knows, but no chains, archives or caches); found {text!r}."
        )
    return Url(text)


def open_url(url: Url) -> tuple[Any, str]:
    """The file system of an address (credentials and endpoints as its own library finds them), and the path in it.

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
    """What a store's own error says, in plain words; every store has errors of its own."""
    text = " ".join(str(error).split())[:200].rstrip(".")
    if isinstance(error, FileNotFoundError):
        return "there is nothing. Check the address"
    if isinstance(error, PermissionError) or "credential" in text.lower():
        return f"access is refused ({text}). Set the store's credentials, for S3 AWS_ACCESS_KEY_ID and the like"
    return f"{type(error).__name__}: {text}"
