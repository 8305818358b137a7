"""SigLIP: one network that sees what is in a picture, and by its text side where a picture might have been taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.experts.base import ExpertCard, Family, Network, described_scenes, mean_by_scene
from cinegrain.experts.graph import open_graph, run_batched
from cinegrain.experts.hub import HubFiles, HubModel, fetch_model, network_values, refused, refusing
from cinegrain.experts.picture_processor import PictureProcessor, read_processor
from cinegrain.experts.place_names import PLACES, prompts
from cinegrain.experts.pretrained import check_transformers, export_graph, load_pretrained, standardise
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.weights import WeightFile
from cinegrain.types import Scene, SceneEmbedding

_BATCH = 8
_TEXTS_AT_ONCE = 32
_END = "</s>"  # ends a sentence and fills it up to the length that the network was trained with
_MAX_TOKENIZER_BYTES = 32 << 20
_REPOSITORY = "google/siglip-base-patch16-224"
_SOURCE = f"hf:{_REPOSITORY}@7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed#"
_LICENCE = "Apache-2.0"
_DEFAULTS: Mapping[str, Any] = {
    "size": {"height": 224, "width": 224},
    "resample": 3,
    "rescale_factor": 1 / 255,
    "image_mean": (0.5, 0.5, 0.5),
    "image_std": (0.5, 0.5, 0.5),
}
_DEFAULT_SIZE_PX, _DEFAULT_TOKENS, _DEFAULT_VOCABULARY = 224, 64, 32_000

MODEL = HubModel(
    repository=_REPOSITORY,
    model_type="siglip",
    weights=WeightFile(f"{_SOURCE}model.safetensors", "2c63cb7d1f2e", 900_000_000, _LICENCE),
    config=WeightFile(f"{_SOURCE}config.json", "cd85b3d28829", 20_000, _LICENCE),
    preprocessor=WeightFile(f"{_SOURCE}preprocessor_config.json", "d11ccb80f15d", 20_000, _LICENCE),
    tokenizer=WeightFile(f"{_SOURCE}tokenizer.json", "c6e405cb7c67", 10_000_000, _LICENCE),
)
_CITATION = "Zhai et al. 2023, arXiv:2303.15343 (SigLIP)"
IMAGE = ExpertCard(
    name="image_siglip",
    modality="image",
    dimension=768,
    needs="frames",
    description="What is in the picture: the image side of SigLIP base, trained on pictures and their captions.",
    concepts=None,
    weights=MODEL.files,
    licence=_LICENCE,
    citation=_CITATION,
)
LOCATION = ExpertCard(
    name="location_siglip",
    modality="location",
    dimension=len(PLACES),
    needs="frames",
    description="Where it is set: how well each of a list of places describes the picture, as SigLIP base sees it.",
    concepts=f"{len(PLACES)} places, compared with the picture as sentences",
    weights=MODEL.files,
    licence=_LICENCE,
    citation=_CITATION,
)


@dataclass(frozen=True)
class SiglipValues:
    """What is known of a network before any library is loaded."""

    values: Mapping[str, Any]
    processor: PictureProcessor
    size_px: int
    n_tokens: int
    vocabulary: int


class Siglip(Network):
    """The loaded network."""

    def __init__(self, cache: Path, runtime: Runtime) -> None:
        sentences = [prompts(place) for place in PLACES]
        files = fetch_model(MODEL, cache, recipe=repr(sentences))
        known = read_values(files)
        self._processor = known.processor
        self._session = open_graph(
            cache / "graphs" / f"siglip-v{IMAGE.version}-{files.key}.onnx",
            build=lambda path: build_graph(files, known, sentences, path),
            runtime=runtime,
        )

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """Means over each scene's frames; None for a scene without frames."""
        counts = [len(scene.frames) for scene in scenes]
        if not sum(counts):
            return {card.name: [None] * len(scenes) for card in (LOCATION, IMAGE)}
        inputs = np.stack([self._processor.prepare(frame) for scene in scenes for frame in scene.frames])
        vectors, places, shares = run_batched(self._session, "frames", inputs, batch=_BATCH)
        means = mean_by_scene(vectors, counts)
        return {
            LOCATION.name: described_scenes(places, shares, counts, PLACES),
            IMAGE.name: [None if mean is None else SceneEmbedding(mean) for mean in means],
        }


