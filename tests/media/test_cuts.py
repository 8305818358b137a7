"""Cuts are found at the exact picture; motion, flashes, held drawings and black give what they should."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cinegrain.media.cuts import CutDetector, is_near_black, picture_change

Small = NDArray[np.uint8]
FPS = 24
BLACK: Small = np.stack([np.zeros((90, 160)), np.full((90, 160), 128), np.full((90, 160), 128)]).astype(np.uint8)
WHITE: Small = np.stack([np.full((90, 160), value) for value in (250, 128, 128)]).astype(np.uint8)


def scene(seed: int, width: int = 160) -> Small:
    patches = np.random.default_rng(seed).integers(60, 200, (3, 6, max(2, width // 16)), np.uint8)
    return np.stack([cv2.resize(p, (width, 90), interpolation=cv2.INTER_CUBIC) for p in patches])


def noisy(picture: Small, seed: int, deviation: float = 2.0) -> Small:
    noise = np.random.default_rng(seed).normal(0, deviation, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def shifted(picture: Small, x: int, y: int) -> Small:
    return np.ascontiguousarray(np.roll(picture, (y, x), axis=(1, 2)))


def cuts_in(pictures: Sequence[Small], fps: float = FPS) -> list[int]:
    """Numbers of the pictures at which a cut is found."""
    detector = CutDetector()
    found_s: list[float] = []
    for i, picture in enumerate(pictures):
        is_black = is_near_black(picture)
        for cut_s in detector.push(i / fps, picture, is_black=is_black):
            # Told no later than the window and one picture after.
            assert cut_s < i / fps
            found_s.append(cut_s)
    found_s += detector.flush()
    assert found_s == sorted(found_s)
    return [round(cut_s * fps) for cut_s in found_s]


def test_change_is_the_mean_difference_summed_over_planes() -> None:
    a, b = noisy(scene(1), 1, 20), noisy(scene(2), 2, 20)
    by_hand = sum(
        float(np.mean(np.abs(a[plane].astype(np.float64) - b[plane].astype(np.float64)))) for plane in range(3)
    )
    assert picture_change(a, b) == pytest.approx(by_hand, rel=1e-12)
    assert picture_change(a, a) == 0


@pytest.mark.parametrize("fps", [8, 24, 25, 30000 / 1001, 60, 120])
def test_planted_cuts_are_found_at_the_exact_picture(fps: float) -> None:
    lengths = [40, 33, 71, 25, 50]
    pictures = [noisy(scene(shot), i) for shot, n in enumerate(lengths) for i in range(n)]
    assert cuts_in(pictures, fps) == list(np.cumsum(lengths[:-1]))


def test_a_cut_between_two_moving_shots() -> None:
    pictures = [shifted(scene(1), 3 * i, 0) for i in range(40)] + [shifted(scene(2), -2 * i, i) for i in range(40)]
    assert cuts_in(pictures) == [40]


@pytest.mark.parametrize("speed", [1, 4, 10])
def test_no_cut_in_a_pan_however_it_starts(speed: int) -> None:
    wide = scene(3, 160 * 8)
    at = [0] * 20 + [min(speed * i, 160 * 7) for i in range(60)]
    assert cuts_in([np.ascontiguousarray(wide[:, :, x : x + 160]) for x in at]) == []


def test_no_cut_in_a_shaking_shot() -> None:
    offsets = np.random.default_rng(5).integers(-5, 6, (100, 2))
    assert cuts_in([shifted(scene(4), int(x), int(y)) for x, y in offsets]) == []


@pytest.mark.parametrize("hold", [2, 3])
def test_no_cut_in_a_drawing_that_moves_only_every_few_pictures(hold: int) -> None:
    # The held pictures differ a little, as they do after compression.
    pictures = [noisy(shifted(scene(6), 8 * (i // hold), 0), i, 0.5) for i in range(96)]
    assert cuts_in(pictures) == []


@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("flash", [WHITE, BLACK], ids=["white", "black"])
def test_a_flash_is_no_cut(flash: Small, length: int) -> None:
    pictures = [noisy(scene(7), i) for i in range(60)]
    pictures[30 : 30 + length] = [flash] * length
    assert cuts_in(pictures) == []


def test_a_cut_hidden_by_a_flash_is_found() -> None:
    pictures = [scene(8)] * 30 + [WHITE] * 2 + [scene(9)] * 30
    assert set(cuts_in(pictures)) & {30, 32}


def test_a_fade_through_black_is_one_cut_in_its_middle() -> None:
    down = [np.rint(BLACK + (scene(10) - BLACK.astype(float)) * k).astype(np.uint8) for k in np.linspace(1, 0, 20)]
    up = [np.rint(BLACK + (scene(11) - BLACK.astype(float)) * k).astype(np.uint8) for k in np.linspace(0, 1, 20)]
    pictures = [scene(10)] * 30 + down + [BLACK] * 10 + up + [scene(11)] * 30
    dark = [i for i, picture in enumerate(pictures) if is_near_black(picture)]
    assert len(dark) >= 12
    assert cuts_in(pictures) == [(dark[0] + dark[-1] + 1) // 2]


@pytest.mark.parametrize("n_black", [1, 7, 100])
def test_a_hard_cut_to_black_and_out_is_one_cut(n_black: int) -> None:
    pictures = [scene(12)] * 30 + [BLACK] * n_black + [scene(13)] * 30
    assert cuts_in(pictures) == [30 + n_black // 2]


def test_black_at_both_ends_of_the_film_is_no_cut() -> None:
    assert cuts_in([BLACK] * 30 + [scene(14)] * 30 + [BLACK] * 30) == []


def test_black_alone_is_no_cut() -> None:
    assert cuts_in([BLACK] * 100) == []


def test_one_picture_is_no_cut() -> None:
    assert cuts_in([scene(1)]) == []
    assert cuts_in([]) == []


def test_a_title_on_black_is_not_black() -> None:
    title = BLACK.copy()
    title[0, 40:44, 50:70] = 240
    assert not is_near_black(title)
    assert is_near_black(BLACK)


def test_the_test_can_fail() -> None:
    """With the neighbours taken away a shaking camera would be all cuts."""
    offsets = np.random.default_rng(5).integers(-5, 6, (100, 2))
    detector = CutDetector(ratio=1.7, floor=6.0, n_neighbours=0, window_s=0.0)
    pictures = [shifted(scene(4), int(x), int(y)) for x, y in offsets]
    found = [cut for i, p in enumerate(pictures) for cut in detector.push(i / FPS, p, is_black=False)]
    assert len(found) > 50
