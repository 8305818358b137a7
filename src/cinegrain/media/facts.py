"""What is known about a file once it has been read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from cinegrain.settings import AUTO

FLAGS: Final = {
    "no_audio": "The file has no sound stream.",
    "unreadable_audio": "The file has a sound stream, but none of it could be decoded.",
    "silent_audio": "The file has sound, all of it digital silence.",
    "quiet_audio": "The file has sound, but none of its scenes has enough that can be heard.",
    "uneven_lengths": "The sound and the pictures differ in length by more than a second.",
    "damaged": "Some packets could not be decoded, or some pictures were patched up by the decoder.",
    "shorter_than_announced": "The pictures end before the duration that the file announces.",
    "odd_rate": "Fewer pictures than the frame rate promises (some are lost, or it varies), or over 480 a second.",
    "dolby_vision": "The pictures are Dolby Vision without an ordinary base layer: the colours are wrong.",
    "clock_jump": "The time stamps leap; the film was joined up there.",
}
"""Every flag a file may carry, with its meaning."""


@dataclass(frozen=True)
class MediaFacts:
    """Facts about one file, complete once all its scenes have been read.

    Attributes:
        announced_duration_s: As the file says; None where it does not.
        decoded_duration_s: From the first picture to the end of the last one, or to that of the sound where it
            lasts over a second longer.
        width: Of the picture as shown: without black bars, after rotation and with square pixels.
        height: Of the picture as shown.
        video_codec: FFmpeg's short name, for example "h264".
        audio_codec: The same for the sound; None where there is none.
        audio_tracks: Numbers of the sound tracks that are heard, from 1 as players count; several are the channels
            of one sound.
        n_audio_tracks: Sound tracks in the file.
        audio_language: Of the track that is heard, in its shortest code; None where the file does not say.
        audible_s: How much of the sound can be heard, and so reaches the experts.
        rotation_deg: How far pictures are turned anticlockwise to be shown: 0, 90, 180 or 270.
        crop: Left, top, width and height of the picture between black bars, pixels of the file; None without bars.
        deinterlaced: Whether combs were removed from interlaced pictures.
        tone_mapped: The transfer function of high dynamic range that was mapped to an ordinary screen's; None where
            there was none.
        n_frames_decoded: Pictures decoded, sampled or not.
        n_bad_packets: Packets of pictures or sound that could not be read or decoded.
        n_scenes: Scenes found.
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
    """The setting `media.audio_track` with which a film is heard again as it was.

    Args:
        facts: A film's facts as JSON, as the dataset stores them.
    """
    tracks: Sequence[int] = json.loads(facts).get("audio_tracks") or ()
    return str(tracks[0]) if len(tracks) == 1 else AUTO


def reading_notes(facts: str) -> dict[str, str]:
    """How a film's picture and sound were read, in words; empty for films that were not read here.

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
        notes.append(f"mapped from {str(facts['tone_mapped']).upper()} to an ordinary screen")
    return notes


def _sound_note(facts: Mapping[str, Any]) -> str:
    numbers, n_tracks = facts["audio_tracks"], facts["n_audio_tracks"]
    if not numbers:
        return "none that can be decoded"
    which = f"tracks {', '.join(map(str, numbers))} mixed" if len(numbers) > 1 else f"track {numbers[0]}"
    language = f" ({facts['audio_language']})" if facts.get("audio_language") else ""
    audible = f"{facts['audible_s']:.0f} s of it audible" if facts["audible_s"] >= 0.5 else "nothing of it audible"
    return f"{which} of {n_tracks}{language}, {audible}"
