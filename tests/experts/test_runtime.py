"""Engines and 8 bits: the same vectors where they promise it, refusal where they cannot."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.conftest import make_scene

from cinegrain.config import Settings
from cinegrain.errors import ConfigError, DataError, WeightsError
from cinegrain.experts import quantise
from cinegrain.experts.base import ExpertCard, Family, mean_by_scene
from cinegrain.experts.graph import GraphBuilder, open_graph, run_batched
from cinegrain.experts.quantise import quantise_family
from cinegrain.experts.runtime import Feed, Runtime, eight_bit_path, note_path, quantised_for, read_quantised
from cinegrain.pipeline.extraction.extract import vectors_key
from cinegrain.settings import Engine, ExtractSettings
from cinegrain.types import Float32, Scene, SceneEmbedding
from cinegrain.urls import cache_folder

CARD = ExpertCard("image_toy", "image", 24, "frames", "Random layers.", None, (), "MIT", "none")
SIDE = 16


def write_toy(path: Path, outlier: float) -> None:
    """Five convolutions; `outlier` stretches one channel after the fourth, which the fifth shrinks again."""
    rng = np.random.default_rng(0)
    first = rng.normal(0, 0.1, (12, 3, 3, 3)).astype(np.float32)
    second = rng.normal(0, 0.1, (24, 12, 3, 3)).astype(np.float32)
    first[0] *= outlier
    second[:, 0] /= outlier
    g = GraphBuilder()
    x = g.add("Transpose", g.standardise("frames", (0.5,) * 3, (0.25,) * 3), perm=[0, 3, 1, 2])
    for _ in range(3):
        mixing = rng.normal(0, 0.5, (3, 3, 3, 3)).astype(np.float32)
        x = g.conv(x, mixing, np.zeros(3, np.float32))
    x = g.add("Relu", g.conv(x, first, np.zeros(12, np.float32)))
    x = g.add("Relu", g.conv(x, second, np.zeros(24, np.float32)))
    g.add("Flatten", g.add("GlobalAveragePool", x), output="features")
    g.save(path, name="toy", inputs=[("frames", 2, ("n", SIDE, SIDE, 3))], outputs=[("features", ("n", 24))])


class Toy:
    """An expert over the toy graph."""

    def __init__(self, cache: Path, runtime: Runtime, outlier: float) -> None:
        path = cache / "graphs" / "toy-v1.onnx"
        self.session = open_graph(path, build=lambda p: write_toy(p, outlier), runtime=runtime)

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        frames = np.concatenate([s.frames for s in scenes])
        if not len(frames):
            return {CARD.name: [None] * len(scenes)}
        (found,) = run_batched(self.session, "frames", frames, batch=4)
        means = mean_by_scene(found, [len(s.frames) for s in scenes])
        return {CARD.name: [None if mean is None else SceneEmbedding(mean) for mean in means]}


def toy(outlier: float = 1.0) -> Family:
    return Family((CARD,), lambda cache, runtime: Toy(cache, runtime, outlier))


def scenes(n: int, seed: int) -> list[list[Scene]]:
    rng = np.random.default_rng(seed)
    return [[make_scene(frames=rng.integers(0, 256, (3, SIDE, SIDE, 3), np.uint8))] for _ in range(n)]


def vectors(cache: Path, runtime: Runtime, outlier: float = 1.0) -> Any:
    column = toy(outlier).load(cache, runtime).embed([s for (s,) in scenes(6, 9)])[CARD.name]
    return np.stack([e.vector for e in column if e is not None])


def test_8_bits_are_asked_for_before_they_are_made(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cinegrain experts quantise"):
        toy().load(tmp_path, Runtime(precision="int8"))


def test_a_tame_network_is_kept_in_8_bits(tmp_path: Path) -> None:
    (note,) = quantise_family(toy(), tmp_path, scenes(20, 0), scenes(10, 1))
    assert note.kept
    assert note.lowest_cosine[CARD.name] > 0.999
    graph = tmp_path / "graphs" / "toy-v1.onnx"
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(str(eight_bit_path(graph))).graph.node}
    exact, short = vectors(tmp_path, Runtime()), vectors(tmp_path, Runtime(precision="int8"))
    assert not np.array_equal(exact, short)
    # A second computation of the similarity, on scenes that neither calibrated nor measured.
    assert (np.sum(exact * short, 1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(short, axis=1)).min() > 0.999


def test_a_network_that_8_bits_harm_stays_as_it_is(tmp_path: Path) -> None:
    """One channel 20,000 times the others leaves them a single step of 256."""
    (note,) = quantise_family(toy(2e4), tmp_path, scenes(20, 0), scenes(10, 1))
    assert not note.kept
    assert note.cosine[CARD.name] < quantise.MIN_COSINE
    assert not eight_bit_path(tmp_path / "graphs" / note.graph).exists()
    exact, short = vectors(tmp_path, Runtime(), 2e4), vectors(tmp_path, Runtime(precision="int8"), 2e4)
    np.testing.assert_array_equal(exact, short)


def test_scenes_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    from cinegrain.experts import efficientnet_lite

    with pytest.raises(DataError, match="have nothing"):
        quantise_family(efficientnet_lite.FAMILY, cache_folder(), [[make_scene()]], [[make_scene()]])


def test_the_key_of_vectors_follows_the_8_bit_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEGRAIN_CACHE", str(tmp_path))
    exact, short = Settings(), Settings(extract=ExtractSettings(precision="int8"))
    assert vectors_key(CARD, short) == vectors_key(CARD, exact), "nothing made: fp32 runs"
    quantise_family(toy(2e4), tmp_path, scenes(20, 0), scenes(10, 1))
    assert vectors_key(CARD, short) == vectors_key(CARD, exact), "not kept: fp32 runs"
    (tmp_path / "graphs" / "toy-v1.onnx").unlink()
    quantise_family(toy(), tmp_path, scenes(20, 0), scenes(10, 1))
    first = vectors_key(CARD, short)
    assert first != vectors_key(CARD, exact)
    quantise_family(toy(), tmp_path, [[s] for g in scenes(20, 5) for s in g], scenes(10, 1))
    assert len(quantised_for(CARD.name, tmp_path)) == 1
    assert vectors_key(CARD, short) != first, "calibrated otherwise: other vectors"


def test_a_damaged_note_counts_as_none(tmp_path: Path) -> None:
    graph = tmp_path / "x.onnx"
    for text in ("", "{", "[1]", '{"graph": 1}'):
        graph.with_suffix(".int8.json").write_text(text)
        assert read_quantised(graph) is None


def test_a_graph_of_an_earlier_version_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sums overflow where the processor adds 8-bit products in 16 bits."""
    monkeypatch.setenv("CINEGRAIN_CACHE", str(tmp_path))
    quantise_family(toy(), tmp_path, scenes(20, 0), scenes(10, 1))
    exact, short = Settings(), Settings(extract=ExtractSettings(precision="int8"))
    assert vectors_key(CARD, short) != vectors_key(CARD, exact)
    note = note_path(tmp_path / "graphs" / "toy-v1.onnx")
    for change in ({}, {"format": 1}):
        old = {**{k: v for k, v in json.loads(note.read_text()).items() if k != "format"}, **change}
        note.write_text(json.dumps(old))
        assert vectors_key(CARD, short) == vectors_key(CARD, exact), "none"
        with pytest.raises(WeightsError, match=r"another version of Cinegrain.*cinegrain experts quantise"):
            toy().load(tmp_path, Runtime(precision="int8"))
    quantise_family(toy(), tmp_path, scenes(20, 0), scenes(10, 1))
    toy().load(tmp_path, Runtime(precision="int8"))


