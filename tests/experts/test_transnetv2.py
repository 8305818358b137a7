"""TransNet V2 with its real weights: against an independent definition, on planted cuts and dissolves, end to end."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F

from cinegrain.config import Settings
from cinegrain.errors import ConfigError, WeightsError
from cinegrain.experts import motion_flow, transnetv2
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import StateDict
from cinegrain.experts.transnetv2 import TransNetV2
from cinegrain.experts.weights import fetch
from cinegrain.pipeline.extraction.embed import Embedder, Job, cut_weights, find_cuts, load_cut_finder
from cinegrain.pipeline.extraction.extract import vectors_key
from cinegrain.settings import MediaSettings
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import TINY_HEIGHT, TINY_WIDTH, UInt8
from cinegrain.urls import cache_folder

FPS = 25
ON = MediaSettings(cut_detector="transnetv2")


@pytest.fixture(scope="module")
def network() -> TransNetV2:
    return TransNetV2(cache_folder(), Runtime())


@pytest.fixture(scope="module")
def weights() -> Mapping[str, torch.Tensor]:
    loaded: Mapping[str, torch.Tensor] = torch.load(fetch(transnetv2.CHECKPOINT, cache_folder()), weights_only=True)
    return loaded


PHOTOGRAPHS = ("coffee", "astronaut", "chelsea")


def shot(number: int, n: int, width: int = TINY_WIDTH, height: int = TINY_HEIGHT) -> list[UInt8]:
    """A slow pan over one of the photographs, shape (height, width, 3)."""
    wide = cv2.resize(getattr(skimage.data, PHOTOGRAPHS[number])(), (round(1.2 * width), height))
    steps = np.linspace(0, wide.shape[1] - width, n).round().astype(int)
    return [np.ascontiguousarray(wide[:, x : x + width], np.uint8) for x in steps]


def dissolve(before: Sequence[UInt8], after: Sequence[UInt8], n: int) -> list[UInt8]:
    """The two shots, the last n pictures of one passing into the first n of the other."""
    mixed = [
        cv2.addWeighted(a, 1 - (i + 1) / (n + 1), b, (i + 1) / (n + 1), 0)
        for i, (a, b) in enumerate(zip(before[-n:], after[:n], strict=True))
    ]
    return [*before[:-n], *[np.asarray(m, np.uint8) for m in mixed], *after[n:]]


def timed(pictures: Sequence[UInt8]) -> Iterator[tuple[float, UInt8]]:
    return ((i / FPS, picture) for i, picture in enumerate(pictures))


def found_at(network: TransNetV2, pictures: Sequence[UInt8]) -> list[int]:
    return [round(cut_s * FPS) for cut_s in network.cuts(timed(pictures))]


def test_planted_cuts_are_found_at_the_exact_picture(network: TransNetV2) -> None:
    lengths = [40, 33, 71]
    pictures = [picture for i, n in enumerate(lengths) for picture in shot(i, n)]
    assert found_at(network, pictures) == list(np.cumsum(lengths[:-1]))


def test_a_dissolve_is_one_cut_near_its_middle(network: TransNetV2) -> None:
    pictures = dissolve(shot(0, 70), shot(1, 70), 20)
    (cut,) = found_at(network, pictures)
    assert abs(cut - 60) <= 5


def test_no_cut_where_there_is_none(network: TransNetV2) -> None:
    assert found_at(network, shot(2, 90)) == []
    assert found_at(network, shot(2, 1)) == []
    assert found_at(network, []) == []


class Told:
    """A session that gives each picture's own brightness as its probability, and keeps what it was shown."""

    def __init__(self) -> None:
        self.windows: list[UInt8] = []

    def run(self, _: None, inputs: dict[str, UInt8]) -> list[np.ndarray]:
        (window,) = inputs.values()
        assert window.shape == (100, TINY_HEIGHT, TINY_WIDTH, 3)
        self.windows.append(window)
        return [window[:, 0, 0, 0] / 255]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, network: TransNetV2) -> Told:
    session = Told()
    monkeypatch.setattr(network, "_session", session)
    return session


def even(levels: Sequence[int]) -> list[UInt8]:
    return [np.full((TINY_HEIGHT, TINY_WIDTH, 3), level, np.uint8) for level in levels]


