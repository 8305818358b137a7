"""Reads the sound of a film, scene by scene, in a separate pass over the file."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from av import AudioResampler
from av.audio import AudioFrame
from av.error import FFmpegError

from cinegrain.media.audible import audible_part, levels_dbfs, quiet_limit_dbfs
from cinegrain.media.clock import Deadline, StreamClock
from cinegrain.media.decode import Tally, decode_sound
from cinegrain.media.probe import open_media
from cinegrain.media.tracks import ChosenTracks, Track, choose_tracks, mixed, prepare
from cinegrain.settings import AUTO
from cinegrain.types import SOUND_RATE_HZ, Float32, Int16

DIGITAL_SILENCE_DBFS = -80.0
_FULL_SCALE = 32768.0
_CONTIGUOUS_S = 0.040
"""Sound is realigned to its time stamps if off by more; WebM stamps jitter by up to 0.02 s."""
LOOK_AHEAD_S = 1200.0
"""The film's loudness is measured over so much of its beginning, kept as 16-bit samples (38 MB)."""
_CHUNK_SAMPLES = 60 * SOUND_RATE_HZ


class SoundReader:
    """Mono sound at SOUND_RATE_HZ, aligned to the pictures by time stamps: gaps are zeros, overlaps are cut.

    Uses its own file handle, independent of the interleaving of sound and pictures. Damaged sound does not raise; it is
    a gap.

    Attributes:
        chosen: Tracks used.
        codec: Codec of the tracks, or None.
        heard: Whether anything but digital silence was read so far.
    """

    def __init__(
        self,
        path: Path,
        *,
        film_zero_s: float | None,
        deadline: Deadline,
        picture_index: int | None = None,
        silence_dbfs: float = DIGITAL_SILENCE_DBFS,
        track: str = AUTO,
        language: str = AUTO,
    ) -> None:
        """Open the file's main sound, if it has one.

        Args:
            path: The video file.
            film_zero_s: Time stamp of the first picture, seconds; None if the film starts with this sound.
            deadline: Time limit.
            picture_index: Video stream of the film, whose programme the sound belongs to.
            silence_dbfs: Peak below which sound counts as digital silence.
            track: Number of the track from 1, or AUTO.
            language: Code of the preferred language, or AUTO.

        Raises:
            MediaError: If the file cannot be opened.
        """
        self.tally = Tally()
        self.codec: str | None = None
        self.heard = False
        self._silence_peak = _FULL_SCALE * 10 ** (silence_dbfs / 20)
        self._limit_dbfs: float | None = None
        self.chosen: ChosenTracks = choose_tracks(
            path, picture_index=picture_index, track=track, language=language, deadline=deadline
        )
        self._container = open_media(path, limit_s=deadline.limit_s)
        wanted = [track.index for track in self.chosen.tracks]
        streams = [stream for stream in self._container.streams.audio if stream.index in wanted]
        self._tracks: dict[int, _PlacedTrack] = {}
        for stream, track_ in zip(streams, self.chosen.tracks, strict=True):
            prepare(stream)
            tick_s = float(stream.time_base or 0)
            zero_s = (stream.start_time or 0) * tick_s if film_zero_s is None else film_zero_s
            self._tracks[stream.index] = _PlacedTrack(track_, zero_s, tick_s, self.tally)
        self._frames: Iterator[tuple[int, AudioFrame]] = iter(())
        if streams:
            self.codec = streams[0].codec_context.name
            self._frames = decode_sound(self._container, streams, self.tally, deadline)
        self._is_over = False

    @property
    def n_jumps(self) -> int:
        """Number of jumps in the time stamps."""
        return max((track.clock.n_jumps for track in self._tracks.values()), default=0)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def end_s(self, until_s: float) -> float:
        """End of the sound in seconds of film, read up to `until_s`; 0 without sound."""
        self._read_until(round(until_s * SOUND_RATE_HZ))
        return max((track.covered for track in self._tracks.values()), default=0) / SOUND_RATE_HZ

    def take(self, start_s: float, end_s: float) -> Float32 | None:
        """The sound over [start_s, end_s), which must not be before what was read earlier.

        Returns:
            Samples in -1..1, shape (n,); None without sound or if it is digital silence.
        """
        first, last = round(start_s * SOUND_RATE_HZ), round(end_s * SOUND_RATE_HZ)
        self._read_until(last)
        samples = self._mix([track.take(first, last) for track in self._tracks.values()], last - first)
        peak = max(int(samples.max(initial=0)), -int(samples.min(initial=0)))
        if peak < self._silence_peak:
            return None
        self.heard = True
        return (samples / np.float32(_FULL_SCALE)).astype(np.float32)

    def audible(self, samples: Float32 | None) -> Float32 | None:
        """Audible part of sound from `take`, with pauses cut out; None if that is too little.

        The film's level is measured at the first call, at most `LOOK_AHEAD_S` ahead.
        """
        if self._limit_dbfs is None:
            self._limit_dbfs = self._look_for_limit(samples)
        return None if samples is None else audible_part(samples, limit_dbfs=self._limit_dbfs)

    def _look_for_limit(self, taken: Float32 | None) -> float:
        self._read_until(round(LOOK_AHEAD_S * SOUND_RATE_HZ))
        levels = [] if taken is None else [levels_dbfs(taken)]
        first = min((track.first for track in self._tracks.values()), default=0)
        last = max((track.covered for track in self._tracks.values()), default=0)
        for start in range(first, last, _CHUNK_SAMPLES):
            end = min(start + _CHUNK_SAMPLES, last)
            chunk = self._mix([track.look(start, end) for track in self._tracks.values()], end - start)
            levels.append(levels_dbfs(chunk.astype(np.float32) / np.float32(_FULL_SCALE)))
        return quiet_limit_dbfs(np.concatenate(levels) if levels else np.zeros(0))

    def _read_until(self, sample: int) -> None:
        """Decodes until all tracks are read up to a sample, or have ended."""
        while not self._is_over and any(track.covered < sample for track in self._tracks.values()):
            found = next(self._frames, None)
            if found is None:
                self._is_over = True
                for track in self._tracks.values():
                    track.end_segment()
            else:
                index, frame = found
                self._tracks[index].add(frame)

    @staticmethod
    def _mix(parts: list[Int16], n_samples: int) -> Int16:
        if len(parts) == 1:
            return parts[0]
        total = np.zeros(n_samples, np.float64)
        for part in parts:
            total += part / len(parts)
        return np.round(total).astype(np.int16)


