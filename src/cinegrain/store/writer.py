"""Appends trailers to a dataset so that a kill at any moment loses nothing and doubles nothing."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from cinegrain.artifacts import read_json, write_json
from cinegrain.errors import StoreError
from cinegrain.store.schema import (
    EMBEDDINGS,
    FORMAT,
    INFO_FILE,
    SCENES,
    SCHEMAS,
    TRAILERS,
    SceneRow,
    TrailerRecord,
    check_format,
    table_path,
)
from cinegrain.types import JsonObject, SceneEmbedding

log = logging.getLogger(__name__)
_COMPACT_EVERY = 200
_FLOAT16_MAX = float(np.finfo(np.float16).max)


class DatasetWriter:
    """The one writer of a dataset folder.

    Scenes and embeddings are written before the trailer's own row. What a kill left without that row is swept
    when the dataset is opened again, so the trailer is simply extracted anew.
    """

    def __init__(self, folder: Path, *, cards: Sequence[JsonObject], settings: JsonObject) -> None:
        """Opens or creates a dataset.

        Args:
            folder: Where it lies.
            cards: The experts' cards.
            settings: What the vectors depend on; a finished dataset with other settings is refused.

        Raises:
            StoreError: If it was made with other experts or settings, or cannot be written.
        """
        self._folder = folder
        self._since_compaction = 0
        info = {"format": FORMAT, "experts": list(cards), "settings": settings}
        if (folder / INFO_FILE).is_file():
            found = read_json(folder / INFO_FILE)
            check_format(found, folder)
            _refuse_other_settings(found, info, folder)
            self._sweep()
        else:
            write_json(folder / INFO_FILE, info)
        self._records = {record.trailer_id: record for record in read_trailers(folder)}

    @property
    def records(self) -> Mapping[str, TrailerRecord]:
        """Trailers that are whole, by id."""
        return self._records

    def append(
        self,
        record: TrailerRecord,
        scenes: Sequence[SceneRow],
        embeddings: Mapping[str, Sequence[SceneEmbedding | None]],
    ) -> None:
        """Adds one trailer; when this returns it is on disk.

        Args:
            record: The trailer; its id must be new.
            scenes: Its scenes in order.
            embeddings: For each expert one embedding a scene; None where the expert had nothing to go by.

        Raises:
            StoreError: If the id is taken, a vector is not finite, or the disk is full.
        """
        if record.trailer_id in self._records:
            raise StoreError(f"Trailer {record.trailer_id!r} is in the dataset already; ids must be unique.")
        rows = [
            _embedding_row(record.trailer_id, expert, scene, embedding)
            for expert, column in embeddings.items()
            for scene, embedding in zip(scenes, column, strict=True)
            if embedding is not None
        ]
        self._write(SCENES, [{"trailer_id": record.trailer_id, **asdict(scene)} for scene in scenes])
        self._write(EMBEDDINGS, rows)
        self._write(TRAILERS, [asdict(record)])
        self._records[record.trailer_id] = record
        self._since_compaction += 1
        if self._since_compaction >= _COMPACT_EVERY:
            self.compact()

    def remove(self, trailer_ids: Sequence[str]) -> None:
        """Takes trailers out, for example because their files have changed."""
        if not trailer_ids:
            return
        for table in (TRAILERS, EMBEDDINGS, SCENES):  # the trailer's own row first: a kill leaves only sweepings
            self._delete(table, trailer_ids)
        for trailer_id in trailer_ids:
            self._records.pop(trailer_id, None)

    def compact(self) -> None:
        """Joins the many small fragments of single appends and drops versions that nothing needs."""
        self._since_compaction = 0
        for table in SCHEMAS:
            path = table_path(self._folder, table)
            if path.exists():
                dataset = lance.dataset(str(path))
                dataset.optimize.compact_files()
                dataset.cleanup_old_versions(retain_versions=1)

    def _write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        path = table_path(self._folder, table)
        data = pa.Table.from_pylist(list(rows), schema=SCHEMAS[table])
        try:
            lance.write_dataset(data, str(path), mode="append" if path.exists() else "create")
        except OSError as error:
            raise StoreError(
                f"Could not write to {path}: {error}. Free some space and run the same command again; "
                "everything written so far is kept."
            ) from error

    def _sweep(self) -> None:
        whole = {record.trailer_id for record in read_trailers(self._folder)}
        for table in (EMBEDDINGS, SCENES):
            path = table_path(self._folder, table)
            if not path.exists():
                continue
            found = lance.dataset(str(path)).to_table(columns=["trailer_id"])["trailer_id"].unique().to_pylist()
            orphans = [trailer_id for trailer_id in found if trailer_id not in whole]
            if orphans:
                log.info("sweeping %d half-written trailers from %s", len(orphans), path.name)
                self._delete(table, orphans)

    def _delete(self, table: str, trailer_ids: Sequence[str]) -> None:
        path = table_path(self._folder, table)
        if path.exists():
            quoted = ", ".join("'" + trailer_id.replace("'", "''") + "'" for trailer_id in trailer_ids)
            lance.dataset(str(path)).delete(f"trailer_id IN ({quoted})")


def read_trailers(folder: Path) -> list[TrailerRecord]:
    """Every whole trailer of a dataset folder."""
    path = table_path(folder, TRAILERS)
    if not path.exists():
        return []
    rows = lance.dataset(str(path)).to_table().to_pylist()
    return [TrailerRecord(**{**row, "flags": tuple(row["flags"])}) for row in rows]


def _embedding_row(trailer_id: str, expert: str, scene: SceneRow, embedding: SceneEmbedding) -> dict[str, Any]:
    if not np.isfinite(embedding.vector).all():
        raise StoreError(f"Expert {expert} gave a vector that is not finite for scene {scene.scene} of {trailer_id!r}.")
    return {
        "trailer_id": trailer_id,
        "scene": scene.scene,
        "expert": expert,
        "start_s": scene.start_s,
        "end_s": scene.end_s,
        "vector": np.clip(embedding.vector, -_FLOAT16_MAX, _FLOAT16_MAX).astype(np.float16),
        "concepts": [asdict(concept) for concept in embedding.concepts],
    }


def _refuse_other_settings(found: JsonObject, wanted: JsonObject, folder: Path) -> None:
    def identity(info: JsonObject) -> tuple[object, object]:
        return sorted((card["name"], card["version"]) for card in info["experts"]), info["settings"]

    if identity(found) != identity(wanted):
        old, new = (", ".join(card["name"] for card in info["experts"]) for info in (found, wanted))
        raise StoreError(
            f"{folder} was extracted with other settings or experts ({old}; now {new}). "
            "Use the same settings, or another --out."
        )