@pytest.mark.parametrize("n", [1, 2, 25, 49, 50, 51, 74, 75, 76, 99, 100, 101, 150, 213])
def test_windows_are_the_published_ones(network: TransNetV2, told: Told, n: int) -> None:
    """Published: 25 times the first picture before, the last one after, windows of 100 every 50, the middle counts."""
    levels = [(7 * i + 3) % 251 for i in range(n)]
    found = list(network.probabilities(timed(even(levels))))
    assert [round(time_s * FPS) for time_s, _ in found] == list(range(n))
    assert [round(p * 255) for _, p in found] == levels
    n_after = 25 + 50 - (n % 50 or 50)
    padded = [levels[0]] * 25 + levels + [levels[-1]] * n_after
    expected = [padded[at : at + 100] for at in range(0, len(padded) - 99, 50)]
    assert [window[:, 5, 5, 2].tolist() for window in told.windows] == expected


@pytest.mark.parametrize(
    ("levels", "cuts"),
    [
        ([0, 0, 255, 0, 0], [3]),
        ([0, 255, 255, 255, 0, 0], [3]),
        ([0, 255, 255, 0, 0], [2]),
        ([0, 255, 0, 255, 0], [2, 4]),
        ([255, 255, 0, 0, 255, 0], [5]),
        ([0, 0, 255, 255], []),
        ([255] * 4, []),
        ([0, 127, 0, 128, 0], [4]),
    ],
)
def test_changes_become_cuts(network: TransNetV2, told: Told, levels: list[int], cuts: list[int]) -> None:
    assert found_at(network, even(levels)) == cuts


