"""Addresses on object stores and the web, through fsspec."""

from typing import Any

from cinegrain.errors import ConfigError
from cinegrain.types import Url

# Others of fsspec's many reach further than they should, such as into archives, caches and code repositories.
PACKAGES = {
    "s3": "'cinegrain[s3]'",
    "gs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
}


def is_address(text: str) -> bool:
    """Whether a text is an address and not a path; `file:` addresses are paths."""
    return "://" in text and not text.startswith("file://")


def url_of(text: str) -> Url:
    """An address of a kind that is read.

    Raises:
        ConfigError: If it is of another kind.
    """
    if text.partition("://")[0] not in PACKAGES or "::" in text:
        raise ConfigError(f"Films are read from folders and {', '.join(f'{s}://' for s in PACKAGES)}; found {text!r}.")
    return Url(text)


def open_place(url: Url) -> tuple[Any, str]:
    """The file system of an address (credentials and endpoints as its own library finds them), and the path in it.

    Raises:
        ConfigError: If a package is missing.
    """
    import fsspec

    scheme = url.partition("://")[0]
    try:
        files, inside = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ConfigError(f"Reading {scheme}:// needs one more package: pip install {PACKAGES[scheme]}.") from error
    return files, inside


def why(error: Exception) -> str:
    """What a store's own error says, in plain words; every store has errors of its own."""
    text = " ".join(str(error).split())[:200].rstrip(".")
    if isinstance(error, FileNotFoundError):
        return "there is nothing. Check the address"
    if isinstance(error, PermissionError) or "credential" in text.lower():
        return f"access is refused ({text}). Set the store's credentials, for S3 AWS_ACCESS_KEY_ID and its kin"
    return f"{type(error).__name__}: {text}"
