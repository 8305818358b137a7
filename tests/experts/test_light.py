"""The light preset on things that everybody can recognise; real networks with their real weights."""

import shutil
import subprocess
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from tests.conftest import make_scene

from cinegrain.errors import ConfigError, WeightsError
from cinegrain.experts import efficientnet_lite, motion_flow, yamnet
from cinegrain.experts.base import Network, by_scene, mean_by_scene, top_concepts
from cinegrain.experts.graph import GraphBuilder, fold_batch_norm, open_graph, run_batched
from cinegrain.experts.registry import PRESETS, expert_cards, families_for, resolve_experts
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import read_tensors
from cinegrain.experts.weights import fetch
from cinegrain.types import FLOW_HEIGHT, FLOW_WIDTH, SOUND_RATE_HZ, Float32, SceneEmbedding, UInt8
from cinegrain.urls import cache_folder

SECONDS = 4


def embed(networks: list[Network], expert: str, **scene: np.ndarray) -> SceneEmbedding | None:
    for network in networks:
        found = network.embed([make_scene(**scene)])  # type: ignore[arg-type]
        if expert in found:
            return found[expert][0]
    raise AssertionError(expert)


def words(networks: list[Network], expert: str, **scene: np.ndarray) -> list[str]:
    found = embed(networks, expert, **scene)
    assert found is not None
    return [concept.name for concept in found.concepts]


@pytest.mark.parametrize(("picture", "word"), [("coffee", "espresso"), ("chelsea", "tiger cat")])
def test_known_pictures_are_recognised(light_networks: list[Network], picture: str, word: str) -> None:
    frame = getattr(skimage.data, picture)()
    assert words(light_networks, "image_efficientnet_lite0", frames=frame[None])[0] == word


def tone(hz: float) -> Float32:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(SECONDS * SOUND_RATE_HZ) / SOUND_RATE_HZ)).astype(np.float32)


def test_known_sounds_are_recognised(light_networks: list[Network]) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, SECONDS * SOUND_RATE_HZ).astype(np.float32)
    assert words(light_networks, "audio_yamnet", sound=noise)[0] == "White noise"
    assert words(light_networks, "audio_yamnet", sound=np.zeros_like(noise))[0] == "Silence"
    assert "Dial tone" in words(light_networks, "audio_yamnet", sound=tone(440))[:3]


def test_speech_is_recognised(light_networks: list[Network], tmp_path: Path) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed, so there is no speech to hear")
    file = tmp_path / "speech.wav"
    subprocess.run(["espeak-ng", "-w", file, "It was a dark and stormy night, and nobody came."], check=True)
    with wave.open(str(file)) as sound:
        rate = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(np.float32) / 32768
    times = np.arange(0, len(samples) / rate, 1 / SOUND_RATE_HZ)
    at_16k = np.interp(times, np.arange(len(samples)) / rate, samples).astype(np.float32)
    assert words(light_networks, "audio_yamnet", sound=at_16k)[0] == "Speech"


