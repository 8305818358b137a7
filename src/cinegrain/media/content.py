"""What a file holds, told by its first bytes, whatever it is called."""

import re
from typing import BinaryIO, Final

HEAD_BYTES = 4096
_DISC_AT = 0x8000  # where an ISO 9660 or UDF image describes itself
_PROBE_BYTES = "2000000"

DEMUXERS: Final = ",".join(
    (
        # What archives keep films in.
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
        # Bare streams of pictures.
        *("h261", "h263", "h264", "hevc", "vvc", "evc", "m4v", "mpegvideo", "vc1", "vc1test", "cavsvideo", "dirac"),
        *("av1", "obu", "ivf", "mjpeg", "yuv4mpegpipe"),
        # Games and the web of the nineties.
        *("bink", "smk", "roq", "ipmovie", "film_cpk", "flic", "swf", "ea", "dxa", "thp", "xmv"),
        # Sound beside a film without.
        *("aac", "ac3", "eac3", "aiff", "amr", "ape", "au", "caf", "dts", "dtshd", "flac", "mp3", "truehd", "tta"),
        *("w64", "wav", "wv"),
    )
)
"""The demuxers that may run, as FFmpeg's `format_whitelist`: none of them opens a file that its own file names."""

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
_UNPACK = "Unpack it and give the film that is inside."
_WRONG = "Give the film itself."
_OTHERS: tuple[tuple[str, str, str], ...] = (
    # what it is, what to do, and how it begins: after blanks, capitals or not
    ("a web page, as after a failed download or before a login", _FETCH, r"<!doctype html|<html|<head|<body"),
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
    """What a file holds that is surely no film, and what to do about it; None where it may be one."""
    head = _head(file, 0, HEAD_BYTES)
    for what, then, begins in _OTHER:
        if begins.match(head):
            return what, then
    disc = _head(file, _DISC_AT, 3 * 2048)
    if any(disc[at + 1 : at + 6] in (b"CD001", b"BEA01", b"NSR02", b"NSR03") for at in (0, 2048, 4096)):
        return (
            "the image of a disc (ISO)",
            "Unpack it and give the files that hold the film, on a DVD the larger .VOB files.",
        )
    return None


def is_text(head: bytes) -> bool:
    """Whether a file begins like text."""
    return bool(head.strip()) and not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head)


def may_be_film(head: bytes) -> bool:
    """Whether a file begins as containers of films do; some hold only sound."""
    return bool(_FILM.match(head) or _PACKET.search(head[:1500]) or _MXF_KEY in head)


def holds_film(file: BinaryIO) -> bool:
    """Whether a file holds moving pictures: by its first bytes, and if these are promising by its streams.

    Args:
        file: Open, seekable; left open.
    """
    if not may_be_film(_head(file, 0, HEAD_BYTES)):
        return False
    import av  # slow to load, and most files are known by their names
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
