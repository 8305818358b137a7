"""MusiCNN with its real weights: against plain float64, on instruments that everybody knows, and where no music is."""

import csv
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
from tests.conftest import make_scene
from transformers.audio_utils import mel_filter_bank

from cinegrain.errors import WeightsError
from cinegrain.experts import log_mel, musicnn
from cinegrain.experts.graph import run_batched
from cinegrain.experts.musicnn import CARD, TAGS, MusiCNN
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import StateDict
from cinegrain.experts.tensor_bundle import read_tensor_bundle
from cinegrain.experts.weights import fetch
from cinegrain.types import SOUND_RATE_HZ, Float32, Float64, SceneEmbedding
from cinegrain.urls import cache_folder
from cinegrain_demo.sound.tones import SAMPLE_RATE_HZ as DEMO_RATE_HZ
from cinegrain_demo.sound.track import STYLES

FRAMES, BANDS = 187, 96


@pytest.fixture(scope="module")
def network() -> MusiCNN:
    return MusiCNN(cache_folder(), Runtime())


@pytest.fixture(scope="module")
def variables() -> Mapping[str, Float32]:
    return read_tensor_bundle(fetch(musicnn.INDEX, cache_folder()), fetch(musicnn.NUMBERS, cache_folder()))


def play(style: str, seed: int, seconds: float = 9) -> Float32:
    """A synthetic orchestra: what the demo's films sound like."""
    samples = STYLES[style](np.random.default_rng(seed), round(seconds * DEMO_RATE_HZ))
    at_16k = scipy.signal.resample_poly(samples / np.abs(samples).max() * 0.7, SOUND_RATE_HZ, DEMO_RATE_HZ)
    return np.asarray(at_16k, np.float32)


def heard(network: MusiCNN, *sounds: Float32 | None) -> list[SceneEmbedding | None]:
    return list(network.embed([make_scene(index=i, sound=sound) for i, sound in enumerate(sounds)])[CARD.name])


def words(found: SceneEmbedding | None) -> list[str]:
    assert found is not None
    return [concept.name for concept in found.concepts]


@pytest.mark.parametrize(("seed", "instrument"), [(0, "guitar"), (1, "piano"), (2, "guitar"), (3, "piano")])
def test_a_known_instrument_is_named_first(network: MusiCNN, seed: int, instrument: str) -> None:
    """The demo's tunes are plucked strings or struck ones; nobody told the network which."""
    (found,) = heard(network, play("melody", seed))
    assert words(found)[0] == instrument
    assert found is not None
    assert found.vector.shape == (CARD.dimension,)


def test_what_is_no_music_has_neither_words_nor_a_vector(network: MusiCNN) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 4 * SOUND_RATE_HZ).astype(np.float32)
    sounds = [play(style, seed, 5) for style in ("gunfire", "nature", "crowd") for seed in (0, 1)]
    assert heard(network, *sounds, noise, np.zeros_like(noise), noise[:0], None) == [None] * 10


def test_music_between_other_scenes_keeps_its_place(network: MusiCNN) -> None:
    music, gunfire = play("melody", 1, 7), play("gunfire", 0, 4)
    found = heard(network, None, gunfire, music, gunfire, music[:60_000], None)
    assert [one is not None for one in found] == [False, False, True, False, True, False]
    for at, sound in ((2, music), (4, music[:60_000])):
        (alone,) = heard(network, sound)
        one = found[at]
        assert one is not None
        assert alone is not None
        np.testing.assert_allclose(one.vector, alone.vector, rtol=1e-4, atol=1e-4)  # other batches, other sums


def test_the_gate_opens_at_its_threshold(network: MusiCNN, monkeypatch: pytest.MonkeyPatch) -> None:
    class LoudnessWorker:
        def scores(self, scenes: list[object], word: str) -> list[Float32]:
            assert word == "Music"
            means = (musicnn.MIN_MUSIC - 0.001, musicnn.MIN_MUSIC + 0.001, 1.0)
            return [np.array([mean - 0.1, mean + 0.1], np.float32) for mean in means]

    monkeypatch.setattr(network, "_yamnet", LoudnessWorker())
    found = heard(network, *[play("nature", 0, 4)] * 3)
    assert [one is not None for one in found] == [False, True, True]


def slow_network(v: Mapping[str, Float32], patch: Float64) -> tuple[Float64, Float64]:
    """One patch (187, 96) through the published network in float64, axes in TensorFlow's order, pads written out."""
    d = {name: value.astype(np.float64) for name, value in v.items()}

    def norm(x: Float64, number: int) -> Float64:
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        scale = d[f"{name}/gamma"] / np.sqrt(d[f"{name}/moving_variance"] + 0.001)
        return (x - d[f"{name}/moving_mean"]) * scale + d[f"{name}/beta"]

    def conv(x: Float64, number: int) -> Float64:
        """Windows of x (time, bands) times the kernel (time, bands, 1, width); nothing is padded here."""
        name = f"conv2d_{number}" if number else "conv2d"
        kernel = d[f"{name}/kernel"]
        windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2])
        summed: Float64 = np.einsum("tfab,abw->tfw", windows, kernel[:, :, 0], optimize=True)
        return np.maximum(summed + d[f"{name}/bias"], 0)

    x = norm(patch[..., None], 0)[..., 0]
    maps = [norm(conv(np.pad(x, ((3, 3), (0, 0))), i), i + 1) for i in (0, 1)]
    # TensorFlow's "same" puts the odd zero after.
    for i, before, after in ((2, 63, 64), (3, 31, 32), (4, 15, 16)):
        maps.append(norm(conv(np.pad(x, ((before, after), (0, 0))), i), i + 1))
    front = np.concatenate([m.max(axis=1) for m in maps], axis=1)
    layers = [front]
    for i in (5, 6, 7):
        y = norm(conv(np.pad(layers[-1], ((3, 3), (0, 0))), i)[:, 0], i + 1)
        layers.append(y + layers[-1] if i > 5 else y)
    everything = np.concatenate(layers, axis=1)
    pooled = np.stack([everything.max(axis=0), everything.mean(axis=0)], axis=1).reshape(-1)
    hidden = np.maximum(norm(pooled, 9) @ d["dense/kernel"] + d["dense/bias"], 0)
    features = norm(hidden, 10)
    return features, 1 / (1 + np.exp(-(features @ d["dense_1/kernel"] + d["dense_1/bias"])))


