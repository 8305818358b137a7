"""VideoMAE on Kinetics-400: what happens in a clip of 16 frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.experts.base import ExpertCard, Family, Network, described_scenes
from cinegrain.experts.graph import open_graph, run_batched
from cinegrain.experts.hub import HubFiles, HubModel, fetch_model, network_values, refusing, words_of
from cinegrain.experts.picture_processor import PictureProcessor, read_processor
from cinegrain.experts.pretrained import export_graph, load_pretrained, standardise
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.weights import WeightFile
from cinegrain.types import CLIP_FRAMES, Scene, SceneEmbedding, UInt8

_REPOSITORY = "MCG-NJU/videomae-base-finetuned-kinetics"
_SOURCE = f"hf:{_REPOSITORY}@488eb9a0565f257b32866000305c8178965eb9f6#"
_LICENCE = "CC-BY-NC-4.0: not for commercial use"
_DEFAULTS: Mapping[str, Any] = {
    "size": {"shortest_edge": 224},
    "resample": 2,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "rescale_factor": 1 / 255,
    "image_mean": (0.5, 0.5, 0.5),
    "image_std": (0.5, 0.5, 0.5),
}
_DEFAULT_SIZE_PX = 224

MODEL = HubModel(
    repository=_REPOSITORY,
    model_type="videomae",
    weights=WeightFile(f"{_SOURCE}model.safetensors", "", 400_000_000, _LICENCE),
    config=WeightFile(f"{_SOURCE}config.json", "", 100_000, _LICENCE),
    preprocessor=WeightFile(f"{_SOURCE}preprocessor_config.json", "", 20_000, _LICENCE),
)
CARD = ExpertCard(
    name="motion_videomae",
    modality="motion",
    dimension=768,
    needs="clips",
    description="What happens: the features of VideoMAE base, fine-tuned on the actions of Kinetics-400.",
    concepts="400 Kinetics actions",
    weights=MODEL.files,
    licence=_LICENCE,
    citation="Tong et al. 2022, arXiv:2203.12602 (VideoMAE)",
)


@dataclass(frozen=True)
class VideoMAEValues:
    """What is known of a network before any library is loaded."""

    values: Mapping[str, Any]
    words: tuple[str, ...]
    processor: PictureProcessor
    size_px: int


class VideoMAE(Network):
    """The loaded network."""

    def __init__(self, cache: Path, runtime: Runtime) -> None:
        files = fetch_model(MODEL, cache)
        known = read_values(files)
        self.words = known.words
        self._processor = known.processor
        self._session = open_graph(
            cache / "graphs" / f"{CARD.name}-v{CARD.version}-{files.key}.onnx",
            build=lambda path: build_graph(files, known, path),
            runtime=runtime,
            singly=True,
        )

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """Means over each scene's clips; None for a scene without clips."""
        counts = [len(scene.clips) for scene in scenes]
        if not sum(counts):
            return {CARD.name: [None] * len(scenes)}
        inputs = prepare(np.concatenate([scene.clips for scene in scenes if len(scene.clips)]), self._processor)
        # One by one: attention over 1,568 patches takes 120 MB a clip and layer.
        features, shares = run_batched(self._session, "clips", inputs, batch=1)
        return {CARD.name: described_scenes(features, shares, counts, self.words)}


FAMILY = Family((CARD,), VideoMAE)


def prepare(clips: UInt8, processor: PictureProcessor) -> UInt8:
    """Every frame of clips of shape (n, 16, height, width, 3) as the processor asks."""
    return np.stack([[processor.prepare(frame) for frame in clip] for clip in clips])


def read_values(files: HubFiles) -> VideoMAEValues:
    """The two JSON files, checked.

    Raises:
        WeightsError: If a value is wrong, or clips or vectors would have another length than promised.
    """
    words = words_of(files)
    with refusing(files.model, files.config_path):
        values = network_values(files.config, CARD)
        if values.get("num_frames", CLIP_FRAMES) != CLIP_FRAMES:
            raise ValueError(f"it takes clips of {values['num_frames']} frames; here they have {CLIP_FRAMES}")
    size_px = values.get("image_size", _DEFAULT_SIZE_PX)
    with refusing(files.model, files.preprocessor_path):
        processor = read_processor(files.preprocessor, _DEFAULTS, size_px=size_px)
    return VideoMAEValues(values | {"id2label": dict(enumerate(words))}, words, processor, size_px)


def build_graph(files: HubFiles, known: VideoMAEValues, path: Path) -> None:
    """Writes the ONNX graph.

    Input `clips`: uint8 RGB, shape (n, 16, size, size, 3). Outputs: `features` (n, 768), what the classifier sees:
    the normalised mean over patches; `shares` (n, words), its softmax.

    Raises:
        WeightsError: If the weights are not those of the network that config.json describes.
    """
    model = load_pretrained(
        files, class_name="VideoMAEForVideoClassification", config_name="VideoMAEConfig", values=known.values
    )
    import torch

    def see(videomae: Any, clips: torch.Tensor) -> tuple[torch.Tensor, ...]:
        patches = videomae.videomae(standardise(clips, known.processor))[0]
        features = patches[:, 0] if videomae.fc_norm is None else videomae.fc_norm(patches.mean(1))
        return features, videomae.classifier(features).softmax(1)

    shape = (2, CLIP_FRAMES, known.size_px, known.size_px, 3)
    export_graph(
        model,
        see,
        path,
        input_name="clips",
        example=torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
        output_names=("features", "shares"),
    )
