"""R(2+1)D-18 and R3D-18 on Kinetics-400: what happens in a clip of 16 frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto

from cinegrain.experts.base import ExpertCard, Family, Network, described_scenes
from cinegrain.experts.class_names import TORCHVISION_META, kinetics_words
from cinegrain.experts.graph import open_graph, run_batched
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import StateDict, TorchLayers, read_state_dict
from cinegrain.experts.weights import WeightFile, content_key, fetch
from cinegrain.types import CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, Scene, SceneEmbedding, UInt8

SIZE_PX = 112
KINETICS_MEAN, KINETICS_DEVIATION = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
_WIDTHS = (64, 128, 256, 512)
_BLOCKS = 2
_N_CLASSES = 400
_LICENCE = "BSD-3-Clause (torchvision); Kinetics' videos are for research"
_CITATION = "Tran et al. 2018, arXiv:1711.11248; weights KINETICS400_V1 by torchvision"

R2PLUS1D_CHECKPOINT = WeightFile(
    "https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth", "91a641e6", 140_000_000, "BSD-3-Clause"
)
R3D_CHECKPOINT = WeightFile(
    "https://download.pytorch.org/models/r3d_18-b3b3357e.pth", "b3b3357e", 140_000_000, "BSD-3-Clause"
)

Convolution = Callable[[TorchLayers, str, str, int, int, int, int], str]


def full_conv(layers: TorchLayers, x: str, name: str, width: int, out: int, _middle: int, stride: int) -> str:
    """A 3x3x3 convolution with its normalisation: `name.0` and `name.1`."""
    return layers.conv(x, f"{name}.0", (out, width, 3, 3, 3), norm=f"{name}.1", stride=stride)


def split_conv(layers: TorchLayers, x: str, name: str, width: int, out: int, middle: int, stride: int) -> str:
    """First over space, then over time: `name.0.0` with `name.0.1`, and `name.0.3` with `name.1`."""
    space, time = (1, stride, stride), (stride, 1, 1)
    x = layers.conv(x, f"{name}.0.0", (middle, width, 1, 3, 3), norm=f"{name}.0.1", stride=space)
    x = layers.relu(x)
    return layers.conv(x, f"{name}.0.3", (out, middle, 3, 1, 1), norm=f"{name}.1", stride=time)


def full_stem(layers: TorchLayers, x: str) -> str:
    """R3D's first convolution."""
    return layers.relu(layers.conv(x, "stem.0", (64, 3, 3, 7, 7), norm="stem.1", stride=(1, 2, 2)))


def split_stem(layers: TorchLayers, x: str) -> str:
    """R(2+1)D's first two convolutions."""
    x = layers.relu(layers.conv(x, "stem.0", (45, 3, 1, 7, 7), norm="stem.1", stride=(1, 2, 2)))
    return layers.relu(layers.conv(x, "stem.3", (64, 45, 3, 1, 1), norm="stem.4"))


@dataclass(frozen=True)
class ClipModel:
    """What tells one video network from another.

    Attributes:
        card: Its expert.
        network: Name of the architecture, for messages.
        checkpoint: The published file.
        stem: Its beginning.
        conv: The convolutions in its blocks.
    """

    card: ExpertCard
    network: str
    checkpoint: WeightFile
    stem: Callable[[TorchLayers, str], str]
    conv: Convolution

    def family(self) -> Family:
        """The expert by itself."""
        return Family((self.card,), lambda cache, runtime: ClipNetwork(self, cache, runtime))

    def write_graph(self, state: StateDict, path: Path) -> None:
        """Writes the ONNX graph.

        Input `clips`: uint8 RGB, shape (n, 16, 112, 112, 3). Outputs: `features` (n, 512), `probabilities` (n, 400).

        Raises:
            WeightsError: If a layer is missing, has another shape or is too many.
        """
        layers = TorchLayers(state)
        x = layers.graph.standardise("clips", KINETICS_MEAN, KINETICS_DEVIATION)
        x = self.stem(layers, layers.graph.add("Transpose", x, perm=[0, 4, 1, 2, 3]))
        width = _WIDTHS[0]
        for stage, out in enumerate(_WIDTHS, start=1):
            for block in range(_BLOCKS):
                name, before, stride = f"layer{stage}.{block}", x, 2 if block == 0 and stage > 1 else 1
                # As many weights in a split convolution as in a full one; the second of a block keeps the number.
                middle = (width * out * 27) // (width * 9 + out * 3)
                x = layers.relu(self.conv(layers, x, f"{name}.conv1", width, out, middle, stride))
                x = self.conv(layers, x, f"{name}.conv2", out, out, middle, 1)
                if stride > 1:
                    shortcut = f"{name}.downsample"
                    before = layers.conv(
                        before, f"{shortcut}.0", (out, width, 1, 1, 1), norm=f"{shortcut}.1", stride=stride
                    )
                x, width = layers.relu(layers.graph.add("Add", x, before)), out
        layers.classify(x, "fc", (_N_CLASSES, width))
        layers.finish().save(
            path,
            name=self.card.name,
            inputs=[("clips", TensorProto.UINT8, ("n", CLIP_FRAMES, SIZE_PX, SIZE_PX, 3))],
            outputs=[("features", ("n", self.card.dimension)), ("probabilities", ("n", _N_CLASSES))],
        )


class ClipNetwork(Network):
    """The loaded network."""

    def __init__(self, model: ClipModel, cache: Path, runtime: Runtime) -> None:
        self._name = model.card.name
        self.words = kinetics_words(cache)
        checkpoint = fetch(model.checkpoint, cache)
        key = content_key(checkpoint, cache)
        self._session = open_graph(
            cache / "graphs" / f"{self._name}-v{model.card.version}-{key}.onnx",
            build=lambda path: model.write_graph(read_state_dict(checkpoint, network=model.network), path),
            runtime=runtime,
            singly=True,
        )

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """Means over each scene's clips; None for a scene without clips."""
        counts = [len(scene.clips) for scene in scenes]
        if not sum(counts):
            return {self._name: [None] * len(scenes)}
        inputs = crop(np.concatenate([scene.clips for scene in scenes if len(scene.clips)]))
        features, probabilities = run_batched(self._session, "clips", inputs, batch=1)
        return {self._name: described_scenes(features, probabilities, counts, self.words)}


def crop(clips: UInt8) -> UInt8:
    """The middle 112 x 112 of clips of shape (n, 16, 128, 171, 3)."""
    top, left = round((CLIP_HEIGHT - SIZE_PX) / 2), round((CLIP_WIDTH - SIZE_PX) / 2)
    return np.ascontiguousarray(clips[:, :, top : top + SIZE_PX, left : left + SIZE_PX])


def _card(name: str, network: str, checkpoint: WeightFile) -> ExpertCard:
    return ExpertCard(
        name=name,
        modality="motion",
        dimension=512,
        needs="clips",
        description=f"What happens: the features of {network}, trained on the actions of Kinetics-400.",
        concepts="400 Kinetics actions",
        weights=(checkpoint, TORCHVISION_META),
        licence=_LICENCE,
        citation=_CITATION,
    )


R2PLUS1D = ClipModel(
    _card("motion_r2plus1d_18", "R(2+1)D-18", R2PLUS1D_CHECKPOINT),
    "R(2+1)D-18",
    R2PLUS1D_CHECKPOINT,
    split_stem,
    split_conv,
)
R3D = ClipModel(_card("motion_r3d_18", "R3D-18", R3D_CHECKPOINT), "R3D-18", R3D_CHECKPOINT, full_stem, full_conv)