def texture() -> UInt8:
    noise = np.random.default_rng(0).integers(0, 255, (300, 600)).astype(np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    return np.asarray(smooth, dtype=np.uint8)


def window(x: float, y: float, zoom: float = 1.0) -> UInt8:
    size = (FLOW_WIDTH, FLOW_HEIGHT)
    camera = np.array([[1 / zoom, 0, x - FLOW_WIDTH / 2 / zoom], [0, 1 / zoom, y - FLOW_HEIGHT / 2 / zoom]])
    return np.asarray(cv2.warpAffine(texture(), camera, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8)


@pytest.mark.parametrize(
    ("word", "flow"),
    [
        ("static camera", [window(300, 150)] * 16),
        ("panning camera", [window(200 + 3 * i, 150) for i in range(16)]),
        ("pushing in", [window(300, 150, 1.03**i) for i in range(16)]),
        ("pulling back", [window(300, 150, 1.03**-i) for i in range(16)]),
        ("shaking camera", [window(300 + 5 * (-1) ** i, 150 + 4 * (-1) ** (i // 2)) for i in range(16)]),
    ],
)
def test_camera_moves_are_described(light_networks: list[Network], word: str, flow: list[UInt8]) -> None:
    assert word in words(light_networks, "motion_flow", flow=np.stack(flow))[:2]


def test_camera_fit_finds_a_known_affine_motion_among_outliers() -> None:
    y, x = np.mgrid[0:FLOW_HEIGHT, 0:FLOW_WIDTH].astype(np.float32)
    x, y = x - FLOW_WIDTH / 2, y - FLOW_HEIGHT / 2
    truth = np.array([[0.01, 0.002], [-0.003, 0.02], [1.5, -0.5]], dtype=np.float32)
    flow = np.stack([x, y, np.ones_like(x)], axis=2) @ truth
    np.testing.assert_allclose(motion_flow.fit_camera(flow), truth, atol=1e-4)
    flow[30:50, 60:90] += 8  # something crosses the picture
    assert np.abs(motion_flow.fit_camera(flow)[2] - truth[2]).max() < 0.2, "least squares alone would be 0.33 off"


def test_nothing_to_go_by_gives_none_and_leaves_the_others_alone(light_networks: list[Network]) -> None:
    full = make_scene(frames=skimage.data.coffee()[None], flow=np.stack([window(300, 150)] * 4), sound=tone(440))
    for network in light_networks:
        mixed = network.embed([make_scene(), full, make_scene()])
        alone = network.embed([full])
        empty = network.embed([make_scene()])
        for expert, column in mixed.items():
            assert column[0] is None
            assert column[2] is None
            assert empty[expert][0] is None
            assert column[1] is not None
            assert alone[expert][0] is not None
            np.testing.assert_allclose(column[1].vector, alone[expert][0].vector, rtol=1e-4, atol=1e-4)  # type: ignore[union-attr]


def test_vectors_are_as_long_as_the_cards_say(light_networks: list[Network]) -> None:
    scene = make_scene(frames=skimage.data.coffee()[None], flow=np.stack([window(300, 150)] * 4), sound=tone(440))
    cards = expert_cards()
    seen = set()
    for network in light_networks:
        for expert, column in network.embed([scene]).items():
            assert column[0] is not None
            assert column[0].vector.shape == (cards[expert].dimension,)
            assert np.isfinite(column[0].vector).all()
            scores = [c.score for c in column[0].concepts]
            assert scores == sorted(scores, reverse=True)
            assert all(0 <= s <= 1 for s in scores)
            assert bool(scores) == (cards[expert].concepts is not None)
            seen.add(expert)
    assert seen == set(PRESETS["light"])


def test_batches_do_not_change_the_answer() -> None:
    frames = np.stack([cv2.resize(getattr(skimage.data, n)(), (300, 256)) for n in ("coffee", "chelsea", "astronaut")])
    scenes = [make_scene(index=i, frames=np.repeat(frames[i % 3][None], 1 + i % 4, axis=0)) for i in range(9)]
    network = efficientnet_lite.EfficientNetLite0(cache_folder(), Runtime())
    together = network.embed(scenes)
    for i, scene in enumerate(scenes):
        for expert, column in network.embed([scene]).items():
            a, b = together[expert][i], column[0]
            assert a is not None
            assert b is not None
            np.testing.assert_allclose(a.vector, b.vector, rtol=2e-3, atol=2e-3)  # fp32 sums in another order


class TorchLite0(torch.nn.Module):
    """An independent definition of the network in eager PyTorch, with TensorFlow's padding written out."""

    def __init__(self, state: dict[str, Float32]) -> None:
        super().__init__()
        self.s = {k: torch.from_numpy(v) for k, v in state.items()}

    def conv(self, x: torch.Tensor, name: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        w = self.s[f"{name}.weight"]
        total = max((-(-x.shape[2] // stride) - 1) * stride + w.shape[2] - x.shape[2], 0)
        x = F.pad(x, (total // 2, total - total // 2) * 2)
        return F.conv2d(x, w, stride=stride, groups=groups)

    def bn(self, x: torch.Tensor, name: str) -> torch.Tensor:
        s = self.s
        return F.batch_norm(
            x, s[f"{name}.running_mean"], s[f"{name}.running_var"], s[f"{name}.weight"], s[f"{name}.bias"], eps=1e-3
        )

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = F.relu6(self.bn(self.conv((x - 127) / 128, "_conv_stem", 2), "_bn0"))
        taps, strides = [], {1: 2, 3: 2, 5: 2, 11: 2}
        for i in range(16):
            name, before = f"_blocks.{i}", x
            if i:
                x = F.relu6(self.bn(self.conv(x, f"{name}._expand_conv"), f"{name}._bn0"))
            x = self.conv(x, f"{name}._depthwise_conv", strides.get(i, 1), groups=x.shape[1])
            x = self.bn(self.conv(F.relu6(self.bn(x, f"{name}._bn1")), f"{name}._project_conv"), f"{name}._bn2")
            if before.shape == x.shape:
                x = x + before
            if i in (4, 10, 15):
                taps.append(F.adaptive_avg_pool2d(x, 2).flatten(1))
        x = F.relu6(self.bn(self.conv(x, "_conv_head"), "_bn1")).mean((2, 3))
        logits = F.linear(x, self.s["_fc.weight"], self.s["_fc.bias"])
        return {"features": x, "probabilities": logits.softmax(1), "layout": torch.cat(taps, 1)}


def test_efficientnet_graph_equals_an_independent_definition() -> None:
    network = efficientnet_lite.EfficientNetLite0(cache_folder(), Runtime())
    state = read_tensors(fetch(efficientnet_lite.CHECKPOINT, cache_folder()), network="EfficientNet-Lite0")
    frames = np.stack([efficientnet_lite.prepare(getattr(skimage.data, n)()) for n in ("coffee", "astronaut")])
    with torch.inference_mode():
        expected = TorchLite0(state)(torch.from_numpy(frames).permute(0, 3, 1, 2).float())
    found = run_batched(network._session, "frames", frames, batch=8)
    for output, value in zip(("features", "probabilities", "layout"), found, strict=True):
        np.testing.assert_allclose(value, expected[output].numpy(), rtol=1e-3, atol=1e-3)


def test_log_mel_equals_slow_loops() -> None:
    sound = tone(1000) + np.random.default_rng(0).normal(0, 0.05, SECONDS * SOUND_RATE_HZ).astype(np.float32)
    patches = yamnet.log_mel_patches(sound)

    def mel(hz: float) -> float:
        return float(1127 * np.log(1 + hz / 700))

    edges = np.linspace(mel(125), mel(7500), 66)
    for patch, row in ((0, 0), (2, 50), (5, 95)):
        start = (patch * 48 + row) * 160
        window = [sound[start + k] * (0.5 - 0.5 * np.cos(2 * np.pi * k / 400)) for k in range(400)]
        spectrum = np.abs(np.fft.rfft(np.array(window, dtype=np.float64), 512))
        for band in (0, 20, 63):
            low, centre, high = edges[band : band + 3]
            total = 0.0
            for b in range(1, 257):
                m = mel(b * 8000 / 256)
                total += max(0.0, min((m - low) / (centre - low), (high - m) / (high - centre))) * spectrum[b]
            assert patches[patch, 0, row, band] == pytest.approx(np.log(total + 0.001), abs=2e-3)  # float32 spectrum
    assert len(patches) == 1 + (398 - 96) // 48


def test_sound_shorter_than_a_patch_is_padded() -> None:
    assert yamnet.log_mel_patches(tone(440)[:1000]).shape == (1, 1, 96, 64)
    assert yamnet.log_mel_patches(tone(440)[:1]).shape == (1, 1, 96, 64)


def test_folded_batch_norm_and_graph_builder_by_hand(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(3, 2, 3, 3)).astype(np.float32)
    gamma, beta, mean = rng.normal(size=(3, 3)).astype(np.float32)
    variance = rng.random(3).astype(np.float32)
    folded, bias = fold_batch_norm(w, gamma, beta, mean, variance, epsilon=1e-3)

    def build(path: Path) -> None:
        g = GraphBuilder()
        g.add("Identity", g.conv("x", folded, bias, stride=2), output="y")
        g.save(path, name="t", inputs=[("x", 1, ("n", 2, 8, 8))], outputs=[("y", ("n", 3, 4, 4))])

    session = open_graph(tmp_path / "sub" / "g.onnx", build=build, runtime=Runtime())
    x = rng.normal(size=(5, 2, 8, 8)).astype(np.float32)
    (found,) = run_batched(session, "x", x, batch=2)
    t = torch.from_numpy
    plain = F.conv2d(F.pad(t(x), (0, 1, 0, 1)), t(w), stride=2)
    expected = F.batch_norm(plain, t(mean), t(variance), t(gamma), t(beta), eps=1e-3)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["g.onnx"]


def test_damaged_checkpoints_are_clear_errors(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="EfficientNet-Lite0"):
        read_tensors(bad, network="EfficientNet-Lite0")
    with pytest.raises(WeightsError, match="YAMNet"):
        yamnet.read_checkpoint(bad)
    with pytest.raises(WeightsError, match="lacks the layer"):
        efficientnet_lite.build_graph({}, tmp_path / "g.onnx")


def test_groups_and_best_words_by_hand() -> None:
    values = np.array([[1.0], [3.0], [10.0]], dtype=np.float32)
    means = mean_by_scene(values, [2, 0, 1])
    assert [None if m is None else m.tolist() for m in means] == [[2.0], None, [10.0]]
    assert [len(part) for part in by_scene(values, [2, 0, 1])] == [2, 0, 1]
    best = top_concepts(["a", "b", "c"], np.array([0.1, 0.9, 0.5], np.float32), 2)
    assert [c.name for c in best] == ["b", "c"]


def test_registry() -> None:
    assert resolve_experts("light") == PRESETS["light"]
    assert resolve_experts("motion_flow, audio_yamnet") == ("motion_flow", "audio_yamnet")
    with pytest.raises(ConfigError, match=r"Unknown preset or expert lite.*Presets: light"):
        resolve_experts("lite")
    with pytest.raises(ConfigError, match="none given"):
        resolve_experts("")
    assert len(families_for(["image_efficientnet_lite0", "location_layout"])) == 1, "one network serves both"
    for card in expert_cards().values():
        assert card.to_dict()["substitute"] == (card.name in ("location_layout", "motion_flow"))
