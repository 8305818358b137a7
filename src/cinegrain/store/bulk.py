"""Appends many trailers in one go, for vectors that are there already and only need to be stored."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from cinegrain.errors import StoreError
from cinegrain.store.schema import EMBEDDINGS, SCENES, TRAILERS, SceneRow, TrailerRecord
from cinegrain.store.writer import DatasetWriter, embedding_rows
from cinegrain.types import SceneEmbedding


@dataclass(frozen=True, eq=False)
class StoredTrailer:
    """All rows of one trailer."""

    record: TrailerRecord
    scenes: Sequence[SceneRow]
    embeddings: Mapping[str, Sequence[SceneEmbedding | None]]


class BulkWriter(DatasetWriter):
    """A writer that also takes trailers by the hundred: three writes a batch instead of three a trailer."""

    def append_many(self, trailers: Sequence[StoredTrailer]) -> None:
        """Adds new trailers; when this returns they are on disk, and a kill in between leaves none of them.

        Raises:
            StoreError: If an id is taken, a vector is not finite, or the disk is full.
        """
        ids = [trailer.record.trailer_id for trailer in trailers]
        taken = sorted({i for i in ids if i in self._records} | {i for i in ids if ids.count(i) > 1})
        if taken:
            raise StoreError(f"Trailers {', '.join(taken[:3])} are in the dataset already; ids must be unique.")
        embeddings = [row for t in trailers for row in embedding_rows(t.record.trailer_id, t.scenes, t.embeddings)]
        self._write(SCENES, [{"trailer_id": t.record.trailer_id, **asdict(s)} for t in trailers for s in t.scenes])
        self._write(EMBEDDINGS, embeddings)
        self._write(TRAILERS, [asdict(trailer.record) for trailer in trailers])
        self._records.update({trailer.record.trailer_id: trailer.record for trailer in trailers})
