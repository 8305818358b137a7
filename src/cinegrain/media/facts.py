"""Facts about a file that has been read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from cinegrain.settings import AUTO

FLAGS: Final = {
    "no_audio": "The file has no sound stream.",
    "unreadable_audio": "The file has a sound stream, but none of it could be decoded.",
    "silent_audio": "The sound is digital silence.",
    "quiet_audio": "No scene has enough audible sound.",
    "uneven_lengths": "The sound and the pictures differ in length by more than a second.",
    "damaged": "Some packets could not be decoded, or the decoder concealed errors in some pictures.",
    "shorter_than_announced": "The pictures end before the duration stated in the file.",
    "odd_rate": "Fewer pictures than the frame rate implies (some are lost, or it varies), or over 480 a second.",
    "dolby_vision": "Dolby Vision without a standard base layer: the colours are wrong.",
    "clock_jump": "The time stamps jump; the parts were joined without a gap.",
}
"""Every flag of a file, with its meaning."""


@dataclass(frozen=True)
class MediaFacts:
    """Facts about one file, complete when all its scenes have been read.

    Attributes:
        announced_duration_s: Duration stated in the file, or None.
        decoded_duration_s: From the first picture to the end of the last one, or of the sound if that lasts over a
            second longer.
        width: Width as shown: without black bars, after rotation, with square pixels.
        height: Height as shown.
        video_codec: FFmpeg's short name, for example "h264".
        audio_codec: FFmpeg's short name, or None.
        audio_tracks: Numbers of the sound tracks used, counted from 1; several are the channels of one sound.
        n_audio_tracks: Number of sound tracks in the file.
        audio_language: Language code of the track used, or None.
        audible_s: Duration of the audible sound, which is what the experts get.
        rotation_deg: Anticlockwise rotation of the pictures: 0, 90, 180 or 270.
        crop: Left, top, width and height of the picture inside black bars, in pixels of the file; None without bars.
        deinterlaced: Whether the pictures were deinterlaced.
        tone_mapped: Transfer function of high dynamic range pictures that were mapped to a standard screen, or None.
        n_frames_decoded: Number of pictures decoded.
        n_bad_packets: Number of packets that could not be read or decoded.
        n_scenes: Number of scenes.
        flags: Keys of `FLAGS`, in its order.
    """

    announced_duration_s: float | None
    decoded_duration_s: float
    width: int
    height: int
    video_codec: str
    audio_codec: str | None
    audio_tracks: tuple[int, ...]
    n_audio_tracks: int
    audio_language: str | None
    audible_s: float
    rotation_deg: int
    crop: tuple[int, int, int, int] | None
    deinterlaced: bool
    tone_mapped: Literal["pq", "hlg"] | None
    n_frames_decoded: int
    n_bad_packets: int
    n_scenes: int
    flags: tuple[str, ...]


def heard_track(facts: str) -> str:
    """Value of `media.audio_track` that selects the same sound again.

    Args:
        facts: A film's facts as JSON, as the dataset stores them.
    """
    tracks: Sequence[int] = json.loads(facts).get("audio_tracks") or ()
    return str(tracks[0]) if len(tracks) == 1 else AUTO


def reading_notes(facts: str) -> dict[str, str]:
    """How a film's picture and sound were read, in words; empty if its vectors were computed elsewhere.

    Args:
        facts: A film's facts as JSON, as the dataset stores them.
    """
    notes: dict[str, str] = {}
    known: Mapping[str, Any] = json.loads(facts)
    if known.get("width"):
        notes["picture"] = ", ".join([f"{known['width']} x {known['height']}", *_picture_notes(known)])
    if known.get("n_audio_tracks"):
        notes["sound"] = _sound_note(known)
    if known.get("parts"):
        notes["files"] = f"{1 + len(known['parts'])}, read as one film"
    return notes


def _picture_notes(facts: Mapping[str, Any]) -> list[str]:
    notes = []
    if facts.get("crop"):
        notes.append("between black bars")
    if facts.get("deinterlaced"):
        notes.append("deinterlaced")
    if facts.get("tone_mapped"):
        notes.append(f"mapped from {str(facts['tone_mapped']).upper()} to a standard screen")
    return notes


def _sound_note(facts: Mapping[str, Any]) -> str:
    numbers, n_tracks = facts["audio_tracks"], facts["n_audio_tracks"]
    if not numbers:
        return "not decodable"
    which = f"tracks {', '.join(map(str, numbers))} mixed" if len(numbers) > 1 else f"track {numbers[0]}"
    language = f" ({facts['audio_language']})" if facts.get("audio_language") else ""
    audible = f"{facts['audible_s']:.0f} s audible" if facts["audible_s"] >= 0.5 else "inaudible"
    return f"{which} of {n_tracks}{language}, {audible}"
