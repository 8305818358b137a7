"""A run's scene means as files mapped from disk, for more trailers than fit into memory."""

from collections.abc import Sequence

import numpy as np

from cinegrain.artifacts import is_current, key_of, write_json
from cinegrain.pipeline.layout import Run
from cinegrain.store.location import Location
from cinegrain.store.pool import pool_scenes
from cinegrain.training.data import ExpertArray, TrailerArrays


def mapped_arrays(run: Run, trailer_ids: Sequence[str], experts: Sequence[str]) -> TrailerArrays:
    """One vector for each trailer and expert, mapped from `RUN/pooled`; pooled there first, if that is not done.

    For networks that pool by the mean, training on these is training on the scenes. Memory holds ids and row numbers;
    the vectors are the operating system's to keep or to drop.

    Args:
        run: The run.
        trailer_ids: n trailers, in the order wanted.
        experts: Whose vectors.

    Raises:
        StoreError: If there is no dataset, or the run folder cannot be written.
    """
    cards = {card["name"]: card for card in Location(run.dataset).read_info()["experts"]}
    folder = run.folder / "pooled"
    folder.mkdir(exist_ok=True)
    arrays = {}
    for name in experts:
        note, file, rows = (folder / f"{name}.{kind}" for kind in ("json", "npy", "present.npy"))
        key = key_of("pooled", cards[name]["key"], key_of(*trailer_ids))
        if not is_current(note, key):
            note.unlink(missing_ok=True)
            np.save(rows, pool_scenes(run.dataset, name, cards[name]["dimension"], trailer_ids, file))
            write_json(note, {"key": key})
        present = np.load(rows)
        vectors = np.load(file, mmap_mode="r")
        offsets = np.concatenate([[0], np.cumsum(present)])
        arrays[name] = ExpertArray(vectors, np.zeros(len(vectors), dtype=np.int64), offsets)
    return TrailerArrays(arrays)
