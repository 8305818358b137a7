"""Location of a dataset: a folder, or an object store that Lance writes to."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cinegrain.errors import CinegrainError, ConfigError, StoreError
from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.store.schema import INFO_FILE, SCHEMAS, DatasetInfo, parse_info, table_path
from cinegrain.types import Source, Url
from cinegrain.urls import open_url, url_of, why

_OF_LANCE = ("s3://", "gs://", "az://")


def dataset_url(text: str) -> Url:
    """URL of a dataset on an object store.

    Raises:
        ConfigError: If Lance cannot write there.
    """
    if not text.startswith(_OF_LANCE):
        raise ConfigError(
            f"A dataset lies in a run folder or on an object store (s3://bucket/dataset, gs://, az://), not at {text}. "
            "Leave extract.dataset empty for the run folder; to use another server, mount it and name the folder."
        )
    return Url(url_of(text).rstrip("/"))


class Location:
    """Files of a dataset; objects on a store are read and written as a whole."""

    def __init__(self, place: Source) -> None:
        """Checks the URL; opens nothing.

        Raises:
            ConfigError: If Lance cannot write there.
        """
        self.place: Source = place if isinstance(place, Path) else dataset_url(place)
        self._known: set[str] = set()

    def __str__(self) -> str:
        return str(self.place)

    def table(self, table: str) -> str:
        """URI of a table for Lance."""
        return str(table_path(self.place, table)) if isinstance(self.place, Path) else f"{self.place}/{table}.lance"

    def has_table(self, table: str) -> bool:
        """Whether a table exists."""
        if isinstance(self.place, Path):
            return table_path(self.place, table).exists()
        if table not in self._known and any(n.endswith(".manifest") for n in self._find(f"{table}.lance/_versions")):
            self._known.add(table)
        return table in self._known

    def has_info(self) -> bool:
        """Whether there is a dataset."""
        if isinstance(self.place, Path):
            return (self.place / INFO_FILE).is_file()
        return bool(self._ask("exists", INFO_FILE))

    def read_info(self) -> DatasetInfo:
        """The content of dataset.json.

        Raises:
            StoreError: If it is missing, damaged, or of a version that cannot be read.
        """
        if isinstance(self.place, Path):
            return parse_info(read_json(self.place / INFO_FILE), self.place)
        try:
            return parse_info(json.loads(self._ask("cat_file", INFO_FILE)), self.place)
        except ValueError as error:
            raise StoreError(f"{self.place}/{INFO_FILE} cannot be read: {error}.") from error

    def write_info(self, info: DatasetInfo) -> None:
        """Writes dataset.json.

        Raises:
            StoreError: If the place cannot be written.
        """
        if isinstance(self.place, Path):
            write_json(self.place / INFO_FILE, info)
        else:
            self._ask(
                "pipe_file", INFO_FILE, json.dumps(asdict(info), indent=2, ensure_ascii=False, allow_nan=False).encode()
            )

    @contextmanager
    def writing(self, table: str) -> Iterator[str]:
        """URI of a table to be written; a context that turns OSError into StoreError.

        Raises:
            StoreError: If writing failed.
        """
        try:
            yield self.table(table)
        except OSError as error:
            raise StoreError(
                f"Could not write to {self.place}: {error}. Free some space and run the same command again; "
                "everything written so far is kept."
            ) from error

    def size_bytes(self) -> int:
        """Size of all files."""
        if isinstance(self.place, Path):
            return sum(path.stat().st_size for path in self.place.rglob("*") if path.is_file())
        return sum(int(info["size"] or 0) for info in self._ask("find", "", detail=True).values())

    def drop_empty_tables(self) -> None:
        """Deletes tables whose first write was interrupted: they have no version and cannot be opened.

        On an object store such tables are not seen, and the next write replaces them.
        """
        for path in (table_path(self.place, table) for table in SCHEMAS) if isinstance(self.place, Path) else ():
            if path.exists() and not any(path.glob("_versions/*.manifest")):
                shutil.rmtree(path)

    def _find(self, below: str) -> list[str]:
        return list(self._ask("find", below))

    def _ask(self, what: str, name: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of the file system.

        Raises:
            StoreError: If it fails.
        """
        url = Url(f"{self.place}/{name}".rstrip("/"))
        try:
            files, inside = open_url(url)
            files.invalidate_cache()
            return getattr(files, what)(inside, *args, **kwargs)
        except CinegrainError:
            raise
        except Exception as error:
            raise StoreError(f"{url} cannot be used: {why(error)}.") from error
