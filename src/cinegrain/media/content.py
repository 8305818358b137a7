"""Recognises the content of a file by its first bytes."""

import re
from typing import BinaryIO, Final

HEAD_BYTES = 4096
_DISC_AT = 0x8000  # offset of the descriptor of an ISO 9660 or UDF image
_PROBE_BYTES = "2000000"

DEMUXERS: Final = ",".join(
    (
        # Formats of archives.
        *(
            "mov",
            "matroska",
            "mpeg",
            "mpegts",
            "mxf",
            "avi",
            "asf",
            "flv",
            "live_flv",
            "kux",
            "ogg",
            "rm",
            "gxf",
            "nut",
        ),
        *("wtv", "ty", "pva", "nuv", "nsv", "dv", "lvf", "dhav", "mlv", "cine", "r3d", "gif", "vivo"),
        # Raw video streams.
        *("h261", "h263", "h264", "hevc", "vvc", "evc", "m4v", "mpegvideo", "vc1", "vc1test", "cavsvideo", "dirac"),
        *("av1", "obu", "ivf", "mjpeg", "yuv4mpegpipe"),
        # Old games and web formats.
        *("bink", "smk", "roq", "ipmovie", "film_cpk", "flic", "swf", "ea", "dxa", "thp", "xmv"),
        # Sound stored beside a silent film.
        *("aac", "ac3", "eac3", "aiff", "amr", "ape", "au", "caf", "dts", "dtshd", "flac", "mp3", "truehd", "tta"),
        *("w64", "wav", "wv"),
    )
)
"""FFmpeg's `format_whitelist`: no demuxer that opens other files named in a file."""

_FILM = re.compile(
    rb"""
    .{4}(?:ftyp|moov|mdat|wide|free|skip|pnot)      # MP4, QuickTime, 3GPP
    | \x1aE\xdf\xa3                                 # Matroska, WebM
    | RIFF.{4}(?:AVI\x20|CDXA|AMV\x20)              # AVI, Video CD
    | FLV\x01 | OggS | \.RMF | DKIF | YUV4MPEG2\x20 | BBCD | NSV[fs] | BIK. | KB2. | SMK[24]
    | \x30\x26\xb2\x75\x8e\x66\xcf\x11              # ASF
    | \xb7\xd8\x00\x20\x37\x49\xda\x11              # WTV
    | \x00\x00\x01[\xba\xb3\xb0\xb5\x0f\x06\x09\x67\x27] # MPEG program and video streams, VC-1, H.264
    | \x00\x00\x00\x01[\x06\x09\x67\x27\x40\x42\x46\x4e] # H.264, HEVC
    | \x1f\x07\x00[\x3f\xbf]                        # DV
    | \x00\x00\x00\x00\x01\xbc                      # GXF
    | nut/multimedia\ container | NuppelVideo | MythTVVideo | \xf5\x46\x7a\xbd
    """,
    re.DOTALL | re.VERBOSE,
)
_PACKET = re.compile(rb"G(?:.{187}G.{187}G.{187}G|.{191}G.{191}G.{191}G|.{203}G.{203}G.{203}G)", re.DOTALL)
_MXF_KEY = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02"

_FETCH = "Download the film again."
_UNPACK = "Unpack it and give the film inside."
_WRONG = "Give the film itself."
_OTHERS: tuple[tuple[str, str, str], ...] = (
    # what it is, what to do, and its beginning, ignoring case and leading white space
    ("a web page, as from a failed download or a login page", _FETCH, r"<!doctype html|<html|<head|<body"),
    (
        "a playlist, which names other files",
        _WRONG,
        r"\#extm3u|\[playlist\]|\[reference\]|ffconcat|file\s+'|<asx|<\?wpl|<smil|<mpd|<playlist|v=0\s|rtsp(text|://)|asf\s+http"
        r"|<\?xml[^>]*>\s*(<!--.*?-->\s*)*<(mpd|playlist|smil|asx|assetmap|compositionplaylist)",
    ),
    ("an archive (ZIP)", _UNPACK, r"pk\x03\x04|pk\x05\x06"),
    ("an archive (RAR)", _UNPACK, r"rar!\x1a"),
    ("an archive (7z)", _UNPACK, r"7z\xbc\xaf\x27\x1c"),
    ("a compressed file", _UNPACK, r"\x1f\x8b\x08|bzh[1-9]1ay|\xfd7zxz\x00|\x28\xb5\x2f\xfd"),
    ("the table of contents of a DVD", "Give the .VOB files beside it.", r"dvdvideo-(vmg|vts)"),
    (
        "a picture",
        _WRONG,
        r"\xff\xd8\xff|\x89png|bm.{4}\0{4}|ii\*\0|mm\0\*|riff.{4}webp|8bps|.{4}ftyp(heic|heix|mif1|avif)",
    ),
    ("a document", _WRONG, r"%pdf-|\{\\rtf|\xd0\xcf\x11\xe0"),
)
_OTHER = tuple(
    (what, then, re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:" + begins.encode("latin-1") + rb")", re.DOTALL | re.IGNORECASE))
    for what, then, begins in _OTHERS
)


def other_content(file: BinaryIO) -> tuple[str, str] | None:
    """Content that is certainly not a film, and what to do about it; None if it may be a film."""
    head = _head(file, 0, HEAD_BYTES)
    for what, then, begins in _OTHER:
        if begins.match(head):
            return what, then
    disc = _head(file, _DISC_AT, 3 * 2048)
    if any(disc[at + 1 : at + 6] in (b"CD001", b"BEA01", b"NSR02", b"NSR03") for at in (0, 2048, 4096)):
        return (
            "the image of a disc (ISO)",
            "Unpack it and give the files of the film; on a DVD these are the largest .VOB files.",
        )
    return None


def is_text(head: bytes) -> bool:
    """Whether a file starts like text."""
    return bool(head.strip()) and not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head)


def may_be_film(head: bytes) -> bool:
    """Whether a file starts like a container of films; it may hold only sound."""
    return bool(_FILM.match(head) or _PACKET.search(head[:1500]) or _MXF_KEY in head)


def holds_film(file: BinaryIO) -> bool:
    """Whether a file holds moving pictures, by its first bytes and then by its streams.

    Args:
        file: Open, seekable; left open.
    """
    if not may_be_film(_head(file, 0, HEAD_BYTES)):
        return False
    import av  # slow to import, and most files are recognised by name
    from av.stream import Disposition

    file.seek(0)
    try:
        with av.open(
            file, metadata_errors="replace", options={"format_whitelist": DEMUXERS, "probesize": _PROBE_BYTES}
        ) as found:
            covers = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
            return any(not stream.disposition & covers for stream in found.streams.video)
    except (av.error.FFmpegError, OSError, ValueError):
        return False


def _head(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    file.seek(at)
    return file.read(n_bytes)
