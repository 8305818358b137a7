"""Trailers from files to rows: each decoded once, every expert over its scenes, batches filled across trailers."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cinegrain.errors import ConfigError, MediaError
from cinegrain.experts import transnetv2
from cinegrain.experts.base import Network
from cinegrain.experts.registry import needs_clips
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.weights import WeightFile
from cinegrain.media.clock import Deadline
from cinegrain.media.cuts import CutFinder
from cinegrain.media.files import check_regular_file, files_sha256, joined_stamp, path_text
from cinegrain.media.film import FilmReader
from cinegrain.media.reader import TrailerReader
from cinegrain.media.remote import local_copy, remote_stamp, source_text
from cinegrain.pipeline.extraction.plain_measures import PlainMeasures
from cinegrain.settings import CUTS_BY_CHANGE, MediaSettings
from cinegrain.store.schema import SceneRow, TrailerRecord
from cinegrain.types import Scene, SceneEmbedding, Source, UInt8

DOWNLOAD_LIMIT_BYTES = 20 * 10**9
_FRAMES_AT_ONCE = 24
_SCENES_AT_ONCE = 16
_PICTURES_A_SIGN = 50
_THUMBNAIL_HEIGHT_PX, _THUMBNAIL_QUALITY = 120, 78


@dataclass(frozen=True)
class Job:
    """One trailer to embed; `parts` are its further files, in order."""

    trailer_id: str
    path: Source
    parts: tuple[Source, ...] = ()

    @property
    def files(self) -> tuple[Source, ...]:
        """All of its files."""
        return (self.path, *self.parts)


@dataclass(frozen=True, eq=False)
class EmbeddedTrailer:
    """Everything the dataset keeps of one trailer."""

    record: TrailerRecord
    scenes: tuple[SceneRow, ...]
    embeddings: dict[str, list[SceneEmbedding | None]]

    @property
    def trailer_id(self) -> str:
        """Of its job."""
        return self.record.trailer_id


@dataclass(frozen=True)
class Embedder:
    """Loaded networks, and how to read the films that they look at and listen to.

    Attributes:
        networks: Loaded networks.
        experts: Which of their experts are wanted.
        settings: How to decode.
        cut_finder: From `load_cut_finder` with the same settings.
        on_progress: Called every few seconds of film: a sign of life.
        download_limit_bytes: A film at an address that is larger is refused.
    """

    networks: Sequence[Network]
    experts: Sequence[str]
    settings: MediaSettings
    cut_finder: CutFinder | None = None
    on_progress: Callable[[], None] = lambda: None
    download_limit_bytes: int = DOWNLOAD_LIMIT_BYTES

    def __post_init__(self) -> None:
        if (self.cut_finder is None) != (self.settings.cut_detector == CUTS_BY_CHANGE):
            raise ConfigError(
                f"media.cut_detector is {self.settings.cut_detector}: pass what load_cut_finder gives for it."
            )

    def one(self, job: Job) -> EmbeddedTrailer:
        """Embeds one film.

        Raises:
            MediaError: If the file cannot be read, or changes meanwhile.
        """
        _, found = next(self.each([job]))
        if isinstance(found, Exception):
            raise found
        return found

    def each(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, EmbeddedTrailer | Exception]]:
        """Embeds films one after the other, each decoded once, in bounded memory; scenes of several fill a batch.

        The next job is asked for when the last film is read to its end. Its last scenes may wait for those of the
        films that follow, so that no batch but the last is smaller than it could be.

        Yields:
            Each film once all its scenes are embedded, or the error that kept it from that, which costs no other.
        """
        pool = _Pool(self.networks)
        films: list[_Film] = []
        for job in jobs:
            films.append(_Film(job, {name: [] for name in self.experts}))
            for _ in self._read(films[-1], pool):
                yield from _settled(films)
            yield from _settled(films)
        pool.embed()
        yield from _settled(films)

    def _read(self, film: "_Film", pool: "_Pool") -> Iterator[None]:
        """Reads a film into the pool; pauses whenever the networks have run."""
        try:
            with ExitStack() as copies:
                here = [copies.enter_context(_on_this_machine(place, self)) for place in film.job.files]
                yield from self._decode(film, [file.path for file in here], pool)
                if film.record is not None and any(file.stamp for file in here):
                    film.record = replace(film.record, **_told_from_afar(film.job, here))
        except Exception as error:  # one strange file must not cost those that wait beside it
            film.error = error
        if film.error is not None:
            pool.drop(film)

    def _decode(self, film: "_Film", files: Sequence[Path], pool: "_Pool") -> Iterator[None]:
        for file in files:
            check_regular_file(file)
        stamps = [_stamp(file.stat()) for file in files]
        measures = PlainMeasures()
        settings = self.settings
        with FilmReader(
            files,
            settings,
            with_clips=needs_clips(self.experts),
            find_cuts=self._find_cuts if self.cut_finder else None,
        ) as reader:
            for scene in reader.scenes():
                measures.add(scene)
                film.rows.append(SceneRow(scene.index, scene.start_s, scene.end_s, thumbnail(scene.frames)))
                pool.add(film, scene.as_heard())
                if pool.is_full:
                    pool.embed()
                    self.on_progress()
                    yield
                if film.error is not None:
                    return
            facts = reader.facts()
        # Only now, for what is no film may be of any size; a film still being copied must not pass for a whole one.
        digest = files_sha256(files, Deadline(settings.time_limit_s))
        for file, stamp in zip(files, stamps, strict=True):
            if _stamp(file.stat()) != stamp:
                raise MediaError(f"{file} changed while it was read. Wait until it is copied or recorded to its end.")
        told = {"parts": [source_text(part) for part in film.job.parts]} if film.job.parts else {}
        size_bytes, modified_ns = joined_stamp(stamps)
        film.record = TrailerRecord(
            trailer_id=film.job.trailer_id,
            path=path_text(files[0]),
            sha256=digest,
            size_bytes=size_bytes,
            modified_ns=modified_ns,
            duration_s=facts.decoded_duration_s,
            n_scenes=len(film.rows),
            flags=facts.flags,
            experts=tuple(self.experts),
            facts=json.dumps(asdict(facts) | measures.as_facts() | told),
        )

    def _find_cuts(self, path: Path) -> tuple[float, ...]:
        assert self.cut_finder is not None
        return find_cuts(path, self.settings, self.cut_finder, self.on_progress)


@dataclass(eq=False)
class _Film:
    """A film on its way: what is known of it, and how many of its scenes the networks have yet to see."""

    job: Job
    embeddings: dict[str, list[SceneEmbedding | None]]
    rows: list[SceneRow] = field(default_factory=list)
    record: TrailerRecord | None = None  # once it is read to its end
    error: Exception | None = None
    n_waiting: int = 0

    def outcome(self) -> EmbeddedTrailer | Exception | None:
        """What became of it; None while that is open."""
        if self.error is not None or self.record is None or self.n_waiting:
            return self.error
        if not any(e is not None for column in self.embeddings.values() for e in column):
            return MediaError(f"{source_text(self.job.path)} decodes, but holds nothing that any expert can use.")
        return EmbeddedTrailer(self.record, tuple(self.rows), self.embeddings)


class _Pool:
    """Scenes of one film or several, until they fill the networks' batches."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._waiting: list[tuple[_Film, Scene]] = []

    @property
    def is_full(self) -> bool:
        n_frames = sum(len(scene.frames) for _, scene in self._waiting)
        return len(self._waiting) >= _SCENES_AT_ONCE or n_frames >= _FRAMES_AT_ONCE

    def add(self, film: _Film, scene: Scene) -> None:
        self._waiting.append((film, scene))
        film.n_waiting += 1

    def drop(self, film: _Film) -> None:
        """Forget a film's scenes."""
        self._waiting = [(owner, scene) for owner, scene in self._waiting if owner is not film]

    def embed(self) -> None:
        """Runs the networks; an error is put down to the film whose scenes alone bring it too."""
        waiting, self._waiting = self._waiting, []
        by_film: dict[_Film, list[tuple[_Film, Scene]]] = {}
        for film, scene in waiting:
            by_film.setdefault(film, []).append((film, scene))
        groups = [waiting] if waiting else []
        while groups:
            group = groups.pop()
            try:
                self._embed(group)
            except Exception as error:
                film = group[0][0]
                if len(group) == len(by_film[film]):
                    film.error = error
                else:
                    groups = list(by_film.values())

    def _embed(self, group: Sequence[tuple[_Film, Scene]]) -> None:
        scenes = [scene for _, scene in group]
        columns = {name: c for network in self._networks for name, c in network.embed(scenes).items()}
        for i, (film, _) in enumerate(group):
            film.n_waiting -= 1
            for name, vectors in film.embeddings.items():
                vectors.append(columns[name][i])


