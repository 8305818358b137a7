"""The reader over real films; they are not part of the project, and without them these tests are left out."""

from functools import cache

import numpy as np
import pytest
from tests.conftest import SHARED_DATA

from cinegrain.media.facts import MediaFacts
from cinegrain.media.files import find_videos
from cinegrain.media.trailer_reader import TrailerReader

CLIPS = SHARED_DATA / "clips"
NAMES = [path.name for path in find_videos(CLIPS)]


@cache
def starts_and_facts(name: str) -> tuple[list[float], MediaFacts]:
    with TrailerReader(CLIPS / name) as reader:
        starts_s = []
        end_s = 0.0
        for scene in reader.scenes():
            assert scene.start_s == end_s
            assert len(scene.frames) == len(scene.frame_times_s) >= 1
            assert scene.sound is None or np.abs(scene.sound).max() <= 1
            end_s = scene.end_s
            starts_s.append(scene.start_s)
        return starts_s, reader.facts()


def named(number: str) -> str:
    return next(name for name in NAMES if name.startswith(number))


@pytest.mark.parametrize("name", NAMES)
def test_every_clip_decodes(name: str) -> None:
    starts_s, facts = starts_and_facts(name)
    assert facts.n_scenes == len(starts_s) >= 1
    assert facts.n_bad_packets == 0
    assert not {"damaged", "shorter_than_announced", "clock_jump", "unreadable_audio"} & set(facts.flags)


def test_flags() -> None:
    flags = {name[:2]: starts_and_facts(name)[1].flags for name in NAMES}
    assert {number for number, found in flags.items() if "no_audio" in found} == {"12", "13", "18"}
    assert {number for number, found in flags.items() if "silent_audio" in found} == {"17"}


def test_two_containers_of_one_film_have_the_same_cuts() -> None:
    webm_s, mp4_s = starts_and_facts(named("04"))[0], starts_and_facts(named("05"))[0]
    # The files differ by two pictures (0.083 s) from the first cut on.
    np.testing.assert_allclose(webm_s, mp4_s, atol=0.1)
    assert len(webm_s) == 4


def test_the_larger_of_two_streams_is_taken() -> None:
    facts = starts_and_facts(named("10"))[1]
    assert (facts.width, facts.height) == (480, 270)


def test_cuts_seen_by_eye() -> None:
    """Clips 13 (a cartoon drawn on twos) and 02 (a trailer of fades and titles), looked through by hand."""
    np.testing.assert_allclose(starts_and_facts(named("13"))[0], [0, 23.625, 27.542, 41.417], atol=0.001)
    trailer_s = np.array(starts_and_facts(named("02"))[0])
    for cut_s in (14.0, 23.875, 25.958, 27.5):
        assert np.abs(trailer_s - cut_s).min() < 0.001
    for dark_s in (9.3, 11.7, 16.3, 18.0, 21.8, 28.3, 32.3):
        assert np.abs(trailer_s - dark_s).min() < 0.2
