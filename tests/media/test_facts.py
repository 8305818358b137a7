"""What is said of how a film was read."""

import json
from typing import Any

import pytest

from cinegrain.media.facts import heard_track, reading_notes
from cinegrain.settings import AUTO

PLAIN: dict[str, Any] = {
    "width": 1280,
    "height": 536,
    "crop": None,
    "deinterlaced": False,
    "tone_mapped": None,
    "audio_tracks": [1],
    "n_audio_tracks": 1,
    "audio_language": None,
    "audible_s": 19.6,
}


@pytest.mark.parametrize(
    ("facts", "name", "means"),
    [
        ({}, "picture", "1280 x 536"),
        ({"crop": [0, 92, 1280, 536]}, "picture", "1280 x 536, between black bars"),
        ({"deinterlaced": True}, "picture", "1280 x 536, deinterlaced"),
        ({"tone_mapped": "pq"}, "picture", "1280 x 536, mapped from PQ to a standard screen"),
        ({}, "sound", "track 1 of 1, 20 s audible"),
        ({"audible_s": 0.0}, "sound", "track 1 of 1, inaudible"),
        ({"audio_tracks": [2], "n_audio_tracks": 3, "audio_language": "de"}, "sound", "track 2 of 3 (de), 20 s"),
        ({"audio_tracks": [3, 4], "n_audio_tracks": 4}, "sound", "tracks 3, 4 mixed of 4"),
        ({"audio_tracks": []}, "sound", "not decodable"),
        ({"parts": ["b.vob", "c.vob"]}, "files", "3, read as one film"),
    ],
)
def test_how_a_film_was_read(facts: dict[str, Any], name: str, means: str) -> None:
    assert reading_notes(json.dumps(PLAIN | facts))[name].startswith(means)


def test_nothing_is_said_of_what_was_not_read_here() -> None:
    assert reading_notes("{}") == {}
    assert "sound" not in reading_notes(json.dumps(PLAIN | {"n_audio_tracks": 0, "audio_tracks": []}))


def test_a_film_is_heard_again_as_it_was() -> None:
    assert heard_track(json.dumps(PLAIN | {"audio_tracks": [2]})) == "2"
    assert heard_track(json.dumps(PLAIN | {"audio_tracks": [1, 2]})) == heard_track("{}") == AUTO
