"""Decodes streams packet by packet, skipping damaged ones."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
from av.audio import AudioFrame, AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video import VideoFrame, VideoStream

from cinegrain.media.clock import Deadline

logger = logging.getLogger(__name__)
_MAX_READ_ERRORS_IN_A_ROW = 50


@dataclass
class Tally:
    """Counts of decoded frames and bad packets."""

    n_frames: int = 0
    n_bad_packets: int = 0
    n_concealed_frames: int = 0


def decode_pictures(
    container: InputContainer, stream: VideoStream, tally: Tally, deadline: Deadline
) -> Iterator[VideoFrame]:
    """Every decodable picture of a stream; bad packets are counted in `tally`.

    Raises:
        MediaError: When the deadline passes.
    """
    for packet in _packets(container, [stream], tally, deadline):
        try:
            frames = stream.decode(packet)
        except FFmpegError as error:
            _count_bad(tally, error)
            continue
        for frame in frames:
            tally.n_frames += 1
            tally.n_concealed_frames += frame.is_corrupt
            yield frame


def decode_sound(
    container: InputContainer, streams: Sequence[AudioStream], tally: Tally, deadline: Deadline
) -> Iterator[tuple[int, AudioFrame]]:
    """Every decodable frame of sound of some streams, with the index of its stream.

    Bad packets are counted in `tally`.

    Raises:
        MediaError: When the deadline passes.
    """
    by_index = {stream.index: stream for stream in streams}
    for packet in _packets(container, streams, tally, deadline):
        # None flushes a decoder.
        for stream in streams if packet is None else (by_index[packet.stream.index],):
            try:
                frames = stream.codec_context.decode(packet)
            except FFmpegError as error:
                _count_bad(tally, error)
                continue
            for frame in frames:
                tally.n_frames += 1
                yield stream.index, frame


def _packets(
    container: InputContainer, streams: Sequence[VideoStream | AudioStream], tally: Tally, deadline: Deadline
) -> Iterator["Packet[Stream] | None"]:
    """Packets of some streams, then None to flush the decoders."""
    errors_in_a_row = 0
    while errors_in_a_row <= _MAX_READ_ERRORS_IN_A_ROW:
        try:
            for packet in container.demux(*streams):
                deadline.check()
                errors_in_a_row = 0
                # A decoder takes an empty packet for the end of the stream, but some files have them in the middle.
                if packet.size:
                    tally.n_bad_packets += packet.is_corrupt
                    yield packet
            break
        # PyAV raises IndexError at the end of a file with a late stream (damaged MPEG-TS).
        except (av.error.EOFError, IndexError):
            break
        except FFmpegError as error:
            deadline.check()
            _count_bad(tally, error)
            if isinstance(error, av.error.ExitError):  # interrupted after `STALL_S`
                break
            errors_in_a_row += 1
    yield None


def _count_bad(tally: Tally, error: FFmpegError) -> None:
    tally.n_bad_packets += 1
    if tally.n_bad_packets == 1:
        logger.debug("bad packet, skipped: %s", error)
