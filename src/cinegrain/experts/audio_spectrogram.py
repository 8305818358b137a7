"""AST, the Audio Spectrogram Transformer on AudioSet: what is heard, in 527 words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.experts.base import ExpertCard, Family, Network, described_scenes
from cinegrain.experts.graph import open_graph, run_batched
from cinegrain.experts.hub import (
    HubFiles,
    HubModel,
    fetch_model,
    network_values,
    refusing,
    words_of,
)
from cinegrain.experts.log_mel import kaldi_fbank, n_samples
from cinegrain.experts.pretrained import export_graph, load_pretrained
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.weights import WeightFile
from cinegrain.types import SOUND_RATE_HZ, Float32, Scene, SceneEmbedding

_BATCH = 2
_REPOSITORY = "MIT/ast-finetuned-audioset-10-10-0.4593"
_SOURCE = f"hf:{_REPOSITORY}@f826b80d28226b62986cc218e5cec390b1096902#"
_LICENCE = "BSD-3-Clause"
_DEFAULTS: Mapping[str, Any] = {
    "sampling_rate": SOUND_RATE_HZ,
    "num_mel_bins": 128,
    "max_length": 1024,
    "mean": -4.2677393,
    "std": 4.5689974,
}

MODEL = HubModel(
    repository=_REPOSITORY,
    model_type="audio-spectrogram-transformer",
    weights=WeightFile(f"{_SOURCE}model.safetensors", "ae0c1e2ad4e1", 400_000_000, _LICENCE),
    config=WeightFile(f"{_SOURCE}config.json", "", 100_000, _LICENCE),
    preprocessor=WeightFile(f"{_SOURCE}preprocessor_config.json", "", 20_000, _LICENCE),
)
CARD = ExpertCard(
    name="audio_ast",
    modality="audio",
    dimension=768,
    needs="sound",
    description="Speech, music, effects and ambience: the features of the Audio Spectrogram Transformer on AudioSet.",
    concepts="527 AudioSet words",
    weights=MODEL.files,
    licence=_LICENCE,
    citation="Gong et al. 2021, arXiv:2104.01778 (AST); Gemmeke et al. 2017, AudioSet",
)


@dataclass(frozen=True)
class LogMelProcessor:
    """How sound becomes the picture that the network sees.

    Attributes:
        n_frames: Length of the picture, 10 ms each.
        n_bands: Its height.
        mean: Taken away from every value,
        deviation: which is then divided by twice this.
    """

    n_frames: int
    n_bands: int
    mean: float
    deviation: float

    def prepare(self, sound: Float32) -> Float32:
        """Pictures of consecutive stretches of sound, equally long and as few as will do; the rest is zeros.

        Args:
            sound: Mono at 16 kHz, -1..1, shape (n,), n >= 1.

        Returns:
            Shape (p, n_frames, n_bands).
        """
        n_stretches = -(-len(sound) // n_samples(self.n_frames))
        pictures = np.zeros((n_stretches, self.n_frames, self.n_bands), np.float32)
        for picture, stretch in zip(pictures, np.array_split(sound, n_stretches), strict=True):
            log_mel = kaldi_fbank(stretch, n_bands=self.n_bands)
            picture[: len(log_mel)] = log_mel
        return (pictures - np.float32(self.mean)) / np.float32(2 * self.deviation)


@dataclass(frozen=True)
class AudioSpectrogramValues:
    """What is known of a network before any library is loaded."""

    values: Mapping[str, Any]
    words: tuple[str, ...]
    processor: LogMelProcessor


class AudioSpectrogram(Network):
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
        )

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """The mean over a scene's stretches, and for each word its best stretch; None for a scene without sound."""
        pictures = [self._processor.prepare(s.sound) if s.sound is not None and len(s.sound) else None for s in scenes]
        counts = [0 if picture is None else len(picture) for picture in pictures]
        if not sum(counts):
            return {CARD.name: [None] * len(scenes)}
        inputs = np.concatenate([picture for picture in pictures if picture is not None])
        features, scores = run_batched(self._session, "log_mel", inputs, batch=_BATCH)
        return {CARD.name: described_scenes(features, scores, counts, self.words, best=True)}


FAMILY = Family((CARD,), AudioSpectrogram)


def read_values(files: HubFiles) -> AudioSpectrogramValues:
    """The two JSON files, checked.

    Raises:
        WeightsError: If a value is wrong, or pictures or vectors would have another size than promised.
    """
    words = words_of(files)
    with refusing(files.model, files.config_path):
        values = network_values(files.config, CARD)
    with refusing(files.model, files.preprocessor_path):
        processor = _read_processor({**_DEFAULTS, **files.preprocessor}, values)
    return AudioSpectrogramValues(values | {"id2label": dict(enumerate(words))}, words, processor)


def _read_processor(asked: Mapping[str, Any], values: Mapping[str, Any]) -> LogMelProcessor:
    wanted = {"sampling_rate": SOUND_RATE_HZ}
    wanted |= {name: values.get(name, _DEFAULTS[name]) for name in ("max_length", "num_mel_bins")}
    for name, value in wanted.items():
        if asked[name] != value:
            raise ValueError(f"{name} is {asked[name]!r}, but the network takes {value}")
    standardise = asked.get("do_normalize", True)
    return LogMelProcessor(
        n_frames=wanted["max_length"],
        n_bands=wanted["num_mel_bins"],
        mean=float(asked["mean"]) if standardise else 0.0,
        deviation=float(asked["std"]) if standardise else 0.5,
    )


def build_graph(files: HubFiles, known: AudioSpectrogramValues, path: Path) -> None:
    """Writes the ONNX graph: `log_mel` (n, frames, bands) to `features` (n, 768) and `scores` (n, words), 0..1.

    Raises:
        WeightsError: If the weights are not those of the network that config.json describes.
    """
    model = load_pretrained(files, class_name="ASTForAudioClassification", config_name="ASTConfig", values=known.values)
    import torch

    def hear(ast: Any, log_mel: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = ast.audio_spectrogram_transformer(log_mel).pooler_output
        return features, ast.classifier(features).sigmoid()

    shape = (2, known.processor.n_frames, known.processor.n_bands)
    export_graph(
        model,
        hear,
        path,
        input_name="log_mel",
        example=torch.randn(shape, generator=torch.Generator().manual_seed(0)),
        output_names=("features", "scores"),
    )
