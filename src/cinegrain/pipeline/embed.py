"""One trailer from file to rows: decoded once, every expert over its scenes."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
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
from cinegrain.media.files import check_regular_file, file_sha256, path_text
from cinegrain.media.reader import TrailerReader
from cinegrain.media.settings import CUTS_BY_CHANGE, MediaSettings
from cinegrain.pipeline.plain_measures import PlainMeasures
from cinegrain.store.schema import SceneRow, TrailerRecord
from cinegrain.types import Scene, SceneEmbedding, UInt8

log = logging.getLogger(__name__)
_FRAMES_AT_ONCE = 24
_SCENES_AT_ONCE = 16
_PICTURES_A_SIGN = 50
_THUMBNAIL_HEIGHT_PX, _THUMBNAIL_QUALITY = 120, 78


@dataclass(frozen=True, eq=False)
class EmbeddedTrailer:
    """Everything the dataset keeps of one trailer."""

    record: TrailerRecord
    scenes: tuple[SceneRow, ...]
    embeddings: dict[str, list[SceneEmbedding | None]]


def embed_trailer(
    trailer_id: str,
    path: Path,
    networks: Sequence[Network],
    experts: Sequence[str],
    settings: MediaSettings,
    *,
    cut_finder: CutFinder | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> EmbeddedTrailer:
    """Decodes a file once and runs the experts over groups of its scenes, in bounded memory.

    A network that finds cuts has a run over the file of its own, before.

    Args:
        trailer_id: Key of the result.
        path: The video.
        networks: Loaded networks.
        experts: Which of their experts are wanted.
        settings: How to decode.
        cut_finder: From `load_cut_finder` with the same settings.
        on_progress: Called every few seconds of film: a sign of life.

    Raises:
        MediaError: If the file cannot be read, or changes meanwhile.
        ConfigError: If the settings want another way to find cuts.
    """
    if (cut_finder is None) != (settings.cut_detector == CUTS_BY_CHANGE):
        raise ConfigError(f"media.cut_detector is {settings.cut_detector}: pass what load_cut_finder gives for it.")
    check_regular_file(path)
    status = path.stat()
    rows: list[SceneRow] = []
    measures = PlainMeasures()
    embeddings: dict[str, list[SceneEmbedding | None]] = {name: [] for name in experts}
    cuts_s = None if cut_finder is None else find_cuts(path, settings, cut_finder, on_progress)
    with TrailerReader(path, settings, with_clips=needs_clips(experts), cuts_s=cuts_s) as reader:
        for group in _groups(reader.scenes()):
            for network in networks:
                for name, column in network.embed(group).items():
                    if name in embeddings:
                        embeddings[name].extend(column)
            for scene in group:
                measures.add(scene)
            rows += [SceneRow(s.index, s.start_s, s.end_s, thumbnail(s.frames)) for s in group]
            on_progress()
        facts = reader.facts()
    if not any(e is not None for column in embeddings.values() for e in column):
        raise MediaError(f"{path} decodes, but holds nothing that any expert can use.")
    # Only now, for what is no film may be of any size; a film still being copied must not pass for a whole one.
    digest = file_sha256(path, Deadline(settings.time_limit_s))
    if _stamp(path.stat()) != _stamp(status):
        raise MediaError(f"{path} changed while it was read. Wait until it is copied or recorded to its end.")
    record = TrailerRecord(
        trailer_id=trailer_id,
        path=path_text(path),
        sha256=digest,
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        duration_s=facts.decoded_duration_s,
        n_scenes=len(rows),
        flags=facts.flags,
        experts=tuple(experts),
        facts=json.dumps(asdict(facts) | measures.as_facts()),
    )
    return EmbeddedTrailer(record, tuple(rows), embeddings)


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
    path: Path, settings: MediaSettings, finder: CutFinder, on_progress: Callable[[], None] = lambda: None
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


def _groups(scenes: Iterator[Scene]) -> Iterator[list[Scene]]:
    """Scenes in groups that fill the networks' batches without holding much of the film."""
    group: list[Scene] = []
    for scene in scenes:
        group.append(scene)
        if len(group) >= _SCENES_AT_ONCE or sum(len(s.frames) for s in group) >= _FRAMES_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


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