def test_quantising_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Toy):
        def embed(self, _scenes: Sequence[Scene]) -> Any:
            raise KeyboardInterrupt

    def load(cache: Path, runtime: Runtime) -> Toy:
        return (Broken if runtime.precision == "int8" else Toy)(cache, runtime, 1.0)

    with pytest.raises(KeyboardInterrupt):
        quantise_family(Family((CARD,), load), tmp_path, scenes(20, 0), scenes(10, 1))
    assert [path.name for path in (tmp_path / "graphs").iterdir()] == ["toy-v1.onnx"]


_ON_AVX2 = """
import os, sys
from pathlib import Path
import numpy as np
from cinegrain.experts.runtime import Runtime
graph, frames, found = map(Path, sys.argv[1:])
session = Runtime(engine="openvino", precision="int8").open(graph)
np.save(found, session.run(None, {"frames": np.load(frames)})[0])
"""


@pytest.mark.openvino
def test_openvino_computes_the_same_without_vnni(tmp_path: Path) -> None:
    """oneDNN, told to use AVX2 only, adds two 8-bit products in 16 bits; full-range weights differ by up to 10 %."""
    quantise_family(toy(), tmp_path, scenes(20, 0), scenes(10, 1))
    graph = tmp_path / "graphs" / "toy-v1.onnx"
    frames = np.concatenate([scene.frames for (scene,) in scenes(4, 3)])
    np.save(tmp_path / "frames.npy", frames)
    subprocess.run(
        [sys.executable, "-c", _ON_AVX2, graph, tmp_path / "frames.npy", tmp_path / "found.npy"],
        check=True,
        timeout=120,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
    )
    (here,) = Runtime(engine="openvino", precision="int8").open(graph).run(None, {"frames": frames})
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), here, rtol=1e-5, atol=1e-5)


