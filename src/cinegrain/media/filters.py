"""Deinterlaces and crops decoded frames with FFmpeg's filters."""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.error import FFmpegError
from av.filter import Graph
from av.video import VideoFrame

from cinegrain.media.bars import Box
from cinegrain.media.combs import Deinterlacing
from cinegrain.media.survey import Survey

_TICK = Fraction(1, 1000)


def filtered(frames: Iterable[VideoFrame], survey: Survey) -> Iterator[VideoFrame]:
    """Deinterlaces and crops frames as surveyed; keeps their number and time stamps.

    Args:
        frames: Decoded frames. Deinterlacing delays them by one.
        survey: Survey of the same film.
    """
    is_needed = survey.crop is not None or survey.deinterlacing is not None
    kind: tuple[int, int, str] | None = None
    chain: _Chain | None = None
    for frame in frames:
        is_needed = is_needed or frame.interlaced_frame
        if not is_needed:
            yield frame
            continue
        if chain is None or kind != (frame.width, frame.height, frame.format.name):
            if chain is not None:
                yield from chain.flush()
            kind = frame.width, frame.height, frame.format.name
            chain = _Chain(frame, survey.crop if kind[:2] == survey.size else None, survey.deinterlacing)
        yield from chain.push(frame)
    if chain is not None:
        yield from chain.flush()


class _Chain:
    """Filters for frames of one size and format.

    Frames are numbered and get their own time stamps back afterwards, since filters rescale and guess them.
    """

    def __init__(self, first: VideoFrame, crop: Box | None, deinterlacing: Deinterlacing | None) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        nodes = [self._graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=_TICK)]
        if deinterlacing is not None:
            nodes.append(self._graph.add("bwdif", mode="send_frame", deint=deinterlacing))
        if crop is not None:
            nodes.append(self._graph.add("crop", f"{crop.width}:{crop.height}:{crop.left}:{crop.top}"))
        # Frames marked as interlaced are scaled by field, which adds combing to those without.
        nodes.append(self._graph.add("setfield", "prog"))
        nodes.append(self._graph.add("buffersink"))
        self._graph.link_nodes(*nodes).configure()
        self._stamps: deque[tuple[int | None, int | None, int]] = deque()
        self._n_pushed = 0

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        self._stamps.append((frame.pts, frame.dts, frame.duration))
        frame.pts, frame.time_base = self._n_pushed, _TICK
        self._n_pushed += 1
        self._graph.vpush(frame)
        yield from self._pull()

    def flush(self) -> Iterator[VideoFrame]:
        self._graph.vpush(None)
        yield from self._pull()

    def _pull(self) -> Iterator[VideoFrame]:
        while self._stamps:
            try:
                frame = self._graph.vpull()
            except (BlockingIOError, FFmpegError):  # needs more input, or is at the end
                return
            frame.pts, frame.dts, frame.duration = self._stamps.popleft()
            yield frame