class _PlacedTrack:
    """One track as 16-bit mono samples at their times in the film."""

    def __init__(self, track: Track, film_zero_s: float, tick_s: float, tally: Tally) -> None:
        self.clock = StreamClock(film_zero_s)
        self.covered = 0
        self._track, self._tick_s, self._tally = track, tick_s, tally
        self._blocks: deque[tuple[int, Int16]] = deque()
        self._resampler: AudioResampler | None = None
        self._setup: tuple[str, str, int] | None = None
        self._segment_end_s = 0.0
        self._next_sample = 0
        self._last_stamp: int | None = None

    @property
    def first(self) -> int:
        """Number of the first sample in memory."""
        return self._blocks[0][0] if self._blocks else self.covered

    def take(self, first: int, last: int) -> Int16:
        """Samples [first, last), dropped with all before; zeros in gaps."""
        samples = self.look(first, last)
        while self._blocks and self._blocks[0][0] < last:
            at, block = self._blocks.popleft()
            if at + len(block) > last:
                self._blocks.appendleft((last, block[last - at :]))
                break
        return samples

    def look(self, first: int, last: int) -> Int16:
        """Samples [first, last), which stay in memory."""
        samples = np.zeros(last - first, np.int16)
        for at, block in self._blocks:
            if at >= last:
                break
            start, end = max(at, first), min(at + len(block), last)
            if start < end:
                samples[start - first : end - first] = block[start - at : end - at]
        return samples

    def add(self, frame: AudioFrame) -> None:
        """Add the next frame of the track."""
        if not frame.samples or not frame.sample_rate:
            return
        duration_s = frame.samples / frame.sample_rate
        # Two frames never start together: a repeated stamp, as in RealMedia, is not a time.
        stamp = None if frame.pts == self._last_stamp else frame.pts
        self._last_stamp = frame.pts
        stamp_s = None if stamp is None else stamp * self._tick_s
        start_s = self.clock.place(stamp_s, duration_s)
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or setup != self._setup or abs(start_s - self._segment_end_s) > _CONTIGUOUS_S:
            self.end_segment()
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SOUND_RATE_HZ)
            self._setup = setup
            self._segment_end_s = start_s
            self._next_sample = round(start_s * SOUND_RATE_HZ)
        self._segment_end_s += duration_s
        try:
            frame = mixed(frame, self._track.mix)
            # The resampler counts by itself from here; jittering stamps would make it stretch the sound.
            frame.pts = None
            self._store(self._resampler.resample(frame))
        except (FFmpegError, ValueError):
            self._tally.n_bad_packets += 1
            self._resampler = None

    def end_segment(self) -> None:
        """Flush the resampler."""
        if self._resampler is not None:
            with suppress(FFmpegError, ValueError):
                self._store(self._resampler.resample(None))
            self._resampler = None

    def _store(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            block = np.asarray(frame.to_ndarray(), np.int16).reshape(-1)
            at = self._next_sample
            self._next_sample += len(block)
            overlap = max(0, self.covered - at)
            if overlap < len(block):
                self._blocks.append((at + overlap, block[overlap:]))
                self.covered = at + len(block)
