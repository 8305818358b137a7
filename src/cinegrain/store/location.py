"""Where a dataset lies: a folder, an object store that Lance itself writes to, or any other address of fsspec."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cinegrain.errors import CinegrainError, ConfigError, StoreError
from cinegrain.places import is_address, open_place, url_of, why
from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.store.mirror import mirror_of
from cinegrain.store.schema import INFO_FILE, bury_stillborn, table_path
from cinegrain.types import JsonObject, Source, Url

_OF_LANCE = ("s3://", "gs://", "az://")
_READ_ONLY = ("http://", "https://", "github://", "gist://")


def dataset_url(text: str) -> Url:
    """An address that a dataset can be written to.

    Raises:
        ConfigError: If nothing can be written there.
    """
    if not is_address(text) or text.startswith(_READ_ONLY):
        raise ConfigError(
            f"A dataset lies in a folder or at an address that can be written, such as s3://bucket/dataset, gs://, "
            f"az://, ftp:// or sftp://; found {text!r}. Leave extract.dataset empty for the run folder."
        )
    return Url(url_of(text).rstrip("/"))


class Location:
    """The files of a dataset; what is on an object store is read and written whole, and so never in part."""

    def __init__(self, place: Source) -> None:
        self.place = place
        own = isinstance(place, Path) or place.startswith(_OF_LANCE)
        self._mirror = None if own or isinstance(place, Path) else mirror_of(place)
        self._lies: Source = self._mirror.home if self._mirror else place  # where Lance finds it
        self._known: set[str] = set()

    def __str__(self) -> str:
        return str(self.place)

    def table(self, table: str) -> str:
        """What Lance calls a table."""
        return str(table_path(self._lies, table)) if isinstance(self._lies, Path) else f"{self._lies}/{table}.lance"

    def has_table(self, table: str) -> bool:
        """Whether a table is there."""
        if isinstance(self._lies, Path):
            return table_path(self._lies, table).exists()
        if table not in self._known and any(n.endswith(".manifest") for n in self._find(f"{table}.lance/_versions")):
            self._known.add(table)
        return table in self._known

    def has_info(self) -> bool:
        """Whether there is a dataset at all."""
        if isinstance(self._lies, Path):
            return (self._lies / INFO_FILE).is_file()
        return bool(self._ask("exists", INFO_FILE))

    def read_info(self) -> JsonObject:
        """What dataset.json says.

        Raises:
            StoreError: If it is missing or damaged.
        """
        if isinstance(self._lies, Path):
            found: JsonObject = read_json(self._lies / INFO_FILE)
            return found
        try:
            found = json.loads(self._ask("cat_file", INFO_FILE))
        except ValueError as error:
            raise StoreError(f"{self._lies}/{INFO_FILE} cannot be read: {error}.") from error
        return found

    def write_info(self, info: JsonObject) -> None:
        """Writes dataset.json.

        Raises:
            StoreError: If the place cannot be written.
        """
        if isinstance(self._lies, Path):
            with self._sending():
                write_json(self._lies / INFO_FILE, info)
        else:
            self._ask("pipe_file", INFO_FILE, json.dumps(info, indent=2, ensure_ascii=False, allow_nan=False).encode())

    @contextmanager
    def writing(self, table: str) -> Iterator[str]:
        """What Lance calls a table that is about to be written; it is where it belongs when this ends.

        Raises:
            StoreError: Where there was an OSError.
        """
        path = self.table(table)
        try:
            with self._sending():
                yield path
        except OSError as error:
            raise StoreError(
                f"Could not write to {self.place}: {error}. Free some space and run the same command again; "
                "everything written so far is kept."
            ) from error

    @contextmanager
    def _sending(self) -> Iterator[None]:
        if self._mirror:
            self._mirror.begin()
        yield
        if self._mirror:
            self._mirror.push()

    def size_bytes(self) -> int:
        """How much is stored."""
        if isinstance(self._lies, Path):
            return sum(path.stat().st_size for path in self._lies.rglob("*") if path.is_file())
        return sum(int(info["size"] or 0) for info in self._ask("find", "", detail=True).values())

    def bury_stillborn(self) -> None:
        """Takes away tables whose very first write was cut off: without any version, they cannot be opened.

        On an object store they are not found at all, and the next write takes their place.
        """
        if isinstance(self._lies, Path):
            bury_stillborn(self._lies)

    def _find(self, below: str) -> list[str]:
        return list(self._ask("find", below))

    def _ask(self, what: str, name: str, *args: Any, **kwargs: Any) -> Any:
        """One request.

        Raises:
            StoreError: If it fails.
        """
        url = Url(f"{self._lies}/{name}".rstrip("/"))
        try:
            files, inside = open_place(url)
            files.invalidate_cache()
            return getattr(files, what)(inside, *args, **kwargs)
        except CinegrainError:
            raise
        except Exception as error:
            raise StoreError(f"{url} cannot be used: {why(error)}.") from error
