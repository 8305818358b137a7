"""The sound of a film, scene by scene, from its own reading of the file."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from av import AudioResampler
from av.audio import AudioFrame
from av.error import FFmpegError

from cinegrain.media.clock import Deadline, StreamClock
from cinegrain.media.decode import Tally, decode_sound
from cinegrain.media.probe import choose_sound_stream, open_media
from cinegrain.types import SOUND_RATE_HZ, Float32

_FULL_SCALE = 32768.0
_CONTIGUOUS_S = 0.040
"""Sound is moved to its time stamp once it is off by more; stamps in WebM are off by up to 0.02 s and back."""


class SoundReader:
    """Mono sound at SOUND_RATE_HZ, aligned to the pictures by time stamps: holes are zeros, overlaps are cut.

    Reads ahead only as far as asked, in a file handle of its own, so that it does not matter how the file
    interleaves sound and pictures. Damaged sound never raises: what cannot be had is a hole.
    """

    def __init__(self, path: Path, *, film_zero_s: float, silence_dbfs: float, deadline: Deadline) -> None:
        """Open the file's main sound stream, if it has one.

        Args:
            path: The video file.
            film_zero_s: Time stamp of the first picture, seconds.
            silence_dbfs: Peak under which sound counts as digital silence.
            deadline: When to give up.
        """
        self.tally = Tally()
        self.codec: str | None = None
        self.heard = False
        self._silence_peak = _FULL_SCALE * 10 ** (silence_dbfs / 20)
        self._clock = StreamClock(film_zero_s)
        self._container = open_media(path, limit_s=deadline.limit_s)
        self._stream = choose_sound_stream(self._container)
        self._blocks: deque[tuple[int, np.ndarray[tuple[int], np.dtype[np.int16]]]] = deque()
        self._covered = 0
        self._resampler: AudioResampler | None = None
        self._setup: tuple[str, str, int] | None = None
        self._segment_end_s = 0.0
        self._tick_s = 0.0
        self._next_sample = 0
        self._frames: Iterator[AudioFrame] = iter(())
        if self._stream is not None:
            self.codec = self._stream.codec_context.name
            self._tick_s = float(self._stream.time_base or 0)
            self._frames = decode_sound(self._container, self._stream, self.tally, deadline)

    @property
    def n_jumps(self) -> int:
        """How often the sound's time stamps leapt."""
        return self._clock.n_jumps

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def take(self, start_s: float, end_s: float) -> Float32 | None:
        """The sound over [start_s, end_s), which must not lie before what was taken earlier.

        Returns:
            Samples in -1..1, shape (n,); None where there is no sound at all or digital silence.
        """
        first, last = round(start_s * SOUND_RATE_HZ), round(end_s * SOUND_RATE_HZ)
        while self._covered < last:
            frame = next(self._frames, None)
            if frame is None:
                self._end_segment()
                break
            self._add(frame)
        samples = np.zeros(last - first, np.int16)
        while self._blocks and self._blocks[0][0] < last:
            at, block = self._blocks.popleft()
            if at + len(block) > last:
                self._blocks.appendleft((last, block[last - at :]))
                block = block[: last - at]
            block = block[max(0, first - at) :]
            if len(block):
                offset = max(at, first) - first
                samples[offset : offset + len(block)] = block
        peak = max(int(samples.max(initial=0)), -int(samples.min(initial=0)))
        if peak < self._silence_peak:
            return None
        self.heard = True
        return (samples / np.float32(_FULL_SCALE)).astype(np.float32)

    def _add(self, frame: AudioFrame) -> None:
        if not frame.samples or not frame.sample_rate:
            return
        duration_s = frame.samples / frame.sample_rate
        stamp_s = frame.pts * self._tick_s if frame.pts is not None else None
        start_s = self._clock.place(stamp_s, duration_s)
        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or setup != self._setup or abs(start_s - self._segment_end_s) > _CONTIGUOUS_S:
            self._end_segment()
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SOUND_RATE_HZ)
            self._setup = setup
            self._segment_end_s = start_s
            self._next_sample = round(start_s * SOUND_RATE_HZ)
        self._segment_end_s += duration_s
        # The resampler counts by itself from here; stamps with jitter would make it stretch the sound.
        frame.pts = None
        try:
            self._store(self._resampler.resample(frame))
        except (FFmpegError, ValueError):
            self.tally.n_bad_packets += 1
            self._resampler = None

    def _end_segment(self) -> None:
        if self._resampler is not None:
            with suppress(FFmpegError, ValueError):
                self._store(self._resampler.resample(None))
            self._resampler = None

    def _store(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            block = np.asarray(frame.to_ndarray(), np.int16).reshape(-1)
            at = self._next_sample
            self._next_sample += len(block)
            overlap = max(0, self._covered - at)
            if overlap < len(block):
                self._blocks.append((at + overlap, block[overlap:]))
                self._covered = at + len(block)
