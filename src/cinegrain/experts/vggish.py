"""VGGish, trained on YouTube-8M sound: 128 numbers for each 0.96 s.

They are taken before the PCA and the quantisation that AudioSet's own release adds, after the last ReLU, as the
published PyTorch port does.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto

from cinegrain.experts.base import ExpertCard, Family, Network, mean_by_scene
from cinegrain.experts.graph import open_graph, run_batched
from cinegrain.experts.log_mel import N_BANDS, PATCH_FRAMES, log_mel_patches
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.state_dict import StateDict, TorchLayers, read_state_dict
from cinegrain.experts.weights import WeightFile, content_key, fetch
from cinegrain.types import Float32, Scene, SceneEmbedding

LOG_OFFSET = 0.01
_BATCH = 16
# Position of a convolution in the published list of layers and its width; None is a max pool.
_LAYERS: tuple[tuple[int, int] | None, ...] = (
    (0, 64),
    None,
    (3, 128),
    None,
    (6, 256),
    (8, 256),
    None,
    (11, 512),
    (13, 512),
    None,
)
_LINEAR = ((0, 4096, 512 * 6 * 4), (2, 4096, 4096), (4, 128, 4096))  # position, out, in

CHECKPOINT = WeightFile(
    "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
    "10086976",
    300_000_000,
    "Apache-2.0",
)
CARD = ExpertCard(
    name="audio_vggish",
    modality="audio",
    dimension=128,
    needs="sound",
    description="What is heard: the features of VGGish, trained on the sound of YouTube-8M.",
    concepts=None,
    weights=(CHECKPOINT,),
    licence="Apache-2.0",
    citation="Hershey et al. 2017, arXiv:1609.09430 (VGGish); PyTorch port by Harri Taylor",
    version=2,  # sound shorter than a patch is repeated
)


class VGGish(Network):
    """The loaded network."""

    def __init__(self, cache: Path, runtime: Runtime) -> None:
        checkpoint = fetch(CHECKPOINT, cache)
        self._session = open_graph(
            cache / "graphs" / f"{CARD.name}-v{CARD.version}-{content_key(checkpoint, cache)}.onnx",
            build=lambda path: build_graph(read_state_dict(checkpoint, network="VGGish"), path),
            runtime=runtime,
        )

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """The mean over a scene's patches; None for a scene without sound."""
        heard = [patches(s.sound) for s in scenes if s.sound is not None and len(s.sound)]
        if not heard:
            return {CARD.name: [None] * len(scenes)}
        (embedding,) = run_batched(self._session, "patches", np.concatenate(heard), batch=_BATCH)
        lengths = iter(map(len, heard))
        counts = [next(lengths) if s.sound is not None and len(s.sound) else 0 for s in scenes]
        means = mean_by_scene(embedding, counts)
        return {CARD.name: [None if mean is None else SceneEmbedding(mean) for mean in means]}


FAMILY = Family((CARD,), VGGish)


def patches(sound: Float32) -> Float32:
    """VGGish's input: log-mel patches of 0.96 s that do not overlap, shape (p, 1, 96, 64).

    Args:
        sound: Mono at 16 kHz, -1..1, shape (n,), n >= 1.
    """
    return log_mel_patches(sound, offset=LOG_OFFSET, hop_frames=PATCH_FRAMES)


def build_graph(state: StateDict, path: Path) -> None:
    """Writes the ONNX graph: `patches` (n, 1, 96, 64) to `embedding` (n, 128).

    Raises:
        WeightsError: If a layer is missing, has another shape or is too many.
    """
    layers = TorchLayers(state)
    x, width = "patches", 1
    for layer in _LAYERS:
        if layer is None:
            x = layers.max_pool(x, kernel=2, stride=2)
        else:
            position, out = layer
            x, width = layers.relu(layers.conv(x, f"features.{position}", (out, width, 3, 3))), out
    # TensorFlow's weights expect the channel as the last axis.
    x = layers.graph.add("Flatten", layers.graph.add("Transpose", x, perm=[0, 2, 3, 1]))
    for position, out, width in _LINEAR:
        x = layers.relu(layers.linear(x, f"embeddings.{position}", (out, width)))
    layers.graph.add("Identity", x, output="embedding")
    layers.finish().save(
        path,
        name="vggish",
        inputs=[("patches", TensorProto.FLOAT, ("n", 1, PATCH_FRAMES, N_BANDS))],
        outputs=[("embedding", ("n", CARD.dimension))],
    )
