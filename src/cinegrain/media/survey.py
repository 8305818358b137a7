"""Examines a sample of a film's pictures for black bars and combing before it is read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video import VideoFrame, VideoStream
from av.video.reformatter import ColorRange, VideoReformatter

from cinegrain.media.bars import Box, Extent, find_bars, find_layouts
from cinegrain.media.clock import Deadline
from cinegrain.media.combs import Deinterlacing, Weave, combed_share, deinterlacing
from cinegrain.media.decode import Tally, decode_pictures
from cinegrain.media.probe import decode_in_this_thread, open_media

_N_LOOKS = 16
_ENOUGH_PLAIN = 5
_FEWEST_LOOKS = 6
_MAX_PACKETS_TO_KEY = 300
_EVERY_FRAME, _MAX_FRAMES = 12, 480


@dataclass(frozen=True)
class Survey:
    """How to process a film's pictures.

    Attributes:
        size: Width and height of the frames; the rest applies to frames of this size.
        crop: Part of the frame inside black bars; None without bars.
        layouts: Smaller parts that the picture fills in parts of the film, smallest first.
        deinterlacing: Frames to deinterlace, or None.
    """

    size: tuple[int, int] | None = None
    crop: Box | None = None
    layouts: tuple[Box, ...] = ()
    deinterlacing: Deinterlacing | None = None


@dataclass
class _Looks:
    """Measurements of the frames examined so far."""

    extents: list[Extent] = field(default_factory=list)
    weaves: list[Weave] = field(default_factory=list)
    size: tuple[int, int] | None = None
    scaler: VideoReformatter = field(default_factory=VideoReformatter)

    def add(self, frame: VideoFrame) -> None:
        if self.size not in (None, (frame.width, frame.height)):
            return
        self.size = frame.width, frame.height
        grey = self.scaler.reformat(frame, format="gray", dst_color_range=ColorRange.JPEG, threads=1).to_ndarray()
        luma = np.asarray(grey, np.uint8)
        extent = Extent.of(luma)
        if extent is not None:
            self.extents.append(extent)
            self.weaves.append(Weave(frame.interlaced_frame, combed_share(luma)))

    @property
    def are_plain(self) -> bool:
        """Whether there are no signs of bars or combing so far."""
        return (
            len(self.extents) > 0
            and all(extent.fills_frame for extent in self.extents)
            and not any(weave.is_suspicious for weave in self.weaves)
        )

    @property
    def are_marked(self) -> bool:
        return any(weave.is_marked for weave in self.weaves)

    def survey(self) -> Survey:
        crop = find_bars(self.extents)
        return Survey(self.size, crop, find_layouts(self.extents, crop), deinterlacing(self.weaves))


def survey_pictures(path: Path, stream_index: int, deadline: Deadline) -> Survey:
    """Examine key frames spread over a film.

    The first few suffice for a film without bars and combing. If there are too few key frames, or the file is not
    seekable, pictures at its start are examined as well. Deterministic.

    Args:
        path: The file.
        stream_index: Video stream.
        deadline: Time limit of the film.

    Raises:
        MediaError: If the deadline passes.
    """
    looks = _Looks()
    for frames in (_key_frames, _first_frames):
        with open_media(path, limit_s=deadline.limit_s) as container:
            stream = container.streams[stream_index]
            assert isinstance(stream, VideoStream)
            decode_in_this_thread(stream)
            try:
                for frame in frames(container, stream, looks, deadline):
                    looks.add(frame)
                    if looks.are_plain and len(looks.extents) >= _ENOUGH_PLAIN:
                        return looks.survey()
            # PyAV raises IndexError at a late stream.
            except (FFmpegError, ValueError, IndexError):
                pass
        if looks.are_plain or len(looks.extents) >= _FEWEST_LOOKS:
            break
    return looks.survey()


def _key_frames(
    container: InputContainer, stream: VideoStream, looks: _Looks, deadline: Deadline
) -> Iterator[VideoFrame]:
    """Key frames of the whole film, each once, the first ones far apart."""
    if not container.duration or not stream.time_base:
        return
    duration_ticks = Fraction(container.duration, av.time_base) / stream.time_base
    seen: set[int | None] = set()
    for share in _spread(_N_LOOKS):
        deadline.check()
        container.seek(int((stream.start_time or 0) + share * duration_ticks), stream=stream)
        packets = (packet for packet in islice(container.demux(stream), _MAX_PACKETS_TO_KEY) if packet.size)
        key = next((packet for packet in packets if packet.is_keyframe), None)
        if key is None or (key.pts if key.pts is not None else key.dts) in seen:
            continue
        seen.add(key.pts if key.pts is not None else key.dts)
        try:
            frames = stream.decode(key)
            if not frames and looks.are_marked and (second := next(packets, None)):
                frames = stream.decode(second)  # the second field may have its own packet
            yield from (frames or stream.decode(None))[:1]
        except FFmpegError:
            continue
        finally:
            stream.codec_context.flush_buffers()


def _spread(n: int) -> list[float]:
    """Midpoints of n equal steps over 0..1 in van der Corput order; n is a power of two."""
    n_bits = n.bit_length() - 1
    return [(int(f"{number:0{n_bits}b}"[::-1], 2) + 0.5) / n for number in range(n)]


def _first_frames(
    container: InputContainer, stream: VideoStream, _looks: _Looks, deadline: Deadline
) -> Iterator[VideoFrame]:
    """Some pictures from the start of the film."""
    yield from islice(decode_pictures(container, stream, Tally(), deadline), 0, _MAX_FRAMES, _EVERY_FRAME)
