"""MusiCNN: what kind of music plays, in the 50 words that listeners of MagnaTagATune gave.

It was trained on music alone and finds music in anything, so it is asked only where YAMNet hears music.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto

from cinegrain.experts.base import ExpertCard, Family, Network, described_scenes
from cinegrain.experts.graph import GraphBuilder, open_graph, run_batched
from cinegrain.experts.log_mel import MUSIC_BANDS, MUSIC_FRAMES, music_patches
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import StateDict
from cinegrain.experts.tensor_bundle import read_tensor_bundle
from cinegrain.experts.weights import WeightFile, fetch
from cinegrain.experts.yamnet import CARD as YAMNET
from cinegrain.experts.yamnet import YamNet
from cinegrain.types import Scene, SceneEmbedding

MIN_MUSIC = 0.3
"""A scene is music if YAMNet's score for Music, meaned over its patches, is at least this.

Seen: none of 320 sounds of ESC-10 (none is music) is over 0.18; film music is mostly over 0.6, under shouts and
explosions 0.1 to 0.4, and is then missed at times.
"""

_MUSIC = "Music"
_BATCH = 8
_EPSILON = 1e-3  # TensorFlow's default
_MIDDLE = 64
_TRAINING_ONLY = ("/Adam", "/Adam_1", "beta1_power", "beta2_power")

INDEX = WeightFile(
    "pypi:musicnn==0.1.0#musicnn/MTT_musicnn/.index",
    "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
    4_948,
    "ISC",
)
NUMBERS = WeightFile(
    "pypi:musicnn==0.1.0#musicnn/MTT_musicnn/.data-00000-of-00001",
    "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
    9_465_596,
    "ISC",
)
_WORDS = (
    "guitar|classical|slow|techno|strings|drums|electronic|rock|fast|piano|ambient|beat|violin|vocal|synth|female|"
    "indian|opera|male|singing|vocals|no vocals|harpsichord|loud|quiet|flute|woman|male vocal|no vocal|pop|soft|sitar|"
    "solo|man|classic|choir|voice|new age|dance|male voice|female vocal|beats|harp|cello|no voice|weird|country|metal|"
    "female voice|choral"
)
TAGS = tuple(_WORDS.split("|"))
"""MagnaTagATune's 50 most frequent tags, in the order of the outputs."""

CARD = ExpertCard(
    name="audio_musicnn",
    modality="audio",
    dimension=200,
    needs="sound",
    description="The kind of music: the features of MusiCNN, trained on MagnaTagATune; only scenes in which YAMNet "
    "hears music have any.",
    concepts="50 MagnaTagATune words",
    weights=(INDEX, NUMBERS, *YAMNET.weights),
    licence="ISC (MusiCNN); Apache-2.0 (YAMNet, whose carrying package declares none)",
    citation="Pons and Serra 2019, arXiv:1909.06654 (musicnn); Pons et al. 2018, arXiv:1711.02520",
)


class MusiCNN(Network):
    """The loaded network and the YAMNet that says where there is music."""

    def __init__(self, cache: Path, runtime: Runtime) -> None:
        index, numbers = fetch(INDEX, cache), fetch(NUMBERS, cache)
        self._session = open_graph(
            cache / "graphs" / f"musicnn-v{CARD.version}-{NUMBERS.sha256[:12]}.onnx",
            build=lambda path: build_graph(read_checkpoint(index, numbers), path),
            runtime=runtime,
        )
        self._yamnet = YamNet(cache, runtime)

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """The means over a scene's patches of 3 s; None for a scene without sound or with too little music in it."""
        music = [len(heard) > 0 and heard.mean() >= MIN_MUSIC for heard in self._yamnet.scores(scenes, _MUSIC)]
        patches = [
            music_patches(scene.sound)
            for scene, is_music in zip(scenes, music, strict=True)
            if is_music and scene.sound is not None
        ]
        if not patches:
            return {CARD.name: [None] * len(scenes)}
        features, tags = run_batched(self._session, "patches", np.concatenate(patches), batch=_BATCH)
        lengths = iter(map(len, patches))
        counts = [next(lengths) if is_music else 0 for is_music in music]
        return {CARD.name: described_scenes(features, tags, counts, TAGS)}


FAMILY = Family((CARD,), MusiCNN)


def read_checkpoint(index: Path, numbers: Path) -> StateDict:
    """The network's variables, without what only its training needed.

    Raises:
        WeightsError: If the files are not a TensorFlow checkpoint.
    """
    tensors = read_tensor_bundle(index, numbers)
    kept = {name: value for name, value in tensors.items() if not name.endswith(_TRAINING_ONLY)}
    return StateDict(kept, network="MusiCNN", origin=str(numbers))


