import numpy as np
import pytest
from scipy import signal

from cinegrain.types import Float64
from cinegrain_demo.inventory import SOUNDS
from cinegrain_demo.sound import SAMPLE_RATE_HZ
from cinegrain_demo.sound.track import STYLES

LENGTH = 6 * SAMPLE_RATE_HZ


def _sound(style: str, seed: int = 0) -> Float64:
    return STYLES[style](np.random.default_rng(seed), LENGTH)


def _share_between(samples: Float64, low_hz: float, high_hz: float) -> float:
    frequencies, power = signal.welch(samples, SAMPLE_RATE_HZ, nperseg=4096)
    inside = (frequencies >= low_hz) & (frequencies < high_hz)
    return float(power[inside].sum() / power.sum())


def test_every_sound_has_a_style() -> None:
    assert set(STYLES) == set(SOUNDS)


@pytest.mark.parametrize("style", SOUNDS)
def test_sound_is_as_long_as_asked_repeatable_and_different_by_seed(style: str) -> None:
    first = _sound(style)
    assert first.shape == (LENGTH,)
    assert np.isfinite(first).all()
    assert np.array_equal(first, _sound(style))
    assert abs(np.corrcoef(first, _sound(style, 1))[0, 1]) < 0.2


@pytest.mark.parametrize("style", SOUNDS)
def test_no_stretch_of_two_seconds_is_silent(style: str) -> None:
    samples = _sound(style)
    loudness = np.sqrt((samples.reshape(3, -1) ** 2).mean(axis=1))
    assert loudness.min() > 0.01 * np.abs(samples).max()


def test_styles_sit_where_their_names_say() -> None:
    assert _share_between(_sound("dread"), 0, 250) > 0.5
    assert _share_between(_sound("nature"), 1500, 9000) > _share_between(_sound("dread"), 1500, 9000)
    assert _share_between(_sound("crowd"), 200, 3500) > 0.6


def test_gunfire_is_the_most_impulsive_and_synth_the_steadiest() -> None:
    def crest(style: str) -> float:
        envelope = np.abs(_sound(style)).reshape(-1, 480).mean(axis=1)
        return float(np.mean([envelope.max() / np.median(envelope)]))

    assert crest("gunfire") > 2 * crest("synth")
