"""Reads MMX-Trailer-20 in its authors' pickles: a stream of movie records or scene records.

Movie record   {label, path, scenes: {scene: {chunk: {expert: leaf or [leaf, ...]}}}}
Scene record   {path, scene, label, data: {chunk: {expert: ...} or [leaf, ...]}}
A leaf is an array, or the absolute path of a `.pt` tensor on its author's disk.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from cinegrain.errors import DataError, UnsafeFileError
from cinegrain.readers.foreign import (
    MAX_SCENES,
    MAX_TRAILER_BYTES,
    ExpertRows,
    ForeignTrailer,
    Oddities,
    as_rows,
    check_dimension,
    expert_name,
)
from cinegrain.types import Float32, Trailer
from cinegrain.untrusted.safe_pickle import ArrayShell, Extent, load_extent, pickles
from cinegrain.untrusted.safe_tensor import TENSOR_PICKLE_NAMES, load_tensor

POSITIONS = ("image", "location", "motion", "audio")
_EXPERTS = {"img": "image", "image": "image", "location": "location", "video": "motion", "motion": "motion"}
GENRES = (
    *("Action", "Adventure", "Animation", "Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy", "History"),
    *("Horror", "Music", "Mystery", "Romance", "Science Fiction", "Thriller", "TV Movie", "War", "Western"),
)
_KNOWN = {re.sub(r"\W", "", genre.lower()): genre for genre in GENRES} | {"scifi": "Science Fiction"}
_NO_GENRE = {"", "unknown", "na", "none", "null", "nan", "nogenreslisted"}
_YEARS = range(1870, 2101)


@dataclass
class _Film:
    """Positions of a film's records."""

    trailer: Trailer
    has_id: bool
    extents: list[Extent] = field(default_factory=list)


class MmxVectors:
    """An opened stream of the authors' records."""

    kind = "mmx"

    def __init__(self, path: Path, remap: Mapping[str, str] | None = None) -> None:
        """Reads labels and positions; vectors are read later, film by film.

        Args:
            path: The pickle file.
            remap: Old prefixes of `.pt` paths and their replacements.

        Raises:
            UnsafeFileError: If the file is damaged or has anything but data.
            DataError: If its records have another form.
        """
        self.path = path
        self._remap = dict(remap or {})
        self._dimensions: dict[str, int] = {}
        self._first = Oddities()
        self._reading = Oddities()
        films: dict[str, _Film] = {}
        for extent, record in pickles(path, TENSOR_PICKLE_NAMES):
            self._index(films, extent, record)
        if not films:
            raise DataError(f"{path} has no film with a path.")
        self._films = _with_short_ids(films)
        self.trailers = tuple(film.trailer for film in self._films)

    @property
    def notes(self) -> list[str]:
        """A note for each oddity."""
        return [*self._first.lines(), *self._reading.lines()]

    def read(self) -> Iterator[ForeignTrailer]:
        """The films one by one; the vector of a scene is the mean over its chunks."""
        self._reading = Oddities()
        for film in self._films:
            scenes: dict[str, Any] = {}
            for extent in film.extents:
                record = load_extent(self.path, extent, TENSOR_PICKLE_NAMES)
                for name, chunks in _scenes_of(record).items():
                    if name in scenes:
                        self._reading.add(
                            "duplicate scenes, of which the first is kept", f"{film.trailer.title} {name}"
                        )
                    else:
                        scenes[name] = chunks
            yield self._trailer(film.trailer, scenes)

    def _index(self, films: dict[str, _Film], extent: Extent, record: Any) -> None:
        where = f"{self.path} (byte {extent.start:,})"
        if not (isinstance(record, dict) and ("scenes" in record or "data" in record)):
            raise DataError(f"{where}: expected a record with `scenes` or `data`, found {_shown(record)}.")
        place = record.get("trailer_id", record.get("path"))
        if not isinstance(place, str) or not place:
            raise DataError(f"{where}: the record has no path, which identifies the film.")
        genres, year = self._label(record.get("label"), place)
        title = record.get("title")
        found = films.get(place)
        if found is None:
            name = title if isinstance(title, str) else _stem(place)
            films[place] = found = _Film(Trailer(place, self.path, name, genres, year), "trailer_id" in record)
        elif "scenes" in record:
            self._first.add("duplicate films, of which the first is kept", place)
            return
        found.extents.append(extent)

    def _label(self, label: Any, place: str) -> tuple[tuple[str, ...], int | None]:
        """Genres and year; a row without a known genre is reported."""
        genres: dict[str, None] = {}
        year: int | None = None
        for word in _words(label, depth=0):
            if isinstance(word, int):
                year = word if word in _YEARS else year
                continue
            plain = re.sub(r"[\W_]", "", word.lower())
            if plain.isdigit():
                year = int(plain) if int(plain[:6]) in _YEARS else year
            elif plain not in _NO_GENRE:
                if plain not in _KNOWN:
                    self._first.add("genres that are not among the known 19 are kept unchanged", word)
                genres[_KNOWN.get(plain, word)] = None
        if not genres:
            self._first.add("films without a known genre are not used to train the genre model", place)
        return tuple(genres), year

    def _trailer(self, trailer: Trailer, scenes: Mapping[str, Any]) -> ForeignTrailer:
        if len(scenes) > MAX_SCENES:
            raise UnsafeFileError(f"{self.path}: {trailer.title!r} has {len(scenes):,} scenes; at most {MAX_SCENES:,}.")
        names = sorted(scenes, key=_scene_order)
        found: dict[str, list[tuple[int, Float32]]] = {}
        held = 0
        for i, name in enumerate(names):
            for expert, vector in self._scene(scenes[name], f"{trailer.title} scene {name}").items():
                found.setdefault(expert, []).append((i, vector))
                held += vector.nbytes
                if held > MAX_TRAILER_BYTES:
                    raise UnsafeFileError(f"{self.path}: the vectors of {trailer.title!r} need more than 1 GiB.")
        experts = {
            expert: ExpertRows(np.array([i for i, _ in rows], np.int64), np.stack([vector for _, vector in rows]))
            for expert, rows in found.items()
        }
        return ForeignTrailer(trailer, len(names), experts)

    def _scene(self, chunks: Any, where: str) -> dict[str, Float32]:
        """Mean vector of each expert over the chunks of a scene."""
        sums: dict[str, list[Any]] = {}
        for chunk in _values(chunks):
            for expert, leaf in _experts_of(chunk):
                for vectors in self._leaf(leaf, where):
                    check_dimension(self._dimensions, expert, vectors.shape[1], f"{self.path}: {where}")
                    held = sums.setdefault(expert, [np.zeros(vectors.shape[1]), 0])
                    held[0] = held[0] + vectors.sum(axis=0, dtype=np.float64)
                    held[1] += len(vectors)
        return {expert: (total / count).astype(np.float32) for expert, (total, count) in sums.items() if count}

    def _leaf(self, leaf: Any, where: str, depth: int = 0) -> Iterator[Float32]:
        if isinstance(leaf, list | tuple) and depth < 3:
            if leaf and all(isinstance(x, int | float) for x in leaf):
                yield as_rows(np.array(leaf, np.float64), where)
                return
            for item in leaf:
                yield from self._leaf(item, where, depth + 1)
            return
        try:
            if isinstance(leaf, str):
                leaf = load_tensor(self._moved(leaf))
            values = leaf.array if isinstance(leaf, ArrayShell) else leaf
            if isinstance(values, np.ndarray):
                yield as_rows(values, where)
            elif values is not None:
                self._reading.add("vectors of an unknown form are left out", where)
        except DataError as error:
            self._reading.add("vectors that cannot be read are left out", str(error))

    def _moved(self, leaf: str) -> Path:
        for old, new in self._remap.items():
            if leaf.startswith(old):
                leaf = new.rstrip("/") + "/" + leaf[len(old) :].lstrip("/")
                break
        path = Path(leaf)
        if path.suffix not in (".pt", ".pth"):
            raise DataError(f"{leaf[:200]} is not a .pt file")
        if not path.is_file():
            raise DataError(f"{leaf} does not exist; give its new place with --remap OLD=NEW")
        return path


