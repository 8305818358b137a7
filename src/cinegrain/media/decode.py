"""From an open file to decoded frames of its streams, packet by packet, over whatever is damaged."""

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
    """What went through a decoder."""

    n_frames: int = 0
    n_bad_packets: int = 0
    n_concealed_frames: int = 0


def decode_pictures(
    container: InputContainer, stream: VideoStream, tally: Tally, deadline: Deadline
) -> Iterator[VideoFrame]:
    """Every picture of a stream that can be decoded; what cannot is counted in `tally`.

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
    """Every stretch of sound of some streams that can be decoded, with the index of its stream.

    What cannot be decoded is counted in `tally`.

    Raises:
        MediaError: When the deadline passes.
    """
    by_index = {stream.index: stream for stream in streams}
    for packet in _packets(container, streams, tally, deadline):
        # Without a packet a decoder hands over what it still holds.
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
    """The packets of some streams, then None, which makes the decoders hand over what they still hold."""
    errors_in_a_row = 0
    while errors_in_a_row <= _MAX_READ_ERRORS_IN_A_ROW:
        try:
            for packet in container.demux(*streams):
                deadline.check()
                errors_in_a_row = 0
                # Empty packets mean "end of stream" to a decoder, but some files hold them in the middle.
                if packet.size:
                    tally.n_bad_packets += packet.is_corrupt
                    yield packet
            break
        # PyAV raises IndexError at the end of a file in which a stream appeared on the way (rotten MPEG-TS).
        except (av.error.EOFError, IndexError):
            break
        except FFmpegError as error:
            deadline.check()
            _count_bad(tally, error)
            if isinstance(error, av.error.ExitError):  # broken off after `STALL_S`
                break
            errors_in_a_row += 1
    yield None


def _count_bad(tally: Tally, error: FFmpegError) -> None:
    tally.n_bad_packets += 1
    if tally.n_bad_packets == 1:
        logger.debug("bad packet, skipped: %s", error)
