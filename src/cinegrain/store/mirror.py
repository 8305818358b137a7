"""A dataset at any address that fsspec can write to, beside a copy in the cache with which Lance works.

Lance writes no file twice and names a table's version in a file of its own, its manifest. So each new file is sent
under another name and then renamed, manifests after all else: whoever reads the address finds a whole version, at
whatever moment the writer was killed. The address is the truth; what it lacks is taken out of the copy.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from cinegrain.errors import CinegrainError, StoreError
from cinegrain.places import cache_folder, open_place, why
from cinegrain.store.schema import INFO_FILE, SCHEMAS, bury_stillborn
from cinegrain.types import Url

_PART, _OLD = ".part", ".old"
_UNSENT = ".unsent"
_HINT = "latest_version_hint.json"  # Lance writes it anew with every version, and does without
_T = TypeVar("_T")


class Mirror:
    """The copy, brought up to date with its address when it is made."""

    def __init__(self, url: Url, home: Path) -> None:
        """Brings what the address has and the copy lacks.

        Args:
            url: Where the dataset lies.
            home: The copy's folder.

        Raises:
            StoreError: If the address cannot be read.
        """
        self.url, self.home = url, home
        self._sent: dict[str, int] = {}
        self._asking(self._pull)

    def push(self) -> None:
        """Sends what is new here, then takes away there what is gone here.

        Raises:
            StoreError: If the address cannot be written.
        """
        self._asking(self._push)

    def begin(self) -> None:
        """Called before the copy is changed: if the change never reaches the address, the copy is not believed."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / _UNSENT).touch()

    def _pull(self) -> None:
        files, inside = open_place(self.url)
        files.invalidate_cache()
        there = {} if not files.exists(inside) else files.find(inside, detail=True)
        prefix = inside.rstrip("/") + "/"
        named = {name.removeprefix(prefix): int(info["size"] or 0) for name, info in there.items()}
        sizes = {name: size for name, size in named.items() if _is_ours(name)}
        whole = {name: size for name, size in sizes.items() if not name.endswith((_PART, _OLD))}
        doubtful = (self.home / _UNSENT).exists()
        here = self._here()
        for name, size in here.items():
            if whole.get(name) != size or name == INFO_FILE or (doubtful and _is_manifest(name)):
                (self.home / name).unlink()
        for hint in self.home.rglob(_HINT):
            hint.unlink()
        source = {name: name for name in whole}
        if INFO_FILE not in whole and INFO_FILE + _OLD in sizes:  # killed between setting it aside and renaming
            source[INFO_FILE] = INFO_FILE + _OLD
        for name, found in source.items():
            path = self.home / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(path.name + _PART)
                files.get_file(prefix + found, str(part))
                part.replace(path)
        bury_stillborn(self.home)
        (self.home / _UNSENT).unlink(missing_ok=True)
        self._sent = sizes  # also what a cut left there in part: not being here, it is taken away with the next push

    def _push(self) -> None:
        files, inside = open_place(self.url)
        prefix, here = inside.rstrip("/") + "/", self._here()
        new = [name for name, size in here.items() if self._sent.get(name) != size or name == INFO_FILE]
        for name in sorted(new, key=lambda name: (_is_manifest(name), name)):
            files.makedirs((prefix + name).rpartition("/")[0], exist_ok=True)
            files.put_file(str(self.home / name), prefix + name + _PART)
            _put_in_place(files, prefix + name)
            self._sent[name] = here[name]
            self._sent.pop(name + _PART, None)
            self._sent.pop(name + _OLD, None)
        gone = set(self._sent) - set(here)
        for name in sorted(gone, key=lambda name: (not _is_manifest(name), name)):
            files.rm_file(prefix + name)
        self._sent = here
        (self.home / _UNSENT).unlink(missing_ok=True)

    def _here(self) -> dict[str, int]:
        """Size in bytes of each file of the copy, by its name below the folder."""
        return {
            path.relative_to(self.home).as_posix(): path.stat().st_size
            for path in self.home.rglob("*")
            if path.is_file() and path.name not in (_UNSENT, _HINT) and path.suffix != _PART
        }

    def _asking(self, work: Callable[[], _T]) -> _T:
        """Says plainly that the address cannot be used.

        Raises:
            StoreError: Where it was something else.
        """
        try:
            return work()
        except CinegrainError:
            raise
        except Exception as error:  # every store has errors of its own
            raise StoreError(f"The dataset at {self.url} cannot be used: {why(error)}.") from error


@functools.lru_cache(maxsize=8)
def mirror_of(url: Url) -> Mirror:
    """The copy of an address in the cache; brought up to date once a process.

    Raises:
        StoreError: If the address cannot be read.
    """
    return Mirror(url, cache_folder() / "datasets" / hashlib.sha256(url.encode()).hexdigest()[:16])


def _put_in_place(files: Any, path: str) -> None:
    """Renames what has been sent; many servers rename onto nothing only, so what is there is set aside first."""
    files.invalidate_cache()
    if files.exists(path):
        if files.exists(path + _OLD):
            files.rm_file(path + _OLD)
        files.mv(path, path + _OLD)
    files.mv(path + _PART, path)
    files.invalidate_cache()
    if files.exists(path + _OLD):
        files.rm_file(path + _OLD)


def _is_ours(name: str) -> bool:
    """Whether a file at the address belongs to a dataset, and can only lie inside its copy."""
    first, *rest = PurePosixPath(name).parts
    if not rest:
        return first in (INFO_FILE, INFO_FILE + _PART, INFO_FILE + _OLD)
    return first in {f"{table}.lance" for table in SCHEMAS} and not {"..", "\\"} & {*rest, *name}


def _is_manifest(name: str) -> bool:
    return "/_versions/" in name