@pytest.mark.openvino
def test_openvino_gives_the_same_vectors(tmp_path: Path) -> None:
    quantise_family(toy(), tmp_path, scenes(20, 0), scenes(10, 1))
    exact = vectors(tmp_path, Runtime())
    np.testing.assert_allclose(vectors(tmp_path, Runtime(engine="openvino")), exact, rtol=1e-4, atol=1e-5)
    short = vectors(tmp_path, Runtime(engine="openvino", precision="int8"))
    np.testing.assert_allclose(short, vectors(tmp_path, Runtime(precision="int8")), rtol=0.05, atol=0.02)


@pytest.mark.parametrize("engine", ["onnxruntime", pytest.param("openvino", marks=pytest.mark.openvino)])
def test_a_graph_planned_for_one_item_gives_the_same(engine: Engine, tmp_path: Path) -> None:
    path, frames = tmp_path / "toy.onnx", np.concatenate([scene.frames for film in scenes(3, 0) for scene in film])
    write_toy(path, 1.0)
    (together,) = run_batched(Runtime(engine=engine).open(path), "frames", frames, batch=len(frames))
    single = Runtime(engine=engine).open(path, singly=True)
    (apart,) = run_batched(single, "frames", frames, batch=1)
    np.testing.assert_allclose(apart, together, rtol=1e-4, atol=1e-5)
    if engine == "openvino":
        with pytest.raises(RuntimeError):
            single.run(None, {"frames": frames[:2]})


@pytest.mark.parametrize(("n", "sizes"), [(25, [7, 6, 6, 6]), (8, [8]), (1, [1]), (9, [5, 4])])
def test_batches_are_few_and_of_nearly_the_same_size(n: int, sizes: list[int]) -> None:
    asked: list[int] = []

    class Counting:
        def run(self, _outputs: None, feed: Feed, /) -> Sequence[Float32]:
            asked.append(len(feed["x"]))
            return [feed["x"].astype(np.float32)]

    (found,) = run_batched(Counting(), "x", np.arange(n), batch=8)
    assert asked == sizes
    assert found.tolist() == list(range(n)), "in order"


def test_an_engine_that_is_not_there_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r"cinegrain\[openvino\]"):
        Runtime(engine="openvino")


def test_an_unknown_engine_or_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match="onnxruntime, openvino"):
        Runtime(engine="tensorrt")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="fp32, int8"):
        Runtime(precision="int4")  # type: ignore[arg-type]
