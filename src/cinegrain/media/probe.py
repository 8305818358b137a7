"""Opens a file and chooses the video stream of the film."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio import AudioStream
from av.codec.context import ThreadType
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video import VideoStream

from cinegrain.errors import MediaError
from cinegrain.media.clock import Deadline
from cinegrain.media.content import DEMUXERS, is_text, other_content
from cinegrain.media.encrypted import is_encrypted
from cinegrain.media.files import check_regular_file

_NOT_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_UNFINISHED = frozenset((".part", ".partial", ".crdownload", ".download", ".opdownload", ".!ut", ".!qb", ".aria2"))
_NO_FILM_BYTES = 1 << 16
# Matroska states the duration of the file, which subtitles may extend, and in a tag that of each stream.
_MATROSKA_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
_ENOUGH_PICTURES = 25

STALL_S = 60.0
"""A single read that takes longer, as over a huge gap, ends reading."""


def open_media(path: Path, *, limit_s: float) -> InputContainer:
    """Open a video file for reading; the caller closes it.

    Args:
        path: The file.
        limit_s: Time limit for opening, and for a single read if less than `STALL_S`.

    Raises:
        MediaError: If the path is not a readable regular file, its content is not video or sound or is encrypted, or
            opening takes too long.
    """
    check_regular_file(path)
    deadline = Deadline(limit_s)
    with _as_media_error(path), path.open("rb") as file:
        other = other_content(file)
    if other is not None:
        raise MediaError(f"{path} is not a video but {other[0]}. {other[1]}")
    try:
        # The absolute path keeps a name such as "http:a.mp4" from being taken for a network address.
        container = av.open(
            str(path.absolute()),
            metadata_errors="replace",
            options={"protocol_whitelist": "file", "format_whitelist": DEMUXERS},
            timeout=(limit_s, min(limit_s, STALL_S)),
        )
    except (FFmpegError, OSError, ValueError) as error:
        deadline.check()
        raise MediaError(_why_not_a_video(path, error)) from error
    with _as_media_error(path), path.open("rb") as file:
        encrypted = is_encrypted(file, container.format.name)
    if encrypted:
        container.close()
        raise MediaError(f"The film in {path} is encrypted and cannot be read. Get a copy of it without encryption.")
    return container


def has_pictures(path: Path, *, limit_s: float) -> bool:
    """Whether a file has moving pictures rather than only sound.

    Raises:
        MediaError: If the file cannot be opened.
    """
    with open_media(path, limit_s=limit_s) as container:
        return any(not stream.disposition & _NOT_FILM for stream in container.streams.video)


def choose_picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video stream of the film: FFmpeg's choice (the largest), but never a still picture beside a film.

    Raises:
        MediaError: If the file has no pictures, or only in a format that cannot be decoded.
    """
    films = [stream for stream in container.streams.video if not stream.disposition & _NOT_FILM]
    if not films:
        kind = "sound" if container.streams.audio else "data"
        raise MediaError(f"{path} has no moving pictures, only {kind}. Get the film with its pictures.")
    known = [stream for stream in films if stream.codec_context is not None]
    if not known:
        raise MediaError(
            f"The pictures in {path} are in a format that cannot be decoded here. Convert the file to H.264."
        )
    best = container.streams.best("video")
    chosen = best if isinstance(best, VideoStream) and best in known else _largest(known)
    if len(known) > 1 and chosen.frames <= 1:
        moving = _moving(path, known)
        if chosen.index not in moving:
            chosen = _largest([stream for stream in known if stream.index in moving] or [chosen])
    decode_in_this_thread(chosen)
    return chosen


def announced_duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Duration of the pictures stated in the file, seconds, or None."""
    if hours := _MATROSKA_DURATION.fullmatch(stream.metadata.get("DURATION", "")):
        # Counted from 0, even if the first picture comes hours later, as in a part of a recording.
        zero_s = max(0.0, float((stream.start_time or 0) * (stream.time_base or 0)))
        return float(hours[1]) * 3600 + float(hours[2]) * 60 + float(hours[3]) - zero_s
    if stream.duration and stream.time_base and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _moving(path: Path, streams: Sequence[VideoStream]) -> set[int]:
    """Indices of streams that give more than one picture while another gives many; empty if there are none.

    Posters are not always marked, and many containers do not state a stream's number of pictures.
    """
    counts = {stream.index: 0 for stream in streams}
    try:
        with open_media(path, limit_s=STALL_S) as container:
            for packet in container.demux([container.streams[index] for index in counts]):
                counts[packet.stream.index] += packet.size > 0
                if max(counts.values()) >= _ENOUGH_PICTURES:
                    break
    # PyAV raises IndexError at a late stream.
    except (FFmpegError, IndexError):
        pass
    return {index for index, n in counts.items() if n > 1}


def _largest(streams: Sequence[VideoStream]) -> VideoStream:
    return max(streams, key=lambda stream: (stream.width or 0) * (stream.height or 0))


def decode_in_this_thread(chosen: VideoStream | AudioStream) -> None:
    """Disables threads: one process runs per core, and frame threads cost 5 to 20 % more."""
    chosen.codec_context.thread_type = ThreadType.NONE
    chosen.codec_context.thread_count = 1


@contextmanager
def _as_media_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MediaError(f"The video file {path} cannot be read: {error.strerror or error}. Check the disk.") from error


def _why_not_a_video(path: Path, error: Exception) -> str:
    with _as_media_error(path), path.open("rb") as file:
        head = file.read(_NO_FILM_BYTES)
    if path.suffix.lower() in _UNFINISHED:
        return f"{path} is an unfinished download. Wait until it is complete, or download the film again."
    if not any(head):
        return f"{path} begins with zeros, as after an unfinished download. Download the film again."
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
        return (
            f"{path} is an incomplete MP4 or QuickTime file: its table of contents (moov) is missing or broken, as "
            "after an unfinished download or recording. Copy or download the film again."
        )
    if is_text(head):
        return f"{path} is not a video but a text file. Give the film itself."
    what = getattr(error, "strerror", None) or error
    return (
        f"{path} is not a video that can be read ({what}). If it does not open in a player "
        "either, download the film again; otherwise convert it to MP4."
    )
