"""Embeds a film: decodes it once and runs every expert on its scenes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

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
from cinegrain.media.facts import MediaFacts
from cinegrain.media.files import check_regular_file, files_sha256, joined_stamp
from cinegrain.media.film import FilmReader
from cinegrain.media.remote import local_copy, source_stamp, source_text
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.pipeline.extraction.plain_measures import PlainMeasures
from cinegrain.settings import CUTS_BY_CHANGE, MediaSettings
from cinegrain.store.schema import EmbeddedTrailer, SceneRow, TrailerRecord
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


@dataclass(frozen=True)
class Embedder:
    """Embeds films with loaded networks.

    Attributes:
        networks: Loaded networks.
        experts: Experts to keep.
        settings: Decoding.
        cut_finder: From `load_cut_finder` with the same settings.
        on_progress: Called every few seconds of film, as a sign of life.
        download_limit_bytes: Maximum size of a film at a URL.
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
                f"media.cut_detector is {self.settings.cut_detector}: pass a cut_finder from load_cut_finder."
            )

    def one(self, job: Job) -> EmbeddedTrailer:
        """Embeds one film in bounded memory.

        Raises:
            MediaError: If a file cannot be read, or changes meanwhile.
        """
        settings = self.settings
        with ExitStack() as copies:
            for place in job.files:
                if isinstance(place, Path):
                    check_regular_file(place)
            stamps = [source_stamp(place) for place in job.files]
            files = [
                copies.enter_context(
                    local_copy(
                        place,
                        limit_bytes=self.download_limit_bytes,
                        limit_s=settings.time_limit_s,
                        on_progress=self.on_progress,
                    )
                )
                for place in job.files
            ]
            measures = PlainMeasures()
            rows, embeddings, facts = self._watch(files, measures)
            # Hash after decoding: a file that is not a film may be huge. A film still being copied must be noticed.
            digest = files_sha256(files, Deadline(settings.time_limit_s))
        for place, stamp in zip(job.files, stamps, strict=True):
            if isinstance(place, Path) and source_stamp(place) != stamp:
                raise MediaError(f"{place} changed while it was read. Wait until it is complete.")
        if not any(scene is not None for column in embeddings.values() for scene in column):
            raise MediaError(f"{source_text(job.path)} was decoded, but has nothing that any expert can use.")
        parts = {"parts": [source_text(part) for part in job.parts]} if job.parts else {}
        size_bytes, modified_ns = joined_stamp(stamps)
        record = TrailerRecord(
            trailer_id=job.trailer_id,
            path=source_text(job.path),
            sha256=digest,
            size_bytes=size_bytes,
            modified_ns=modified_ns,
            duration_s=facts.decoded_duration_s,
            n_scenes=len(rows),
            flags=facts.flags,
            experts=tuple(self.experts),
            facts=json.dumps(asdict(facts) | measures.as_facts() | parts),
        )
        return EmbeddedTrailer(record, tuple(rows), embeddings)

    def _watch(
        self, files: Sequence[Path], measures: PlainMeasures
    ) -> tuple[list[SceneRow], dict[str, list[SceneEmbedding | None]], MediaFacts]:
        """Scenes of a film, their embeddings by expert, and facts about the film."""
        rows: list[SceneRow] = []
        embeddings: dict[str, list[SceneEmbedding | None]] = {name: [] for name in self.experts}
        batch: list[Scene] = []
        with FilmReader(
            files,
            self.settings,
            with_clips=needs_clips(self.experts),
            find_cuts=self._find_cuts if self.cut_finder else None,
        ) as reader:
            for scene in reader.scenes():
                measures.add(scene)
                rows.append(SceneRow(scene.index, scene.start_s, scene.end_s, thumbnail(scene.frames)))
                batch.append(scene.as_heard())
                if len(batch) >= _SCENES_AT_ONCE or sum(len(s.frames) for s in batch) >= _FRAMES_AT_ONCE:
                    self._embed(batch, embeddings)
                    batch.clear()
                    self.on_progress()
            if batch:
                self._embed(batch, embeddings)
            return rows, embeddings, reader.facts()

    def _embed(self, batch: Sequence[Scene], embeddings: Mapping[str, list[SceneEmbedding | None]]) -> None:
        for network in self.networks:
            for name, column in network.embed(batch).items():
                if name in embeddings:
                    embeddings[name] += column

    def _find_cuts(self, path: Path) -> tuple[float, ...]:
        assert self.cut_finder is not None
        return find_cuts(path, self.settings, self.cut_finder, self.on_progress)


def cut_weights(settings: MediaSettings) -> tuple[WeightFile, ...]:
    """Weights needed to find cuts."""
    return () if settings.cut_detector == CUTS_BY_CHANGE else (transnetv2.CHECKPOINT,)


def load_cut_finder(settings: MediaSettings, cache: Path, runtime: Runtime) -> CutFinder | None:
    """The network that finds cuts; None if the settings use none.

    Raises:
        WeightsError: If its weights cannot be downloaded.
    """
    return None if settings.cut_detector == CUTS_BY_CHANGE else transnetv2.TransNetV2(cache, runtime)


def find_cuts(
    path: Path,
    settings: MediaSettings,
    finder: CutFinder,
    on_progress: Callable[[], None] = lambda: None,
) -> tuple[float, ...]:
    """Start times of scenes in seconds, without the first.

    Args:
        path: The video.
        settings: Decoding.
        finder: Network.
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