def _settled(films: list[_Film]) -> Iterator[tuple[Job, EmbeddedTrailer | Exception]]:
    """Takes out those of which nothing is open."""
    for film in list(films):
        outcome = film.outcome()
        if outcome is not None:
            films.remove(film)
            yield film.job, outcome


@dataclass(frozen=True)
class _Here:
    """A file on this machine; `stamp` is what tells of changes to the one that it is a copy of."""

    path: Path
    stamp: tuple[int, int] | None = None


@contextmanager
def _on_this_machine(source: Source, embedder: Embedder) -> Iterator[_Here]:
    """A file of a film, copied if it is elsewhere."""
    if isinstance(source, Path):
        yield _Here(source)
        return
    stamp = remote_stamp(source)
    deadline, limit = Deadline(embedder.settings.time_limit_s), embedder.download_limit_bytes
    with local_copy(source, limit_bytes=limit, deadline=deadline, on_progress=embedder.on_progress) as copy:
        yield _Here(copy, stamp)


def _told_from_afar(job: Job, here: Sequence[_Here]) -> dict[str, Any]:
    """What a film's record says of where it is, and of changes, if any of its files is elsewhere."""
    size_bytes, modified_ns = joined_stamp([file.stamp or _stamp(file.path.stat()) for file in here])
    return {"path": source_text(job.path), "size_bytes": size_bytes, "modified_ns": modified_ns}


