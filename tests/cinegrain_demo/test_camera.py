import numpy as np
import pytest

from cinegrain.types import Float64
from cinegrain_demo.camera import MOTION_STYLES, Stage, view_matrix
from cinegrain_demo.inventory import MOTIONS

STAGE = Stage(plate_width=806, plate_height=281, width=384, height=216)
TIMES_S = np.arange(60) / 20.0


def _paths(motion: str) -> list[Float64]:
    return [MOTION_STYLES[motion].path(np.random.default_rng(seed), TIMES_S, STAGE) for seed in range(20)]


def _pan_speed(motion: str) -> float:
    """Median picture widths per second."""
    return float(np.median([np.abs(np.diff(p[:, 0])).mean() * 20 / STAGE.width for p in _paths(motion)]))


def test_every_motion_has_a_style() -> None:
    assert set(MOTION_STYLES) == set(MOTIONS)


@pytest.mark.parametrize("motion", MOTIONS)
def test_paths_are_finite_and_have_one_row_a_frame(motion: str) -> None:
    for path in _paths(motion):
        assert path.shape == (60, 4)
        assert np.isfinite(path).all()
        assert (path[:, 2] > 0.5).all()


def test_styles_differ_in_the_way_their_names_say() -> None:
    assert _pan_speed("tripod") == 0
    assert 0.02 < _pan_speed("glide") < 0.2
    assert _pan_speed("whip") > 0.4
    growth = [path[-1, 2] / path[0, 2] for path in _paths("rush")]
    assert min(growth) > 1.8
    assert all(path[:, 3].std() > 0.1 for path in _paths("handheld"))


def test_faster_styles_cut_more_often() -> None:
    assert MOTION_STYLES["rush"].fewest_shots > MOTION_STYLES["handheld"].fewest_shots
    assert MOTION_STYLES["handheld"].fewest_shots > MOTION_STYLES["tripod"].fewest_shots


def test_view_matrix_puts_the_aim_in_the_middle_and_scales_around_it() -> None:
    view = view_matrix(np.array([100.0, 50.0, 2.0, 0.0]), STAGE)
    assert view @ np.array([100, 50, 1]) == pytest.approx([192, 108])
    assert view @ np.array([110, 45, 1]) == pytest.approx([212, 98])


def test_roll_keeps_lengths() -> None:
    view = view_matrix(np.array([0.0, 0.0, 1.5, 30.0]), STAGE)
    assert np.hypot(*view[:, 0]) == pytest.approx(1.5)
    assert np.hypot(*view[:, 1]) == pytest.approx(1.5)