def _with_short_ids(films: dict[str, _Film]) -> list[_Film]:
    """A film's file name is its id if it is unique; otherwise its path."""
    stems = Counter(_stem(place) for place in films)
    for place, film in films.items():
        if not film.has_id and stems[_stem(place)] == 1:
            film.trailer = replace(film.trailer, trailer_id=_stem(place))
    return list(films.values())


def _stem(place: str) -> str:
    return PurePosixPath(place.replace("\\", "/")).stem or place


def _scenes_of(record: Mapping[str, Any]) -> dict[str, Any]:
    if "scenes" not in record:
        return {str(record.get("scene", "0")): record["data"]}
    scenes = record["scenes"]
    if isinstance(scenes, dict):
        return {str(name): chunks for name, chunks in scenes.items()}
    return {str(i): chunks for i, chunks in enumerate(scenes)} if isinstance(scenes, list | tuple) else {}


def _experts_of(chunk: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(chunk, dict):
        for key, leaf in chunk.items():
            if isinstance(key, str):
                yield _expert(key), leaf
    elif isinstance(chunk, list | tuple):
        yield from zip(POSITIONS, chunk, strict=False)


def _expert(key: str) -> str:
    plain = key.removeprefix("test-").removesuffix("-embeddings")
    return _EXPERTS.get(plain, expert_name(plain))


def _values(chunks: Any) -> list[Any]:
    if isinstance(chunks, dict):
        return [chunks[key] for key in sorted(chunks, key=lambda k: _scene_order(str(k)))]
    return list(chunks) if isinstance(chunks, list | tuple) else []


def _scene_order(name: str) -> tuple[int, int, str]:
    """Sort key: numbers by value ("000" before "1" before "10"), then other names."""
    digits = re.findall(r"\d+", name)
    return (0, int(digits[-1][:18]), name) if digits else (1, 0, name)


def _words(label: Any, depth: int) -> Iterator[str | int]:
    if isinstance(label, str):
        yield from (" ".join(part.split()) for part in re.split(r"[|,]", label))
    elif isinstance(label, int) and not isinstance(label, bool):
        yield label
    elif isinstance(label, list | tuple | set | frozenset) and depth < 3:
        for item in sorted(label) if isinstance(label, set | frozenset) else label:
            yield from _words(item, depth + 1)


def _shown(value: Any) -> str:
    return f"a dict with {sorted(map(str, value))[:6]}" if isinstance(value, dict) else type(value).__name__
