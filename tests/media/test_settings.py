"""Settings say what is wrong with them."""

from dataclasses import fields
from typing import Any

import pytest

from cinegrain.errors import ConfigError
from cinegrain.settings import MediaSettings


def test_every_setting_has_help() -> None:
    assert all(item.metadata["help"].endswith(".") for item in fields(MediaSettings))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frame_fps", 0),
        ("frame_fps", float("nan")),
        ("frame_size_px", 256.0),
        ("frame_size_px", True),
        ("flow_fps", "8"),
        ("min_scene_s", -1),
        ("max_scene_s", 0.5),
        ("cut_detector", "histogram"),
        ("cut_detector", 1),
        ("time_limit_s", 0),
    ],
)
def test_a_wrong_value_is_named(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        MediaSettings(**{field: value})
    assert f"media.{field}" in str(error.value)
    assert repr(value) in str(error.value)


def test_least_and_greatest_length_must_fit() -> None:
    with pytest.raises(ConfigError, match="half"):
        MediaSettings(min_scene_s=2, max_scene_s=3)
