"""Appends trailers to a dataset. Being killed at any moment neither loses nor duplicates anything."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from cinegrain.errors import StoreError
from cinegrain.runs.artifacts import key_of
from cinegrain.store.location import Location
from cinegrain.store.schema import (
    EMBEDDINGS,
    FORMAT,
    SCENES,
    SCHEMAS,
    TRAILERS,
    DatasetInfo,
    EmbeddedTrailer,
    SceneRow,
    StoredExpert,
    TrailerRecord,
)
from cinegrain.types import SceneEmbedding, Source

log = logging.getLogger(__name__)
_COMPACT_EVERY = 200  # writes
_COPIED_AT_ONCE = 100


class DatasetWriter:
    """Writer of a dataset; there must be only one at a time.

    Scenes and embeddings are written before the trailer's row, which names the complete experts. Rows without a
    trailer's row are deleted when the dataset is opened again, and the trailer is extracted again.
    """

    def __init__(
        self,
        folder: Source,
        *,
        experts: Sequence[StoredExpert],
        settings: Mapping[str, object],
    ) -> None:
        """Opens or creates a dataset.

        Stored experts that are not named here are kept. Vectors whose key has changed are deleted, so that only they
        are computed again; in a dataset of an earlier format, all that were computed from films.

        Args:
            folder: Folder or URL on an object store.
            experts: Experts to store. One without a key gets a hash of its version and the settings.
            settings: Settings that the vectors depend on.

        Raises:
            StoreError: If its format is not supported, or it cannot be written.
        """
        self._location = Location(folder)
        self._since_compaction = 0
        wanted = {e.name: e if e.key else replace(e, key=key_of(e.version, settings)) for e in experts}
        stored = self._location.read_info() if self._location.has_info() else DatasetInfo(FORMAT)
        self._location.drop_empty_tables()
        self._records = {record.trailer_id: record for record in read_trailers(folder)}
        self._sweep()
        had = {expert.name: expert for expert in stored.experts}
        if stored.is_outdated:
            self._forget(list(had))
            had = {}
        self._forget([name for name, expert in wanted.items() if name in had and had[name].key != expert.key])
        info = DatasetInfo(FORMAT, tuple({**had, **wanted}.values()), settings)
        if info != stored:
            self._location.write_info(info)

    @property
    def records(self) -> Mapping[str, TrailerRecord]:
        """Complete trailers by id."""
        return self._records

    def append(
        self,
        record: TrailerRecord,
        scenes: Sequence[SceneRow],
        embeddings: Mapping[str, Sequence[SceneEmbedding | None]],
    ) -> None:
        """Adds one trailer; see `append_many`."""
        self.append_many([EmbeddedTrailer(record, scenes, embeddings)])

    def append_many(self, trailers: Sequence[EmbeddedTrailer]) -> None:
        """Adds new trailers. They are on disk when this returns; if killed before, none of them is.

        Raises:
            StoreError: If an id exists already, a vector is not finite, or the disk is full.
        """
        self._check_new([trailer.trailer_id for trailer in trailers])
        embeddings = [row for t in trailers for row in embedding_rows(t.trailer_id, t.scenes, t.embeddings)]
        self._write(SCENES, [{"trailer_id": t.trailer_id, **asdict(s)} for t in trailers for s in t.scenes])
        self._write(EMBEDDINGS, embeddings)
        self._write(TRAILERS, [asdict(trailer.record) for trailer in trailers])
        self._count([trailer.record for trailer in trailers])

    def copy(self, folder: Source, trailer_ids: Sequence[str]) -> None:
        """Copies trailers from another dataset.

        Args:
            folder: The other dataset.
            trailer_ids: Trailers to copy; none may exist here.

        Raises:
            StoreError: If one exists already, or the disk is full.
        """
        self._check_new(trailer_ids)
        other = Location(folder)
        records = {record.trailer_id: record for record in read_trailers(folder)}
        for start in range(0, len(trailer_ids), _COPIED_AT_ONCE):
            ids = trailer_ids[start : start + _COPIED_AT_ONCE]
            for table in (SCENES, EMBEDDINGS, TRAILERS):  # the trailers' rows last: they mark the others as complete
                if other.has_table(table):
                    rows = lance.dataset(other.table(table)).to_table(filter=f"trailer_id IN ({quoted(ids)})")
                    self._append(table, rows)
            self._records.update({trailer_id: records[trailer_id] for trailer_id in ids})

    def extend(
        self,
        trailer_id: str,
        scenes: Sequence[SceneRow],
        embeddings: Mapping[str, Sequence[SceneEmbedding | None]],
    ) -> None:
        """Adds experts to a stored trailer.

        Args:
            trailer_id: Its id.
            scenes: Its scenes, as stored.
            embeddings: By expert, as in `append`.

        Raises:
            StoreError: If the scenes differ, or it already has one of the experts.
        """
        record = self._records[trailer_id]
        doubled = sorted(set(embeddings) & set(record.experts))
        if doubled or len(scenes) != record.n_scenes:
            raise StoreError(
                f"Film {trailer_id!r} has {record.n_scenes} scenes and the experts {', '.join(record.experts)}; "
                f"found {len(scenes)} scenes, doubled: {', '.join(doubled) or 'none'}. Extract it again."
            )
        self._write(EMBEDDINGS, embedding_rows(trailer_id, scenes, embeddings))
        grown = replace(record, experts=(*record.experts, *embeddings))
        self._replace([grown])
        self._count([grown])

    def remove(self, trailer_ids: Sequence[str]) -> None:
        """Deletes trailers, for example because their files have changed."""
        if not trailer_ids:
            return
        for table in (TRAILERS, EMBEDDINGS, SCENES):  # the row that marks it as complete first
            self._delete(table, f"trailer_id IN ({quoted(trailer_ids)})")
        for trailer_id in trailer_ids:
            self._records.pop(trailer_id, None)

    def compact(self) -> None:
        """Merges the fragments of single appends and deletes old versions."""
        self._since_compaction = 0
        for table in SCHEMAS:
            if self._location.has_table(table):
                try:
                    with self._location.writing(table) as path:
                        dataset = lance.dataset(path)
                        dataset.optimize.compact_files()
                        dataset.cleanup_old_versions(retain_versions=1)
                except StoreError as error:  # for lack of space; the data is complete without it
                    log.warning("%s could not be compacted: %s", self._location.table(table), error)

    def _check_new(self, trailer_ids: Sequence[str]) -> None:
        taken = sorted({i for i in trailer_ids if i in self._records or trailer_ids.count(i) > 1})
        if taken:
            raise StoreError(f"The dataset already has {', '.join(taken[:3])}; ids must be unique.")

    def _count(self, records: Sequence[TrailerRecord]) -> None:
        self._records.update({record.trailer_id: record for record in records})
        self._since_compaction += 1
        if self._since_compaction >= _COMPACT_EVERY:
            self.compact()

    def _write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        self._append(table, pa.Table.from_pylist(list(rows), schema=SCHEMAS[table]))

    def _append(self, table: str, data: pa.Table) -> None:
        with self._location.writing(table) as path:
            lance.write_dataset(data, path, mode="append" if self._location.has_table(table) else "create")

    def _replace(self, records: Sequence[TrailerRecord]) -> None:
        data = pa.Table.from_pylist([asdict(record) for record in records], schema=SCHEMAS[TRAILERS])
        with self._location.writing(TRAILERS) as path:
            lance.dataset(path).merge_insert("trailer_id").when_matched_update_all().execute(data)

    def _forget(self, experts: Sequence[str]) -> None:
        """Deletes the vectors of experts: first their names in the trailers' rows, then the vectors."""
        losing = [record for record in self._records.values() if set(record.experts) & set(experts)]
        if not losing:
            return
        log.info("inputs of %s have changed; its vectors are computed again", ", ".join(experts))
        left = [replace(r, experts=tuple(name for name in r.experts if name not in experts)) for r in losing]
        self._replace(left)
        self._delete(EMBEDDINGS, f"expert IN ({quoted(experts)})")
        self._records.update({record.trailer_id: record for record in left})

    def _sweep(self) -> None:
        """Deletes rows that belong to no complete trailer."""
        if self._location.has_table(SCENES):
            found = (
                lance.dataset(self._location.table(SCENES))
                .to_table(columns=["trailer_id"])["trailer_id"]
                .unique()
                .to_pylist()
            )
            orphans = [trailer_id for trailer_id in found if trailer_id not in self._records]
            if orphans:
                self._delete(SCENES, f"trailer_id IN ({quoted(orphans)})")
        if self._location.has_table(EMBEDDINGS):
            path = self._location.table(EMBEDDINGS)
            loose: dict[str, set[str]] = {}
            for batch in lance.dataset(path).to_batches(columns=["trailer_id", "expert"]):
                pairs = pa.Table.from_batches([batch]).group_by(["trailer_id", "expert"]).aggregate([])
                for pair in pairs.to_pylist():
                    record = self._records.get(pair["trailer_id"])
                    if record is None or pair["expert"] not in record.experts:
                        loose.setdefault(pair["expert"], set()).add(pair["trailer_id"])
            for expert, ids in loose.items():
                log.info("deleting %d incomplete trailers of %s", len(ids), expert)
                self._delete(EMBEDDINGS, f"expert IN ({quoted([expert])}) AND trailer_id IN ({quoted(sorted(ids))})")

    def _delete(self, table: str, where: str) -> None:
        if self._location.has_table(table):
            with self._location.writing(table) as path:
                lance.dataset(path).delete(where)


