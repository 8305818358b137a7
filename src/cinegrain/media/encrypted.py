"""Detects encrypted video, which decoders turn into noise without an error."""

import re
from collections.abc import Callable
from typing import BinaryIO

_LOOK_BYTES = 2 << 20
_HEADER_BYTES = 32 << 20  # maximum size of a header
_MOST_BOXES = 2000
_TS_BYTES, _TS_NULL = 188, 0x1FFF
_MOST_CLEAR = 0.5  # DVDs scramble some sectors, television almost all packets
_MOST_CLEAR_DVD = 0.9
_SAMPLE_ENTRY = re.compile(rb"stsd.{12}(?:encv|drmi)", re.DOTALL)
_CONTENT_ENCRYPTION = re.compile(rb"\x6d\x80.{1,120}?\x50\x35", re.DOTALL)
_SEGMENT, _TRACKS = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b"
_SYNC = re.compile(rb"G(?=.{187}G.{187}G.{187}G)", re.DOTALL)
_VIDEO_PES = re.compile(rb"\x00\x00\x01[\xe0-\xef]..([\x80-\xbf])", re.DOTALL)
_ASF_ENCRYPTION = (  # the objects Content Encryption and Extended Content Encryption
    bytes.fromhex("fbb31122 23bdd211 b4b700a0 c955fc6e"),
    bytes.fromhex("14e68a29 2226174c b935dae0 7ee9289c"),
)


def is_encrypted(file: BinaryIO, container: str) -> bool:
    """Whether the pictures are encrypted (CENC, FairPlay, WebM, scrambled television, CSS on DVDs, Windows Media DRM).

    Args:
        file: Open and seekable.
        container: FFmpeg's name of the container.

    Source: ISO/IEC 23001-7 (`encv`), RFC 9559 (ContentEncryption), ISO/IEC 13818-1 (scrambling control).
    """
    check = next((check for name, check in _CHECKS.items() if name in container.split(",")), None)
    return check is not None and check(file)


def _mov(file: BinaryIO) -> bool:
    """MP4 and QuickTime: the sample entry of a protected track."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return False
        size, start = int.from_bytes(head[:4]), at + 8
        if size == 1:
            size, start = int.from_bytes(head[8:16]), at + 16
        if head[4:8] == b"moov":
            file.seek(start)
            return bool(_SAMPLE_ENTRY.search(file.read(min(size or _HEADER_BYTES, _HEADER_BYTES))))
        if size < 8:
            return False
        at += size
    return False


def _matroska(file: BinaryIO) -> bool:
    """Matroska and WebM: the ContentEncryption element of a track."""
    file.seek(0)
    while True:
        head, at = file.read(12), file.tell()
        if len(head) < 2:
            return False
        n_id = 9 - head[0].bit_length()
        n_size = 9 - head[n_id : n_id + 1][0].bit_length() if len(head) > n_id else 9
        if n_id > 4 or n_size > 8:
            return False
        size = int.from_bytes(head[n_id : n_id + n_size]) & (1 << 7 * n_size) - 1
        start = at - len(head) + n_id + n_size
        if head.startswith(_TRACKS):
            file.seek(start)
            return bool(_CONTENT_ENCRYPTION.search(file.read(min(size, _HEADER_BYTES))))
        file.seek(start if head.startswith(_SEGMENT) else start + size)


def _mpegts(file: BinaryIO) -> bool:
    """Transport streams: the scrambling bits of each packet."""
    content = _beginning(file)
    first = _SYNC.search(content)
    packets = range(first.start(), len(content) - _TS_BYTES, _TS_BYTES) if first else range(0)
    heads = [content[i : i + 4] for i in packets if content[i] == 0x47 and content[i + 3] & 0x10]
    films = [head[3] for head in heads if 0x20 <= int.from_bytes(head[1:3]) & 0x1FFF < _TS_NULL]
    return sum(flags >= 0x40 for flags in films) > (1 - _MOST_CLEAR) * len(films)


def _mpeg(file: BinaryIO) -> bool:
    """Program streams, as on DVDs: the scrambling bits of each video packet."""
    flags = [found[0] for found in _VIDEO_PES.findall(_beginning(file))]
    return sum(bool(flag & 0x30) for flag in flags) > (1 - _MOST_CLEAR_DVD) * len(flags)


def _asf(file: BinaryIO) -> bool:
    head = _beginning(file)[: 1 << 16]
    return any(mark in head for mark in _ASF_ENCRYPTION)


def _beginning(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(_LOOK_BYTES)


_CHECKS: dict[str, Callable[[BinaryIO], bool]] = {
    "mov": _mov,
    "matroska": _matroska,
    "mpegts": _mpegts,
    "mpeg": _mpeg,
    "asf": _asf,
}
