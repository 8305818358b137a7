"""Pauses do not reach the experts; everything that can be heard does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinegrain.media.audible import (
    FRAME_SAMPLES,
    QUIETEST_DBFS,
    RANGE_DB,
    audible_part,
    levels_dbfs,
    quiet_limit_dbfs,
)
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.types import SOUND_RATE_HZ, Float32, Scene

LOUD = 0.3


def noise(seconds: float, seed: int = 0, level: float = LOUD) -> Float32:
    n = round(seconds * SOUND_RATE_HZ)
    return (level * np.random.default_rng(seed).standard_normal(n).clip(-3, 3) / 3).astype(np.float32)


def db(gain_db: float) -> np.float32:
    return np.float32(10 ** (gain_db / 20))


def limit(sound: Float32) -> float:
    return quiet_limit_dbfs(levels_dbfs(sound))


def test_levels_are_root_mean_squares() -> None:
    sound = noise(1)
    by_hand = [
        20 * np.log10(np.sqrt(np.mean(np.float64(sound[i : i + FRAME_SAMPLES]) ** 2)))
        for i in range(0, len(sound), FRAME_SAMPLES)
    ]
    # The square is taken in 64 bits in both; only the order of the sum differs.
    np.testing.assert_allclose(levels_dbfs(sound), by_hand, atol=1e-9)


def test_sound_without_a_pause_is_the_very_same() -> None:
    sound = noise(2)
    assert audible_part(sound, limit_dbfs=limit(sound)) is sound


@pytest.mark.parametrize("quiet", [0.0, float(db(-45)), float(db(-70))], ids=["digital", "-45 dB", "room tone"])
@pytest.mark.parametrize("at_s", [0.0, 1.0, 2.0])
def test_a_pause_is_cut_out_and_nothing_else(quiet: float, at_s: float) -> None:
    at = round(at_s * SOUND_RATE_HZ)
    before, after = noise(2)[:at], noise(2)[at:]
    pause = noise(1.5, seed=1) * np.float32(quiet)
    whole = np.concatenate([before, pause, after])
    heard = audible_part(whole, limit_dbfs=limit(whole))
    np.testing.assert_array_equal(heard, noise(2))


@pytest.mark.parametrize(("pause_s", "is_cut"), [(0.15, False), (0.175, False), (0.2, True), (0.3, True)])
def test_a_breath_between_words_stays(pause_s: float, is_cut: bool) -> None:
    whole = np.concatenate([noise(1), np.zeros(round(pause_s * SOUND_RATE_HZ), np.float32), noise(1, seed=1)])
    heard = audible_part(whole, limit_dbfs=limit(whole))
    assert heard is not None
    assert (len(heard) == 2 * SOUND_RATE_HZ) == is_cut


def test_quiet_is_relative_to_the_film() -> None:
    # Levels in dBFS of a film's loud passages and of one of its pauses, and whether the pause counts as one.
    for loud_dbfs, pause_dbfs, is_quiet in [(-15, -45, False), (-15, -55, True), (-32, -55, False), (-32, -62, True)]:
        assert (quiet_limit_dbfs(np.full(100, float(loud_dbfs))) > pause_dbfs) == is_quiet


def test_silence_around_a_film_does_not_move_its_limit() -> None:
    film = levels_dbfs(noise(20))
    silent = np.full(2000, -200.0)
    assert quiet_limit_dbfs(np.concatenate([silent, film, silent])) == quiet_limit_dbfs(film)
    assert quiet_limit_dbfs(silent) == quiet_limit_dbfs(silent[:0]) == QUIETEST_DBFS
    assert quiet_limit_dbfs(film) == pytest.approx(np.percentile(film, 95) - RANGE_DB)


@given(st.lists(st.tuples(st.floats(0.03, 1.0), st.booleans()), max_size=8))
def test_what_is_heard_is_in_order_and_never_more(parts: list[tuple[float, bool]]) -> None:
    pieces = [noise(length_s, seed=i) * np.float32(loud) for i, (length_s, loud) in enumerate(parts)]
    whole = np.concatenate([np.zeros(0, np.float32), *pieces])
    heard = audible_part(whole, limit_dbfs=-50.0)
    n_loud = sum(len(piece) for piece, (_, loud) in zip(pieces, parts, strict=True) if loud)
    if heard is None:
        assert n_loud < 0.4 * SOUND_RATE_HZ
        return
    # Frames at the edges of a pause hold a bit of both, and pauses of under 0.2 s stay.
    edge = 2 * FRAME_SAMPLES
    assert len(whole) >= len(heard) >= n_loud - len(parts) * edge
    samples = iter(whole.tolist())
    assert all(sample in samples for sample in heard.tolist())  # a subsequence


def test_too_little_is_nothing() -> None:
    assert audible_part(noise(0.38), limit_dbfs=-50.0) is None
    assert audible_part(noise(0.41), limit_dbfs=-50.0) is not None
    assert audible_part(np.zeros(SOUND_RATE_HZ * 3, np.float32), limit_dbfs=QUIETEST_DBFS) is None


def scenes_of(path: Path) -> tuple[list[Scene], tuple[str, ...], float]:
    with TrailerReader(path) as reader:
        return list(reader.scenes()), reader.facts().flags, reader.facts().audible_s


def test_a_silent_second_does_not_reach_the_experts(
    film: Callable[..., Path], texture: Callable[..., NDArray[np.uint8]]
) -> None:
    pictures = [texture(i // 50) for i in range(150)]
    speech = np.repeat(noise(6, level=0.8), 3)  # 48 kHz
    plain = film("plain.mkv", pictures, sound=speech, sound_codec="flac")
    speech = speech.copy()
    speech[: 48_000 * 3] = 0
    speech[48_000 * 3 :][: 48_000 // 2] *= db(-66)
    muted = film("muted.mkv", pictures, sound=speech, sound_codec="flac")

    (a, flags_a, audible_a), (b, flags_b, audible_b) = scenes_of(plain), scenes_of(muted)
    assert [scene.start_s for scene in a] == [scene.start_s for scene in b] == [0.0, 2.0, 4.0]
    assert audible_a == pytest.approx(6, abs=0.05)
    assert audible_b == pytest.approx(2.5, abs=0.05)
    assert b[0].sound is b[0].audible is b[0].as_heard().sound is None
    assert b[1].audible is not None
    assert b[1].sound is not None
    assert len(b[1].sound) == 2 * SOUND_RATE_HZ
    np.testing.assert_array_equal(b[1].audible, b[1].sound[-len(b[1].audible) :])
    np.testing.assert_array_equal(b[2].as_heard().sound, a[2].sound)
    assert flags_a == flags_b == ()


def test_the_limit_is_that_of_the_film_not_of_its_beginning(
    film: Callable[..., Path], flat: Callable[..., NDArray[np.uint8]]
) -> None:
    pictures = [flat(60 + 100 * (i // 50 % 2)) for i in range(200)]
    hum = np.repeat(noise(8, level=0.8), 3)
    hum[: 48_000 * 4] *= db(-42)
    scenes, _, audible_s = scenes_of(film("a.mkv", pictures, sound=hum, sound_codec="flac"))
    assert audible_s == pytest.approx(4, abs=0.1)
    assert scenes[0].sound is not None
    assert scenes[0].audible is None


def test_a_film_that_only_hums_has_no_audible_sound(
    film: Callable[..., Path], flat: Callable[..., NDArray[np.uint8]]
) -> None:
    hum = np.repeat(noise(2), 3) * db(-55)
    scenes, flags, audible_s = scenes_of(film("a.mkv", [flat(90)] * 50, sound=hum, sound_codec="flac"))
    assert (audible_s, flags) == (0.0, ("quiet_audio",))
    assert scenes[0].sound is not None
