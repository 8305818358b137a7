"""What one dataset folder holds: three Lance tables and a readable `dataset.json`.

trailers.lance     one row a trailer; its row is written last and marks it, with the experts it names, as whole
scenes.lance       one row a scene: times and a thumbnail
embeddings.lance   one row for each trailer, scene and expert
dataset.json       format, expert cards with the key of what their vectors depend on, settings
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from cinegrain.errors import StoreError
from cinegrain.results import from_json
from cinegrain.types import SceneEmbedding, Source

FORMAT = 2
"""2: sound without its pauses, pictures without bars, combs and flat HDR. 1 is read as it is, and extracted again."""
_READABLE = (1, FORMAT)
INFO_FILE = "dataset.json"
TRAILERS, SCENES, EMBEDDINGS = "trailers", "scenes", "embeddings"

_CONCEPTS = pa.list_(pa.struct([("name", pa.string()), ("score", pa.float32())]))
SCHEMAS = {
    TRAILERS: pa.schema(
        [
            pa.field("trailer_id", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("sha256", pa.string(), nullable=False),
            pa.field("size_bytes", pa.int64(), nullable=False),
            pa.field("modified_ns", pa.int64(), nullable=False),
            pa.field("duration_s", pa.float64(), nullable=False),
            pa.field("n_scenes", pa.int32(), nullable=False),
            pa.field("flags", pa.list_(pa.string()), nullable=False),
            pa.field("experts", pa.list_(pa.string()), nullable=False),
            pa.field("facts", pa.string(), nullable=False),
        ]
    ),
    SCENES: pa.schema(
        [
            pa.field("trailer_id", pa.string(), nullable=False),
            pa.field("scene", pa.int32(), nullable=False),
            pa.field("start_s", pa.float64(), nullable=False),
            pa.field("end_s", pa.float64(), nullable=False),
            pa.field("thumbnail", pa.binary()),
        ]
    ),
    EMBEDDINGS: pa.schema(
        [
            pa.field("trailer_id", pa.string(), nullable=False),
            pa.field("scene", pa.int32(), nullable=False),
            pa.field("expert", pa.string(), nullable=False),
            pa.field("start_s", pa.float64(), nullable=False),
            pa.field("end_s", pa.float64(), nullable=False),
            pa.field("vector", pa.list_(pa.float16()), nullable=False),
            pa.field("concepts", _CONCEPTS, nullable=False),
        ]
    ),
}


@dataclass(frozen=True)
class StoredExpert:
    """An expert as dataset.json describes it: its card when its vectors were made, and what they depend on.

    Attributes:
        needs: What the expert takes from a scene; `vectors` if they were computed elsewhere.
        weights: Source, hash, size and licence of each file.
        key: Hash of everything that its vectors depend on.
    """

    name: str
    modality: str = ""
    dimension: int = 0
    needs: str = ""
    description: str = ""
    concepts: str | None = None
    weights: tuple[Mapping[str, object], ...] = ()
    licence: str = ""
    citation: str = ""
    substitute_for: str | None = None
    version: int = 1
    substitute: bool = False
    key: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """Content of dataset.json; `settings` are those that the dataset was made with."""

    format: int
    experts: tuple[StoredExpert, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_outdated(self) -> bool:
        """Whether its vectors were made from films as an earlier version read them.

        They can be compared with one another, but not with any that are made now. Vectors computed elsewhere never are.
        """
        return self.format != FORMAT and any(expert.needs != "vectors" for expert in self.experts)


@dataclass(frozen=True)
class TrailerRecord:
    """One whole trailer in the dataset.

    Attributes:
        trailer_id: Key everywhere.
        path: The file it came from.
        sha256: Of that file.
        size_bytes: Of that file.
        modified_ns: Its modification time; with the size, a cheap sign that it has not changed.
        duration_s: Decoded length.
        n_scenes: Number of scenes.
        flags: Plain words such as `no_audio`.
        experts: Whose vectors are whole, though a trailer may lack what an expert needs.
        facts: Everything the decoder noted, as JSON text.
    """

    trailer_id: str
    path: str
    sha256: str
    size_bytes: int
    modified_ns: int
    duration_s: float
    n_scenes: int
    flags: tuple[str, ...]
    experts: tuple[str, ...]
    facts: str = "{}"


@dataclass(frozen=True)
class SceneRow:
    """Times of one scene and a small JPEG of it (None if it has no picture), which `repr` leaves out."""

    scene: int
    start_s: float
    end_s: float
    thumbnail: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class EmbeddedTrailer:
    """Everything the dataset keeps of one trailer.

    Attributes:
        record: Its own row.
        scenes: Its scenes in order.
        embeddings: For each expert one embedding a scene; None where the expert had nothing to go by.
    """

    record: TrailerRecord
    scenes: Sequence[SceneRow]
    embeddings: Mapping[str, Sequence[SceneEmbedding | None]]

    @property
    def trailer_id(self) -> str:
        """Of its record."""
        return self.record.trailer_id


def most_telling(scenes: Iterable[SceneRow]) -> bytes | None:
    """The largest JPEG, None without any: black pictures, logos and title cards compress to little."""
    return max((scene.thumbnail for scene in scenes if scene.thumbnail), key=len, default=None)


def table_path(folder: Path, table: str) -> Path:
    """Where a table lies."""
    return folder / f"{table}.lance"


def parse_info(info: object, folder: Source) -> DatasetInfo:
    """The content of dataset.json.

    Raises:
        StoreError: If it is of a version that cannot be read, or damaged.
    """
    found = info.get("format") if isinstance(info, dict) else None
    if found not in _READABLE:
        raise StoreError(
            f"{folder} is a dataset of format {found}; this version reads up to format {FORMAT}. "
            "Install the Cinegrain that made it, or extract the films again elsewhere."
        )
    try:
        return from_json(DatasetInfo, info)
    except ValueError as error:
        raise StoreError(f"{folder}/{INFO_FILE} is damaged: {error}. Extract the films again elsewhere.") from error
