"""Finds near-duplicates: films with the same content in another cut, size or container.

Candidates come from image vectors of scenes; if both films have sound, their aligned sound must agree too.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinegrain.errors import ConfigError, StoreError
from cinegrain.media.remote import local_copy, source
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import OnProgress, Read
from cinegrain.pipeline.extraction.workers import calling_pool
from cinegrain.runs.progress import Watcher
from cinegrain.settings import ExtractSettings, MediaSettings
from cinegrain.store.groups import Groups
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import SOUND_RATE_HZ, Bool, Float32, Float64

MIN_SCENE_COSINE = 0.85
MIN_SHARED = 0.5
MIN_SOUND = 0.6
_ENVELOPE_HZ = 20
_BANDS = 8
_MIN_OVERLAP_S = 2.0
_MAX_ENVELOPE_S = 1800.0
ALL_PAIRS_BELOW = 1500
_NEAREST = 30
_BLOCK = 512


@dataclass(frozen=True)
class DuplicatePair:
    """Two films with the same content.

    Attributes:
        a: Id of the first film.
        b: Id of the second film.
        shared: Fraction of the shorter film's scene time that the other has too, by image, 0..1.
        sound: Correlation of the aligned sounds, -1..1; None without sound.
        offset_s: How much later the content starts in b than in a, by sound; None without sound.
    """

    a: str
    b: str
    shared: float
    sound: float | None
    offset_s: float | None


@dataclass(frozen=True, eq=False)
class _Film:
    trailer_id: str
    path: str
    vectors: Float32  # unit rows, (s, d)
    seconds: Float64  # (s,)


def find_duplicates(dataset: EmbeddingDataset, watcher: Watcher) -> list[DuplicatePair]:
    """Finds all pairs of near-duplicates in a dataset.

    Args:
        dataset: With an image expert; comparing sound needs the films' files.
        watcher: Receives progress.

    Raises:
        StoreError: If there is no image expert.
    """
    films = _load(dataset)
    candidates = _candidates(films)
    heard = _hear({films[k].trailer_id: films[k].path for pair in candidates for k in pair[:2]}, watcher)
    pairs = []
    with watcher.stage("Comparing sounds") as on_step:
        for done, (i, j, shared) in enumerate(candidates, start=1):
            a, b = heard.get(films[i].trailer_id), heard.get(films[j].trailer_id)
            sound, offset_s = align(a, b) if a is not None and b is not None else (None, None)
            if sound is None or sound >= MIN_SOUND:
                pairs.append(DuplicatePair(films[i].trailer_id, films[j].trailer_id, shared, sound, offset_s))
            on_step(done, len(candidates), films[i].trailer_id)
    return sorted(pairs, key=lambda pair: -pair.shared)


def _load(dataset: EmbeddingDataset) -> list[_Film]:
    expert = next((expert.name for expert in dataset.experts if expert.modality == "image"), None)
    if expert is None:
        raise StoreError("Finding duplicates needs an image expert in the dataset. Extract with the light preset.")
    films = []
    for group in Groups(dataset):
        found = group.vectors[expert]
        for i, record in enumerate(group.records):
            rows = slice(found.offsets[i], found.offsets[i + 1])
            seconds = np.diff(group.times_s[i], axis=1)[found.scenes[rows], 0]
            films.append(_Film(record.trailer_id, record.path, found.vectors[rows].astype(np.float32), seconds))
    n_scenes = sum(len(film.vectors) for film in films)
    common = sum((film.vectors.sum(axis=0, dtype=np.float64) for film in films), np.zeros(1)) / max(n_scenes, 1)
    for film in films:
        film.vectors[:] -= common  # remove what all images have in common
        film.vectors[:] /= np.maximum(np.linalg.norm(film.vectors, axis=1, keepdims=True), 1e-12)
    return [film for film in films if len(film.vectors)]


def _candidates(films: Sequence[_Film]) -> list[tuple[int, int, float]]:
    """Pairs that share enough scene time by image."""
    found = []
    for i, j in likely_pairs([film.vectors.mean(axis=0) for film in films]):
        shared = shared_time(films[i].vectors, films[i].seconds, films[j].vectors, films[j].seconds)
        if shared >= MIN_SHARED:
            found.append((i, j, shared))
    return found


def likely_pairs(means: Sequence[Float32], *, all_below: int = ALL_PAIRS_BELOW) -> Iterator[tuple[int, int]]:
    """Pairs to compare: all pairs of few films, otherwise each film's nearest by mean vector.

    The mean of half a film is far nearer to that of the whole film than to those of others.

    Args:
        means: One vector per film, each of shape (d,).
        all_below: All pairs below so many films.

    Yields:
        i < j, in order.
    """
    n = len(means)
    if n < all_below:
        yield from itertools.combinations(range(n), 2)
        return
    units = np.stack(means)
    units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    pairs: set[tuple[int, int]] = set()
    for start in range(0, n, _BLOCK):
        cosine = units[start : start + _BLOCK] @ units.T
        nearest = np.argpartition(-cosine, _NEAREST, axis=1)[:, : _NEAREST + 1]  # includes itself
        pairs |= {(min(i, j), max(i, j)) for i, row in enumerate(nearest.tolist(), start) for j in row if i != j}
    yield from sorted(pairs)


def shared_time(a: Float32, a_seconds: Float64, b: Float32, b_seconds: Float64) -> float:
    """Fraction of the shorter film's scene time whose scenes the longer one has too.

    Args:
        a: Unit rows, one per scene, shape (s, d).
        a_seconds: Durations of the scenes, shape (s,).
        b: Those of the other film, shape (t, d).
        b_seconds: Shape (t,).
    """
    if a_seconds.sum() > b_seconds.sum():
        a, a_seconds, b = b, b_seconds, a
    best = (a @ b.T).max(axis=1)
    return float(a_seconds[best >= MIN_SCENE_COSINE].sum() / a_seconds.sum())


def _hear(paths: Mapping[str, str], watcher: Watcher) -> dict[str, Float64 | None]:
    """Loudness over time by film id; None without sound; unreadable films are left out."""
    jobs = []
    for trailer_id, path in paths.items():
        with suppress(ConfigError):
            jobs.append(Job(trailer_id, source(path)))
    heard: dict[str, Float64 | None] = {}
    workers = min(ExtractSettings().n_workers, max(1, len(jobs)))
    with (
        watcher.stage("Listening") as on_step,
        calling_pool(_envelope_of, limit_s=MediaSettings().time_limit_s, workers=workers) as pool,
    ):
        for done, outcome in enumerate(pool.each(jobs), start=1):
            if isinstance(outcome, Read):
                heard[outcome.trailer_id] = outcome.value
            else:
                watcher.say(f"{outcome.trailer_id}: compared by image alone: {outcome.reason}")
            on_step(done, len(jobs), outcome.trailer_id)
    return heard


def _envelope_of(job: Job, on_progress: OnProgress) -> Float64 | None:
    """Loudness over time of a film; None without sound."""
    limit_bytes, limit_s = ExtractSettings().download_limit_bytes, MediaSettings().time_limit_s
    with local_copy(job.path, limit_bytes=limit_bytes, limit_s=limit_s, on_progress=on_progress) as path:
        return _heard(path)


def _heard(path: Path) -> Float64 | None:
    parts: list[Float64] = []
    seconds = 0.0
    with TrailerReader(path, MediaSettings(frame_fps=0.1, flow_fps=0.1)) as reader:
        for scene in reader.scenes():
            sound = scene.sound if scene.sound is not None else np.zeros(round(scene.duration_s * SOUND_RATE_HZ))
            parts.append(envelope(sound.astype(np.float32)))
            seconds += scene.duration_s
            if seconds > _MAX_ENVELOPE_S:
                break
    whole = np.concatenate(parts) if parts else np.zeros((0, _BANDS))
    return whole if len(whole) and np.ptp(whole) > 0 else None


def envelope(sound: Float32) -> Float64:
    """Log energy in eight octave-like bands, 20 times per second.

    Args:
        sound: Mono at 16 kHz, shape (n,).

    Returns:
        Shape (t, 8).
    """
    hop = SOUND_RATE_HZ // _ENVELOPE_HZ
    n = len(sound) // hop
    power = np.abs(np.fft.rfft(sound[: n * hop].reshape(n, hop) * np.hanning(hop), axis=1)) ** 2
    edges = np.unique(np.geomspace(4, power.shape[1], _BANDS + 1).round().astype(int))
    bands = np.stack([power[:, a:b].mean(axis=1) for a, b in itertools.pairwise(edges)], axis=1)
    return np.asarray(np.log(bands + 1e-6), dtype=np.float64)


def align(a: Float64, b: Float64) -> tuple[float, float]:
    """Best correlation of two envelopes over all shifts with an overlap of at least two seconds.

    Args:
        a: Shape (t, bands).
        b: Shape (u, bands).

    Returns:
        Correlation, -1..1, and the delay of b in seconds.
    """
    size = 1 << (len(a) + len(b) - 1).bit_length()
    shifts = np.arange(-(len(a) - 1), len(b))
    ones_a, ones_b = np.ones((len(a), 1)), np.ones((len(b), 1))

    def correlate(x: Float64, y: Float64) -> Float64:
        """Sum over time and bands of x[t] y[t + shift], for every shift."""
        spectrum = np.conj(np.fft.rfft(x, size, axis=0)) * np.fft.rfft(y, size, axis=0)
        full = np.fft.irfft(spectrum, size, axis=0).sum(axis=1)
        return np.asarray(full[shifts % size])

    bands = a.shape[1]
    count = np.maximum(correlate(ones_a, ones_b).round(), 1) * bands
    # Bands are centred over the whole film, so that loud bass alone does not correlate.
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    sum_a, sum_b = correlate(a, np.tile(ones_b, bands)), correlate(np.tile(ones_a, bands), b)
    cross = correlate(a, b) - sum_a * sum_b / count
    spread_a = correlate(a**2, np.tile(ones_b, bands)) - sum_a**2 / count
    spread_b = correlate(np.tile(ones_a, bands), b**2) - sum_b**2 / count
    value = cross / np.sqrt(np.maximum(spread_a * spread_b, 1e-12))
    enough: Bool = count >= min(_MIN_OVERLAP_S * _ENVELOPE_HZ, len(a), len(b)) * bands
    # Short overlaps correlate by chance, so at least half of the shorter film must overlap.
    enough &= count >= 0.5 * min(len(a), len(b)) * bands
    value = np.where(enough, value, -1.0)
    best = int(value.argmax())
    return float(value[best]), float(shifts[best] / _ENVELOPE_HZ)