def read_trailers(folder: Source) -> list[TrailerRecord]:
    """Every complete trailer of a dataset."""
    location = Location(folder)
    if not location.has_table(TRAILERS):
        return []
    rows = lance.dataset(location.table(TRAILERS)).to_table().to_pylist()
    return [TrailerRecord(**{**row, "flags": tuple(row["flags"]), "experts": tuple(row["experts"])}) for row in rows]


def quoted(values: Sequence[str]) -> str:
    """Strings as an SQL list, quotes doubled."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def embedding_rows(
    trailer_id: str, scenes: Sequence[SceneRow], embeddings: Mapping[str, Sequence[SceneEmbedding | None]]
) -> list[dict[str, Any]]:
    """One row per scene that an expert could embed.

    Raises:
        StoreError: If a vector is not finite.
    """
    return [
        _embedding_row(trailer_id, expert, scene, embedding)
        for expert, column in embeddings.items()
        for scene, embedding in zip(scenes, column, strict=True)
        if embedding is not None
    ]


def _embedding_row(trailer_id: str, expert: str, scene: SceneRow, embedding: SceneEmbedding) -> dict[str, Any]:
    with np.errstate(over="ignore"):
        vector = embedding.vector.astype(np.float16)
    if not np.isfinite(vector).all():
        raise StoreError(
            f"Expert {expert} gave a vector that is not finite in 16 bits (up to 65,504) for scene {scene.scene} of "
            f"{trailer_id!r}."
        )
    return {
        "trailer_id": trailer_id,
        "scene": scene.scene,
        "expert": expert,
        "start_s": scene.start_s,
        "end_s": scene.end_s,
        "vector": vector,
        "concepts": [asdict(concept) for concept in embedding.concepts],
    }