def cut_weights(settings: MediaSettings) -> tuple[WeightFile, ...]:
    """What finding cuts needs to be downloaded."""
    return () if settings.cut_detector == CUTS_BY_CHANGE else (transnetv2.CHECKPOINT,)


def load_cut_finder(settings: MediaSettings, cache: Path, runtime: Runtime) -> CutFinder | None:
    """The network that finds cuts; None if the settings want none.

    Raises:
        WeightsError: If its weights cannot be had.
    """
    return None if settings.cut_detector == CUTS_BY_CHANGE else transnetv2.TransNetV2(cache, runtime)


def find_cuts(
    path: Path,
    settings: MediaSettings,
    finder: CutFinder,
    on_progress: Callable[[], None] = lambda: None,
) -> tuple[float, ...]:
    """When scenes begin, seconds, the first excepted.

    Args:
        path: The video.
        settings: How to decode.
        finder: Finds them.
        on_progress: Called every few seconds of film.

    Raises:
        MediaError: If the file cannot be read.
    """

    def alive(pictures: Iterator[tuple[float, UInt8]]) -> Iterator[tuple[float, UInt8]]:
        for number, picture in enumerate(pictures):
            if number % _PICTURES_A_SIGN == 0:
                on_progress()
            yield picture

    with TrailerReader(path, settings) as reader:
        return tuple(finder.cuts(alive(reader.tiny_pictures())))


def _stamp(status: os.stat_result) -> tuple[int, int]:
    """Size and time of change, by which a file is taken for unchanged."""
    return status.st_size, status.st_mtime_ns


def thumbnail(frames: UInt8) -> bytes | None:
    """A small JPEG of the middle frame; None without frames."""
    if not len(frames):
        return None
    frame = frames[len(frames) // 2]
    height, width = frame.shape[:2]
    size = (max(1, round(width * _THUMBNAIL_HEIGHT_PX / height)), _THUMBNAIL_HEIGHT_PX)
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _THUMBNAIL_QUALITY]
    )
    return np.asarray(data).tobytes() if done else None
