"""Format of a dataset: three Lance tables and `dataset.json`.

trailers.lance     one row per trailer, written last: it marks the trailer and the experts it names as complete
scenes.lance       one row per scene: times and a thumbnail
embeddings.lance   one row per trailer, scene and expert
dataset.json       format, experts with the key of their vectors' inputs, settings
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from cinegrain.errors import StoreError
from cinegrain.results import from_json
from cinegrain.types import SceneEmbedding, Source

FORMAT = 2
"""2: no pauses in the sound; no bars, combs or unmapped HDR in pictures. 1 is read, but extracted again."""
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
    """An expert in dataset.json: its card when the vectors were computed, and the key of their inputs.

    Attributes:
        needs: Input that the expert takes from a scene; `vectors` if its vectors were computed elsewhere.
        weights: Source, hash, size and licence of each file.
        key: Hash of everything the vectors depend on.
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
    """Content of dataset.json; `settings` are those that the vectors depend on."""

    format: int
    experts: tuple[StoredExpert, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_outdated(self) -> bool:
        """Whether vectors come from films as an earlier version read them.

        They are comparable with each other, but not with vectors computed now. Vectors computed elsewhere are never
        outdated.
        """
        return self.format != FORMAT and any(expert.needs != "vectors" for expert in self.experts)


@dataclass(frozen=True)
class TrailerRecord:
    """One complete trailer of the dataset.

    Attributes:
        trailer_id: Id.
        path: Source file or URL.
        sha256: Of the file.
        size_bytes: Of the file.
        modified_ns: Modification time; with the size, a cheap check for changes.
        duration_s: Decoded duration.
        n_scenes: Number of scenes.
        flags: Codes such as `no_audio`.
        experts: Experts that have processed the trailer; it may still lack what one of them needs.
        facts: `MediaFacts` as JSON.
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
    """Times of one scene and a JPEG thumbnail (None without pictures; not part of `repr`)."""

    scene: int
    start_s: float
    end_s: float
    thumbnail: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class EmbeddedTrailer:
    """All data of one trailer.

    Attributes:
        record: Its row in `trailers`.
        scenes: In order.
        embeddings: By expert, one embedding per scene; None where the scene lacks what the expert needs.
    """

    record: TrailerRecord
    scenes: Sequence[SceneRow]
    embeddings: Mapping[str, Sequence[SceneEmbedding | None]]

    @property
    def trailer_id(self) -> str:
        """Id of the trailer."""
        return self.record.trailer_id


def most_telling(scenes: Iterable[SceneRow]) -> bytes | None:
    """The largest JPEG, or None: black frames, logos and title cards compress well."""
    return max((scene.thumbnail for scene in scenes if scene.thumbnail), key=len, default=None)


def table_path(folder: Path, table: str) -> Path:
    """Path of a table."""
    return folder / f"{table}.lance"


def parse_info(info: object, folder: Source) -> DatasetInfo:
    """The content of dataset.json.

    Raises:
        StoreError: If its format is not supported, or it is damaged.
    """
    found = info.get("format") if isinstance(info, dict) else None
    if found not in _READABLE:
        raise StoreError(
            f"{folder} is a dataset of format {found}; this version reads up to format {FORMAT}. "
            "Use the version that created it, or extract the films into another folder."
        )
    try:
        return from_json(DatasetInfo, info)
    except ValueError as error:
        raise StoreError(f"{folder}/{INFO_FILE} is damaged: {error}. Extract the films again elsewhere.") from error
