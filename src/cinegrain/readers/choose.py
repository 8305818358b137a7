"""Chooses the reader of a file of vectors."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from cinegrain.errors import ConfigError, DataError
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.readers.foreign import ForeignTrailer, ForeignVectors
from cinegrain.readers.ids import join, read_id_catalog
from cinegrain.types import Trailer

FORMATS = ("auto", "vectors", "mmx", "trailers12k")
_PICKLES = (".pkl", ".pickle", ".p")


def open_vectors(
    path: Path,
    catalog: Path | None,
    *,
    form: str = "auto",
    remap: Mapping[str, str] | None = None,
    reading: Reading = AS_FOUND,
) -> ForeignVectors:
    """Opens vectors computed elsewhere.

    Args:
        path: The file, or the folder of a Zarr store.
        catalog: Titles and genres by id; optional for pickles, which have labels.
        form: One of FORMATS; auto goes by the extension.
        remap: For mmx: old prefixes of tensor paths and their replacements.
        reading: How to read the catalogue.

    Raises:
        ConfigError: If the format is unknown, or a required catalogue is missing.
        DataError: If the file cannot be used.
    """
    if form not in FORMATS:
        raise ConfigError(f"{form!r} is not a format of vectors. Use {', '.join(FORMATS)}.")
    if not path.exists():
        raise ConfigError(f"There is nothing at {path}. Give a file of vectors, or the folder of a Zarr store.")
    form = _form(path) if form == "auto" else form
    if form == "mmx":
        from cinegrain.readers.mmx import MmxVectors

        pickled = MmxVectors(path, remap)
        return pickled if catalog is None else Relabelled(pickled, catalog, reading)
    if catalog is None:
        raise ConfigError(f"{path} has no genres. Give a table with ids and genres with --catalog.")
    if form == "trailers12k":
        from cinegrain.readers.trailers12k import Trailers12kVectors

        return Trailers12kVectors(path, catalog, reading)
    from cinegrain.readers.plain_vectors import PlainVectors

    return PlainVectors(path, catalog, reading)


def _form(path: Path) -> str:
    if path.is_dir():
        return "trailers12k"
    return "mmx" if path.suffix.lower() in _PICKLES else "vectors"


class Relabelled:
    """Vectors whose titles and genres come from a catalogue instead of the file."""

    def __init__(self, vectors: ForeignVectors, catalog: Path, reading: Reading = AS_FOUND) -> None:
        """Joins vectors and catalogue by id.

        Raises:
            ConfigError: If the catalogue cannot be used.
            DataError: If they have no id in common.
        """
        self._vectors = vectors
        self.kind, self.path = vectors.kind, vectors.path
        ids = [trailer.trailer_id for trailer in vectors.trailers]
        self.trailers, self._joined = join(ids, read_id_catalog(catalog, vectors.path, reading))
        if not self.trailers:
            raise DataError(f"No id of {self.path} (for example {ids[0]!r}) is in {catalog}.")
        self._films: dict[str, Trailer] = {trailer.trailer_id: trailer for trailer in self.trailers}

    @property
    def notes(self) -> list[str]:
        """A note for each oddity."""
        return [*self._vectors.notes, *self._joined]

    def read(self) -> Iterator[ForeignTrailer]:
        """The films one by one."""
        for film in self._vectors.read():
            trailer = self._films.get(film.trailer.trailer_id)
            if trailer is not None:
                yield replace(film, trailer=trailer)