FAMILY = Family((LOCATION, IMAGE), Siglip)


def read_values(files: HubFiles) -> SiglipValues:
    """The two JSON files, checked.

    Raises:
        WeightsError: If a value is wrong, or the vectors would have another length than the card says.
    """
    with refusing(files.model, files.config_path):
        sides = {side: network_values(files.config.get(side, {}), IMAGE) for side in ("vision_config", "text_config")}
        vision, text = sides["vision_config"], sides["text_config"]
        if not vision.get("vision_use_head", True):
            raise ValueError("its picture side has no head, so pictures and text cannot be compared")
        if text.get("projection_size", IMAGE.dimension) != IMAGE.dimension:
            raise ValueError("its text side and its picture side give vectors of different lengths")
    size_px = vision.get("image_size", _DEFAULT_SIZE_PX)
    with refusing(files.model, files.preprocessor_path):
        processor = read_processor(files.preprocessor, _DEFAULTS, size_px=size_px)
    return SiglipValues(
        values=sides,
        processor=processor,
        size_px=size_px,
        n_tokens=text.get("max_position_embeddings", _DEFAULT_TOKENS),
        vocabulary=text.get("vocab_size", _DEFAULT_VOCABULARY),
    )


def build_graph(files: HubFiles, known: SiglipValues, sentences: Sequence[Sequence[str]], path: Path) -> None:
    """Writes the ONNX graph; sentences are read once here and stay in it as numbers.

    Input `frames`: uint8 RGB, shape (n, size, size, 3). Outputs: `embeddings` (n, 768); `places` (n, p), the cosine
    between picture and sentences times the network's own scale, less its mean over places; `shares` (n, p), their
    softmax.

    Args:
        files: From the hub.
        known: From `read_values`.
        sentences: What describes each place; their directions are averaged.
        path: The .onnx file.

    Raises:
        WeightsError: If the files are not those of a SigLIP network.
    """
    check_transformers(files)
    tokens = [_tokens(files, known, some) for some in sentences]
    model = load_pretrained(files, class_name="SiglipModel", config_name="SiglipConfig", values=known.values)
    import torch
    from torch.nn.functional import normalize

    flat = torch.tensor([row for rows in tokens for row in rows])
    with torch.inference_mode():
        read = torch.cat([model.get_text_features(some).pooler_output for some in torch.split(flat, _TEXTS_AT_ONCE)])
        # (p, sentences, d) to one direction for each place
        of_places = torch.split(normalize(read, dim=1), [len(rows) for rows in tokens])
        directions = torch.stack([part.mean(0) for part in of_places])
        to_places = normalize(directions, dim=1).T * model.logit_scale.exp()

    def see(siglip: Any, frames: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pixels = standardise(frames, known.processor)
        embeddings = siglip.vision_model(pixel_values=pixels).pooler_output
        places = normalize(embeddings, dim=1) @ to_places
        return embeddings, places - places.mean(1, keepdim=True), places.softmax(1)

    shape = (2, known.size_px, known.size_px, 3)
    export_graph(
        model,
        see,
        path,
        input_name="frames",
        example=torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
        output_names=("embeddings", "places", "shares"),
    )


def _tokens(files: HubFiles, known: SiglipValues, sentences: Sequence[str]) -> list[list[int]]:
    """Token numbers of sentences, each filled up with the end token to the network's length."""
    from tokenizers import Tokenizer

    assert files.tokenizer is not None
    try:
        if files.tokenizer.stat().st_size > _MAX_TOKENIZER_BYTES:
            raise ValueError(f"it is larger than {_MAX_TOKENIZER_BYTES} bytes")
        tokenizer = Tokenizer.from_str(files.tokenizer.read_text(encoding="utf-8"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        rows = [tokenizer.encode(sentence).ids[: known.n_tokens] for sentence in sentences]
        end = tokenizer.token_to_id(_END)
        if end is None:
            raise ValueError(f"it does not know {_END}")
        if max(end, *(max(row, default=0) for row in rows)) >= known.vocabulary:
            raise ValueError(f"it knows more tokens than the network's {known.vocabulary}")
    except Exception as error:  # the library raises plain Exception
        raise refused(files.model, files.tokenizer, error) from error
    return [row + [end] * (known.n_tokens - len(row)) for row in rows]
