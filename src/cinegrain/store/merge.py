"""Copies trailers from one dataset into another without touching their values."""

from collections.abc import Sequence

import lance

from cinegrain.errors import StoreError
from cinegrain.store.bulk import BulkWriter
from cinegrain.store.location import Location
from cinegrain.store.schema import EMBEDDINGS, SCENES, TRAILERS
from cinegrain.store.writer import quoted, read_trailers
from cinegrain.types import Source

_TRAILERS_AT_ONCE = 100


class CopyingWriter(BulkWriter):
    """A writer that takes rows as they lie in another dataset."""

    def copy(self, folder: Source, trailer_ids: Sequence[str]) -> None:
        """Copies whole trailers.

        Args:
            folder: The other dataset.
            trailer_ids: Which; none of them may be here already.

        Raises:
            StoreError: If one is here already, or the disk is full.
        """
        taken = [i for i in trailer_ids if i in self._records]
        if taken:
            raise StoreError(f"Trailers {', '.join(taken[:3])} are in the dataset already; ids must be unique.")
        other = Location(folder)
        records = {record.trailer_id: record for record in read_trailers(folder)}
        for start in range(0, len(trailer_ids), _TRAILERS_AT_ONCE):
            ids = trailer_ids[start : start + _TRAILERS_AT_ONCE]
            for table in (SCENES, EMBEDDINGS, TRAILERS):  # the trailers' own rows last: they mark the others as whole
                if other.has_table(table):
                    self._append(
                        table, lance.dataset(other.table(table)).to_table(filter=f"trailer_id IN ({quoted(ids)})")
                    )
            self._records.update({trailer_id: records[trailer_id] for trailer_id in ids})