def eager(s: Mapping[str, torch.Tensor], pictures: torch.Tensor) -> torch.Tensor:
    """The network as in the paper, with whole 3-D convolutions and loops; uint8 (100, 27, 48, 3) to (100,)."""
    x = pictures.permute(3, 0, 1, 2)[None].float() / 255
    means = []
    for i in range(3):
        blocks = []
        for j in range(2):
            name = f"SDDCNN.{i}.DDCNN.{j}"
            parts = []
            for d in (1, 2, 4, 8):
                flat = F.conv3d(x, s[f"{name}.Conv3D_{d}.layers.0.weight"], padding=(0, 1, 1))
                weight = s[f"{name}.Conv3D_{d}.layers.1.weight"]
                parts.append(F.conv3d(flat, weight, padding=(d, 0, 0), dilation=(d, 1, 1)))
            mean, variance, scale, shift = (
                s[f"{name}.bn.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
            )
            x = F.relu(F.batch_norm(torch.cat(parts, 1), mean, variance, scale, shift, eps=1e-3))
            blocks.append(x)
        x = F.avg_pool3d(blocks[1] + blocks[0], (1, 2, 2))
        means.append(x.mean((3, 4))[0].T)

    def layer(name: str, values: torch.Tensor) -> torch.Tensor:
        return F.linear(values, s[f"{name}.weight"], s[f"{name}.bias"])

    def around(values: torch.Tensor) -> torch.Tensor:
        table = torch.zeros(100, 101)
        for t in range(100):
            for k in range(101):
                if 0 <= t + k - 50 < 100:
                    table[t, k] = F.cosine_similarity(values[t], values[t + k - 50], dim=0)
        return table

    colours = torch.zeros(100, 512)
    for t, picture in enumerate(pictures.reshape(100, -1, 3).tolist()):
        for red, green, blue in picture:
            colours[t, red // 32 * 64 + green // 32 * 8 + blue // 32] += 1
    parts = [
        F.relu(layer("color_hist_layer.fc", around(colours))),
        F.relu(layer("frame_sim_layer.fc", around(layer("frame_sim_layer.projection", torch.cat(means, 1))))),
        x[0].permute(1, 2, 3, 0).flatten(1),
    ]
    return torch.sigmoid(layer("cls_layer1", F.relu(layer("fc1", torch.cat(parts, 1)))))[:, 0]


def test_graph_equals_an_independent_definition(network: TransNetV2, weights: Mapping[str, torch.Tensor]) -> None:
    pictures = np.stack([*dissolve(shot(0, 45), shot(1, 45), 14), *shot(2, 24)])
    pictures[50] = np.random.default_rng(0).integers(0, 256, pictures[50].shape)
    (found,) = network._session.run(None, {"pictures": pictures})
    with torch.inference_mode():
        expected = eager(weights, torch.from_numpy(pictures)).numpy()
    assert expected.max() > 0.5 > expected.min(), "else there would be nothing to compare"
    np.testing.assert_allclose(found, expected, atol=1e-4)  # float32 sums in another order


def test_another_checkpoint_is_refused(weights: Mapping[str, torch.Tensor], tmp_path: Path) -> None:
    tensors = {name: value.float().numpy() for name, value in weights.items()}
    lacking = {name: value for name, value in tensors.items() if name != "fc1.bias"}
    further = {**tensors, "more": np.zeros(1, np.float32)}
    for state, reason in ((lacking, r"lacks the layer fc1\.bias"), (further, "1 further layers")):
        with pytest.raises(WeightsError, match=reason):
            transnetv2.build_graph(StateDict(state, network="TransNet V2", origin="here"), tmp_path / "g.onnx")
    assert not list(tmp_path.iterdir())


def write(path: Path, pictures: Sequence[UInt8]) -> Path:
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "18", "preset": "ultrafast"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        for picture in pictures:
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode(None))
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A hard cut at 2 s, and a dissolve from 4 s to 4.8 s."""
    shots = [shot(seed, n, 320, 180) for seed, n in ((0, 50), (1, 70), (2, 60))]
    (tmp_path / "films").mkdir()
    return write(tmp_path / "films" / "film.mp4", [*shots[0], *dissolve(shots[1], shots[2], 20)])


def test_films_are_cut_where_the_network_says(network: TransNetV2, film: Path) -> None:
    signs: list[None] = []
    cuts_s = find_cuts(film, ON, network, lambda: signs.append(None))
    assert cuts_s[0] == pytest.approx(2.0)
    assert cuts_s[1] == pytest.approx(4.4, abs=0.2)
    assert len(cuts_s) == 2
    assert len(signs) == 4, "one for every 50 of 160 pictures"
    flow: list[Any] = [motion_flow.FAMILY.load(cache_folder(), Runtime())]
    done = Embedder(flow, ["motion_flow"], ON, cut_finder=network).one(Job("t", film))
    assert [row.start_s for row in done.scenes] == pytest.approx([0.0, *cuts_s])
    assert [row.end_s for row in done.scenes] == pytest.approx([*cuts_s, 6.4])
    plain = Embedder(flow, ["motion_flow"], MediaSettings()).one(Job("t", film))
    assert len(plain.scenes) == 2, "the picture's change does not show the dissolve"


def test_settings_and_network_must_agree(network: TransNetV2, film: Path) -> None:
    for settings, finder in ((ON, None), (MediaSettings(), network)):
        with pytest.raises(ConfigError, match=r"media\.cut_detector is"):
            Embedder([], [], settings, cut_finder=finder).one(Job("t", film))
    assert load_cut_finder(MediaSettings(), cache_folder(), Runtime()) is None
    assert cut_weights(MediaSettings()) == ()
    assert cut_weights(ON) == (transnetv2.CHECKPOINT,)


def test_every_vector_depends_on_who_cuts() -> None:
    assert vectors_key(motion_flow.CARD, Settings(media=ON)) != vectors_key(motion_flow.CARD, Settings())


def test_extraction_with_the_network_switched_on(film: Path, tmp_path: Path) -> None:
    catalog, out = tmp_path / "films.csv", tmp_path / "run"
    with catalog.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "genres"), ("film.mp4", "Drama")])

    def extract(*flags: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "cinegrain", "extract", str(film.parent), "--catalog", str(catalog), "--json"]
        command += ["--out", str(out), "--extract.experts", "motion_flow", *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def scenes() -> list[float]:
        dataset = EmbeddingDataset(out / "dataset")
        return [row.start_s for row in dataset.scenes(dataset.trailers[0].trailer_id)]

    assert extract()["new"] == 1
    assert len(scenes()) == 2
    assert extract("--media.cut_detector", "transnetv2")["new"] == 1, "scenes of another detector are stale"
    assert scenes() == pytest.approx([0.0, 2.0, 4.4], abs=0.2)
