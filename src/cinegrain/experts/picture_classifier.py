"""Classifiers of single pictures whose graph turns `frames` into `features` and `probabilities`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto
from PIL import Image

from cinegrain.errors import WeightsError
from cinegrain.experts.base import ExpertCard, Family, Network, described_scenes
from cinegrain.experts.graph import open_graph, run_batched
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import StateDict, TorchLayers, read_state_dict
from cinegrain.experts.weights import WeightFile, content_key, fetch
from cinegrain.types import Scene, SceneEmbedding, UInt8

SIZE_PX, SHORT_SIDE_PX = 224, 256
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BATCH = 8


@dataclass(frozen=True)
class PictureModel:
    """What tells one classifier from another.

    Attributes:
        card: Its expert.
        network: Name of the architecture, for messages and file names.
        checkpoint: The published file.
        n_classes: Length of its output.
        words: Reads its words from the cache folder.
        build: Adds everything between the standardised picture (n, 3, 224, 224) and the outputs to a graph.
        rename: From the checkpoint's keys to those that `build` asks for.
    """

    card: ExpertCard
    network: str
    checkpoint: WeightFile
    n_classes: int
    words: Callable[[Path], tuple[str, ...]]
    build: Callable[[TorchLayers, str, int], None]
    rename: Callable[[str], str] = str

    def read(self, checkpoint: Path) -> StateDict:
        """The published checkpoint.

        Raises:
            WeightsError: If it is something else.
        """
        return read_state_dict(checkpoint, network=self.network, rename=self.rename)

    def family(self) -> Family:
        """The expert by itself."""
        return Family((self.card,), lambda cache, runtime: PictureNetwork(self, cache, runtime))

    def write_graph(self, state: StateDict, path: Path) -> None:
        """Writes the ONNX graph.

        Input `frames`: uint8 RGB, shape (n, 224, 224, 3). Outputs: `features` (n, d), `probabilities` (n, classes).

        Raises:
            WeightsError: If a layer is missing, has another shape or is too many.
        """
        layers = TorchLayers(state)
        x = layers.graph.standardise("frames", IMAGENET_MEAN, IMAGENET_DEVIATION)
        self.build(layers, layers.graph.add("Transpose", x, perm=[0, 3, 1, 2]), self.n_classes)
        layers.finish().save(
            path,
            name=self.card.name,
            inputs=[("frames", TensorProto.UINT8, ("n", SIZE_PX, SIZE_PX, 3))],
            outputs=[("features", ("n", self.card.dimension)), ("probabilities", ("n", self.n_classes))],
        )


class PictureNetwork(Network):
    """The loaded network."""

    def __init__(self, model: PictureModel, cache: Path, runtime: Runtime) -> None:
        self._name = model.card.name
        self.words = model.words(cache)
        if len(self.words) != model.n_classes:
            raise WeightsError(f"{self._name} needs {model.n_classes} words, but its list has {len(self.words)}.")
        checkpoint = fetch(model.checkpoint, cache)
        key = content_key(checkpoint, cache)
        self._session = open_graph(
            cache / "graphs" / f"{self._name}-v{model.card.version}-{key}.onnx",
            build=lambda path: model.write_graph(model.read(checkpoint), path),
            runtime=runtime,
        )

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """Means over each scene's frames; None for a scene without frames."""
        counts = [len(scene.frames) for scene in scenes]
        if not sum(counts):
            return {self._name: [None] * len(scenes)}
        inputs = np.stack([prepare(frame) for scene in scenes for frame in scene.frames])
        features, probabilities = run_batched(self._session, "frames", inputs, batch=_BATCH)
        return {self._name: described_scenes(features, probabilities, counts, self.words)}


def prepare(frame: UInt8) -> UInt8:
    """The square that ImageNet and Places365 classifiers see: short side to 256, bilinear, then the middle 224.

    Args:
        frame: RGB, shape (height, width, 3), any size.

    Returns:
        Shape (224, 224, 3).
    """
    height, width = frame.shape[:2]
    if min(height, width) != SHORT_SIDE_PX:
        # Whole pixels downwards, as the published preprocessing does.
        size = tuple(max(SHORT_SIDE_PX, SHORT_SIDE_PX * side // min(height, width)) for side in (width, height))
        frame = np.asarray(Image.fromarray(frame).resize((size[0], size[1]), Image.Resampling.BILINEAR), np.uint8)
        height, width = frame.shape[:2]
    top, left = round((height - SIZE_PX) / 2), round((width - SIZE_PX) / 2)
    return frame[top : top + SIZE_PX, left : left + SIZE_PX]
