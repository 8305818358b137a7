import math

import numpy as np
import pytest

from cinegrain.pipeline.extraction.plain_measures import PlainMeasures
from cinegrain.types import Scene


def scene(frames: np.ndarray, sound: np.ndarray | None) -> Scene:
    times = np.arange(len(frames), dtype=float)
    return Scene(0, 0.0, 1.0, frames, times, np.zeros((0, 90, 160), np.uint8), np.zeros(0), sound)


def test_loudness_is_the_root_mean_square_of_all_sound_and_brightness_the_mean_luma() -> None:
    time_s = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    measures = PlainMeasures()
    measures.add(scene(np.full((1, 90, 160, 3), 255, np.uint8), tone))
    measures.add(scene(np.zeros((3, 90, 160, 3), np.uint8), np.zeros(16_000, np.float32)))
    measures.add(scene(np.zeros((0, 90, 160, 3), np.uint8), None))
    facts = measures.as_facts()
    assert facts["loudness_dbfs"] == pytest.approx(10 * math.log10(0.5**2 / 2 / 2), abs=0.01), "half is silent"
    assert facts["brightness"] == pytest.approx(0.25, abs=1e-4)


def test_green_is_brighter_than_blue() -> None:
    found = []
    for channel in (1, 2):
        frames = np.zeros((1, 90, 160, 3), np.uint8)
        frames[..., channel] = 200
        measures = PlainMeasures()
        measures.add(scene(frames, None))
        found.append(measures.as_facts()["brightness"] or 0)
    assert found[0] == pytest.approx(0.587 * 200 / 255, abs=1e-4)
    assert found[1] == pytest.approx(0.114 * 200 / 255, abs=1e-4)


def test_without_sound_or_picture_nothing_is_claimed() -> None:
    measures = PlainMeasures()
    measures.add(scene(np.zeros((0, 90, 160, 3), np.uint8), None))
    assert measures.as_facts() == {"loudness_dbfs": None, "brightness": None}
