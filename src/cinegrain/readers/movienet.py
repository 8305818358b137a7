"""MovieNet-style feature pickles: `samples` with labels and one array a feature, `stats`, `idx_to_label`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.errors import DataError
from cinegrain.readers.foreign import (
    MAX_SCENES,
    ExpertRows,
    ForeignTrailer,
    Oddities,
    as_rows,
    check_dimension,
    expert_name,
)
from cinegrain.types import Float32, Int64, Trailer
from cinegrain.untrusted.safe_pickle import ArrayShell, pickles
from cinegrain.untrusted.safe_tensor import TENSOR_PICKLE_NAMES

_ID_KEYS = ("trailer_id", "imdb_id", "id", "movie_id", "key", "name", "path")
_LABEL_KEYS = ("labels", "label", "genres")
_OTHER = {*_ID_KEYS, *_LABEL_KEYS, "title", "year", "features", "stats", "split"}


class MovienetVectors:
    """An opened feature pickle; it is one object, so it is held in memory."""

    kind = "movienet"

    def __init__(self, path: Path) -> None:
        """Reads the file.

        Raises:
            UnsafeFileError: If it is damaged or holds anything but data.
            DataError: If it is of another form.
        """
        self.path = path
        self._oddities = Oddities()
        self._dimensions: dict[str, int] = {}
        records = [record for _, record in pickles(path, TENSOR_PICKLE_NAMES)]
        top = records[0] if len(records) == 1 else None
        if not (isinstance(top, dict) and isinstance(top.get("samples"), dict | list | tuple)):
            raise DataError(f"{path}: expected one dict with `samples`, as MovieNet's features have.")
        samples = top["samples"]
        pairs = samples.items() if isinstance(samples, dict) else enumerate(samples)
        names = _names(top.get("idx_to_label"))
        self._samples: dict[str, tuple[Trailer, Mapping[str, Any]]] = {}
        for key, sample in pairs:
            if not isinstance(sample, dict):
                self._oddities.add("samples that are no dicts are left out", str(key))
                continue
            self._add(key, sample, names)
        if not self._samples:
            raise DataError(f"{path} holds no sample with an id.")
        self.trailers = tuple(trailer for trailer, _ in self._samples.values())

    @property
    def notes(self) -> list[str]:
        """A plain sentence for each oddity."""
        return self._oddities.lines()

    def read(self) -> Iterator[ForeignTrailer]:
        """The films one by one; a feature of shape (s, d) speaks for s scenes, (d,) for one."""
        for trailer, sample in self._samples.values():
            experts: dict[str, ExpertRows] = {}
            for name, value in _features(sample).items():
                vectors = _array(value)
                if vectors is None:
                    continue
                where = f"{self.path}: {name!r} of {trailer.trailer_id!r}"
                rows: Float32 = as_rows(vectors, where)
                if len(rows) > MAX_SCENES:
                    raise DataError(f"{where} has {len(rows):,} rows; at most {MAX_SCENES:,} scenes make sense.")
                if len(rows):
                    check_dimension(self._dimensions, expert_name(name), rows.shape[1], where)
                    scenes: Int64 = np.arange(len(rows), dtype=np.int64)
                    experts[expert_name(name)] = ExpertRows(scenes, rows)
            n_scenes = max((len(rows.vectors) for rows in experts.values()), default=0)
            yield ForeignTrailer(trailer, n_scenes, experts)

    def _add(self, key: Any, sample: Mapping[str, Any], names: Mapping[int, str]) -> None:
        found = next((sample[k] for k in _ID_KEYS if isinstance(sample.get(k), str | int)), key)
        trailer_id = str(found)
        if trailer_id in self._samples:
            self._oddities.add("samples given twice, of which the first is kept", trailer_id)
            return
        genres = self._genres(next((sample[k] for k in _LABEL_KEYS if k in sample), None), names, trailer_id)
        title, year = sample.get("title"), sample.get("year")
        trailer = Trailer(
            trailer_id,
            self.path,
            title if isinstance(title, str) and title else trailer_id,
            genres,
            year if isinstance(year, int) else None,
        )
        self._samples[trailer_id] = (trailer, sample)

    def _genres(self, labels: Any, names: Mapping[int, str], trailer_id: str) -> tuple[str, ...]:
        """Labels as names, as numbers of `idx_to_label`, or as a row of 0 and 1 as long as that."""
        array = _array(labels)
        values = array.ravel().tolist() if array is not None else labels
        if isinstance(values, str | int):
            values = [values]
        if not isinstance(values, list | tuple | set | frozenset):
            values = []
        values = list(values)
        if len(names) > 1 and len(values) == len(names) and all(v in (0, 1) for v in values):
            values = [number for number, v in zip(sorted(names), values, strict=True) if v]
        found: dict[str, None] = {}
        for value in values:
            name = (
                value if isinstance(value, str) else names.get(int(value)) if isinstance(value, int | float) else None
            )
            if name:
                found[name] = None
            else:
                self._oddities.add("labels that idx_to_label does not know are left out", f"{value} of {trailer_id}")
        if not found:
            self._oddities.add("films without a known genre take no part in genre training", trailer_id)
        return tuple(found)


def _names(idx_to_label: Any) -> dict[int, str]:
    if isinstance(idx_to_label, list | tuple):
        return {i: str(name) for i, name in enumerate(idx_to_label)}
    if isinstance(idx_to_label, dict):
        return {int(i): str(name) for i, name in idx_to_label.items() if str(i).isdigit() and len(str(i)) < 7}
    return {}


def _features(sample: Mapping[str, Any]) -> dict[str, Any]:
    inner = sample.get("features")
    if isinstance(inner, dict):
        return {str(name): value for name, value in inner.items()}
    return {str(name): value for name, value in sample.items() if name not in _OTHER}


def _array(value: Any) -> np.ndarray | None:
    if isinstance(value, ArrayShell):
        return value.array
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list | tuple) and value and all(type(x) in (int, float) for x in value):
        return np.array(value)
    return None