def build_graph(state: StateDict, path: Path) -> None:
    """Writes the ONNX graph: `patches` (n, 187, 96) to `features` (n, 200) and `tags` (n, 50).

    Every layer keeps the time axis until the end: what has bands takes the largest over them.

    Raises:
        WeightsError: If a variable is missing, has another shape or is too many.
    """
    layers = _Layers(state)
    g = layers.graph
    x = layers.norm(g.add("Unsqueeze", "patches", g.constant(np.asarray([1], np.int64))), 1)
    timbral = [layers.conv(x, (7, bands), 204, pads=(3, 0, 3, 0)) for bands in (38, 67)]
    temporal = [layers.conv(x, (length, 1), 51, pads=None) for length in (128, 64, 32)]
    front = g.add("Concat", *[_largest(g, maps) for maps in [*timbral, *temporal]], axis=1)
    width = 2 * 204 + 3 * 51
    first = layers.conv_in_time(front, width)
    second = g.add("Add", layers.conv_in_time(first, _MIDDLE), first)
    third = g.add("Add", layers.conv_in_time(second, _MIDDLE), second)
    everything = g.add("Concat", front, first, second, third, axis=1)
    pools = [g.add(pool, everything, axes=[2]) for pool in ("ReduceMax", "ReduceMean")]
    flat = layers.norm(g.add("Flatten", g.add("Concat", *pools, axis=2)), 2 * (width + 3 * _MIDDLE))
    hidden = g.add("Relu", layers.dense(flat, 2 * (width + 3 * _MIDDLE), CARD.dimension))
    features = g.add("Identity", layers.norm(hidden, CARD.dimension), output="features")
    g.add("Sigmoid", layers.dense(features, CARD.dimension, len(TAGS)), output="tags")
    state.finish()
    g.save(
        path,
        name="musicnn",
        inputs=[("patches", TensorProto.FLOAT, ("n", MUSIC_FRAMES, MUSIC_BANDS))],
        outputs=[("features", ("n", CARD.dimension)), ("tags", ("n", len(TAGS)))],
    )


class _Layers:
    """Adds the checkpoint's layers in the order in which TensorFlow numbered them."""

    def __init__(self, state: StateDict) -> None:
        self.graph = GraphBuilder()
        self._state = state
        self._seen: dict[str, int] = {}

    def conv(self, x: str, kernel: tuple[int, int], width: int, *, pads: Sequence[int] | None) -> str:
        """Convolution of the one input channel over (time, bands), ReLU, batch normalisation."""
        name = self._next("conv2d")
        weight = self._state.take(f"{name}/kernel", (*kernel, 1, width)).transpose(3, 2, 0, 1)
        x = self.graph.conv(x, weight, self._state.take(f"{name}/bias", (width,)), pads=pads)
        return self.norm(self.graph.add("Relu", x), width)

    def conv_in_time(self, x: str, width: int) -> str:
        """Convolution of 7 frames over all channels, (n, width, t) to (n, 64, t), ReLU, batch normalisation."""
        name = self._next("conv2d")
        weight = self._state.take(f"{name}/kernel", (7, width, 1, _MIDDLE))[:, :, 0].transpose(2, 1, 0)
        x = self.graph.conv(x, weight, self._state.take(f"{name}/bias", (_MIDDLE,)), pads=(3, 3))
        return self.norm(self.graph.add("Relu", x), _MIDDLE)

    def norm(self, x: str, width: int) -> str:
        """Batch normalisation over axis 1; comes after the ReLUs, so no convolution can take it up."""
        name = self._next("batch_normalization")
        values = (
            self.graph.constant(self._state.take(f"{name}/{key}", (width,)))
            for key in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return self.graph.add("BatchNormalization", x, *values, epsilon=_EPSILON)

    def dense(self, x: str, width: int, out: int) -> str:
        """Fully connected layer."""
        name = self._next("dense")
        weight = self.graph.constant(self._state.take(f"{name}/kernel", (width, out)))
        return self.graph.add("Gemm", x, weight, self.graph.constant(self._state.take(f"{name}/bias", (out,))))

    def _next(self, kind: str) -> str:
        number = self._seen.get(kind, 0)
        self._seen[kind] = number + 1
        return f"{kind}_{number}" if number else kind


def _largest(g: GraphBuilder, maps: str) -> str:
    """The largest value over the bands: (n, width, t, bands) to (n, width, t)."""
    return g.add("ReduceMax", maps, axes=[3], keepdims=0)
