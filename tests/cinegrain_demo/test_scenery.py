import numpy as np
import pytest

from cinegrain_demo.inventory import SETTINGS
from cinegrain_demo.scenery import HOUR_CHANCES, PAINTERS
from cinegrain_demo.sky import HOURS

HEIGHT, WIDTH = 140, 400


def test_every_setting_has_a_painter_and_hours() -> None:
    assert set(PAINTERS) == set(HOUR_CHANCES) == set(SETTINGS)
    for chances in HOUR_CHANCES.values():
        assert set(chances) <= set(HOURS)
        assert sum(chances.values()) == pytest.approx(1)


@pytest.mark.parametrize("setting", SETTINGS)
def test_plates_are_full_pictures_that_differ_by_seed(setting: str) -> None:
    hour = next(iter(HOUR_CHANCES[setting]))
    first, again, other = (PAINTERS[setting](np.random.default_rng(s), HEIGHT, WIDTH, hour) for s in (0, 0, 1))
    assert first.back.shape == (HEIGHT, WIDTH, 3)
    assert first.back.dtype == np.uint8
    assert np.array_equal(first.back, again.back)
    assert np.abs(first.back.astype(int) - other.back).mean() > 3
    assert first.back.std() > 8  # a flat picture has 0, a landscape 30 to 70
    assert 0 < first.floor_y < HEIGHT
    if first.front is not None:
        assert first.front.colour.shape == first.front.clear.shape == first.back.shape