def test_graph_equals_plain_float64(network: MusiCNN, variables: Mapping[str, Float32]) -> None:
    patches = np.concatenate([log_mel.music_patches(play(style, 0, 4)) for style in ("melody", "synth")])
    features, tags = run_batched(network._session, "patches", patches, batch=8)
    for i, patch in enumerate(patches):
        expected_features, expected_tags = slow_network(variables, patch.astype(np.float64))
        np.testing.assert_allclose(features[i], expected_features, rtol=1e-3, atol=1e-3)  # float32 sums
        np.testing.assert_allclose(tags[i], expected_tags, atol=1e-4)
    assert len(set(TAGS)) == tags.shape[1] == 50


def test_mel_filters_are_those_of_a_well_known_library() -> None:
    expected = mel_filter_bank(257, BANDS, 0.0, 8000.0, SOUND_RATE_HZ, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(log_mel.slaney_matrix(), expected, atol=1e-7)


def test_log_mel_equals_slow_loops() -> None:
    sound = play("melody", 0, 7)
    patches = log_mel.music_patches(sound)
    assert patches.shape == (2, FRAMES, BANDS), "the last second fills no patch"
    centred = np.pad(sound.astype(np.float64), 256, mode="reflect")
    filters = mel_filter_bank(257, BANDS, 0.0, 8000.0, SOUND_RATE_HZ, norm="slaney", mel_scale="slaney")
    for patch, row in ((0, 0), (0, 186), (1, 0), (1, 93)):
        start = (patch * FRAMES + row) * 256
        window = [centred[start + k] * (0.5 - 0.5 * np.cos(2 * np.pi * k / 512)) for k in range(512)]
        power = [abs(sum(w * np.exp(-2j * np.pi * k * b / 512) for k, w in enumerate(window))) ** 2 for b in range(257)]
        expected = np.log10(10_000 * (np.array(power) @ filters) + 1)
        np.testing.assert_allclose(patches[patch, row], expected, atol=1e-4)  # float32 spectra


def test_short_sound_is_repeated() -> None:
    period = play("melody", 0, 1)[:256]
    short, long = log_mel.music_patches(np.tile(period, 5)), log_mel.music_patches(np.tile(period, 200))
    np.testing.assert_allclose(short[:, :-1], long[:1, :-1], atol=1e-4)  # the last window looks beyond the end
    assert log_mel.music_patches(period[:1]).shape == (1, FRAMES, BANDS)


def test_another_checkpoint_is_refused(variables: Mapping[str, Float32], tmp_path: Path) -> None:
    kept = {name: value for name, value in variables.items() if "/Adam" not in name and "power" not in name}
    without = {name: value for name, value in kept.items() if name != "dense_1/bias"}
    for tensors, reason in (
        (without, "lacks the layer dense_1/bias"),
        ({**kept, "conv2d/kernel": np.zeros((7, 38, 1, 3), np.float32)}, "conv2d/kernel of shape"),
        ({**kept, "conv2d_8/kernel": np.zeros(3, np.float32)}, "1 further layers"),
    ):
        with pytest.raises(WeightsError, match=reason):
            musicnn.build_graph(StateDict(tensors, network="MusiCNN", origin="here"), tmp_path / "g.onnx")
    assert not list(tmp_path.iterdir())


def decoded(path: Path) -> Float32:
    """Mono at 16 kHz, shape (n,)."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)
    with av.open(str(path)) as container:
        parts = [part.to_ndarray()[0] for f in container.decode(audio=0) for part in resampler.resample(f)]
        parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32)


def test_film_music_has_its_words(network: MusiCNN, real_clips: Path) -> None:
    sound = decoded(real_clips / "04_big_buck_bunny_0_30.webm")[10 * SOUND_RATE_HZ : 20 * SOUND_RATE_HZ]
    (strings,) = heard(network, sound)
    assert {"strings", "violin", "classical"} <= set(words(strings)[:4])
    (talk,) = heard(network, decoded(real_clips / "08_his_girl_friday_6s.mp4"))
    assert talk is None


def test_real_sounds_without_music_have_none(network: MusiCNN, shared_data: Path) -> None:
    esc10 = shared_data / "esc10"
    with (esc10 / "meta.csv").open(encoding="utf-8", newline="") as file:
        sounds = [decoded(esc10 / row["file"]) for row in list(csv.DictReader(file))[::8]]
    assert heard(network, *sounds) == [None] * len(sounds)
