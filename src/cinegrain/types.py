"""Types shared by all rooms: trailers, scenes, concepts, embeddings. No heavy imports, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NewType, TypeAlias

import numpy as np
from numpy.typing import NDArray

Modality: TypeAlias = Literal["audio", "location", "motion", "image"]
MODALITIES: tuple[Modality, ...] = ("audio", "location", "motion", "image")

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]
UInt8: TypeAlias = NDArray[np.uint8]
Bool: TypeAlias = NDArray[np.bool_]
Int16: TypeAlias = NDArray[np.int16]
Int64: TypeAlias = NDArray[np.int64]

SOUND_RATE_HZ = 16_000
FLOW_WIDTH, FLOW_HEIGHT = 160, 90
CLIP_FRAMES, CLIP_WIDTH, CLIP_HEIGHT = 16, 171, 128
TINY_WIDTH, TINY_HEIGHT = 48, 27


Url = NewType("Url", str)
"""URL of a file on an object store or the web, such as s3://bucket/film.mp4."""

Source: TypeAlias = Path | Url


@dataclass(frozen=True)
class Trailer:
    """One film of the catalogue.

    Attributes:
        trailer_id: Id.
        path: Its file, or the first of several.
        title: Title in the catalogue.
        genres: Genres in the catalogue.
        year: Year of release.
        text: All further columns of the catalogue.
        parts: Further files of the film in order; may include sound alone.
    """

    trailer_id: str
    path: Source
    title: str
    genres: tuple[str, ...] = ()
    year: int | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Source, ...] = ()


@dataclass(frozen=True, eq=False)
class Scene:
    """The interval [start_s, end_s) between two cuts, with all inputs of experts.

    Attributes:
        index: Index in the trailer, from 0.
        start_s: Start in seconds by presentation time (PTS), shifted so that the film starts at 0.
        end_s: End, exclusive.
        frames: Sampled pictures, uint8 RGB, shape (f, height, width, 3); f may be 0. Height and width may differ
            between scenes.
        frame_times_s: Their times, shape (f,).
        flow_frames: Small grey pictures at a constant rate, uint8, shape (t, FLOW_HEIGHT, FLOW_WIDTH).
        flow_times_s: Their times, shape (t,).
        sound: Mono samples at SOUND_RATE_HZ in -1..1, shape (n,); None without sound, or if it is digital silence.
        audible: Audible part of the sound, with pauses cut out, shape (m,), m <= n; None if that is too little.
        clips: Short sequences of small colour pictures, uint8 RGB, shape (c, CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, 3);
            c is 0 unless an expert needs clips.
        clip_times_s: Their times, shape (c, CLIP_FRAMES).
    """

    index: int
    start_s: float
    end_s: float
    frames: UInt8
    frame_times_s: Float64
    flow_frames: UInt8
    flow_times_s: Float64
    sound: Float32 | None
    clips: UInt8 = field(default_factory=lambda: np.zeros((0, CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, 3), np.uint8))
    clip_times_s: Float64 = field(default_factory=lambda: np.zeros((0, CLIP_FRAMES)))
    audible: Float32 | None = None

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.end_s - self.start_s

    def as_heard(self) -> "Scene":
        """The scene as experts get it, with only the audible part of its sound."""
        return replace(self, sound=self.audible)


@dataclass(frozen=True)
class Concept:
    """A class that an expert's classifier recognises, with its score, 0..1."""

    name: str
    score: float


@dataclass(frozen=True, eq=False)
class SceneEmbedding:
    """One expert's embedding of one scene: a vector of shape (d,) and concepts, best first."""

    vector: Float32
    concepts: tuple[Concept, ...] = ()


JsonObject: TypeAlias = dict[str, Any]
