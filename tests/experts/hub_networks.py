"""Tiny random networks, saved in folders as the hub publishes them."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

from cinegrain.experts.place_names import PLACES, prompts

SIZE_PX = 64
ACTIONS = ("abseiling", "baking cookies", "zumba")
SOUNDS = ("Speech", "Music", "Gunshot, gunfire", "Wind", "Siren")
SMALL: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 1,
    "num_attention_heads": 12,
    "intermediate_size": 64,
}


def lively(model: Any, seed: int) -> Any:
    """Random weights so large that answers depend on what is shown."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 1.5 / parameter[0].numel() ** 0.5, generator=random)
    return model.eval()


def save_siglip(folder: Path) -> None:
    config = transformers.SiglipConfig(
        vision_config={**SMALL, "image_size": SIZE_PX, "patch_size": 16},
        text_config={**SMALL, "vocab_size": 300, "max_position_embeddings": 24},
    )
    model = lively(transformers.SiglipModel(config), 0)
    model.logit_scale.data.fill_(3.0)
    model.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": SIZE_PX, "width": SIZE_PX}).save_pretrained(folder)
    words = sorted({word for place in PLACES for sentence in prompts(place) for word in sentence.split()})
    vocabulary = {word: i for i, word in enumerate(["<unk>", "</s>", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


def save_videomae(folder: Path) -> None:
    labels = dict(enumerate(ACTIONS))
    config = transformers.VideoMAEConfig(**SMALL, image_size=SIZE_PX, patch_size=16, id2label=labels)
    lively(transformers.VideoMAEForVideoClassification(config), 1).save_pretrained(folder)
    crop = {"height": SIZE_PX, "width": SIZE_PX}
    VideoMAEImageProcessorPil(size={"shortest_edge": SIZE_PX}, crop_size=crop).save_pretrained(folder)


def save_ast(folder: Path) -> None:
    config = transformers.ASTConfig(
        **SMALL, max_length=128, frequency_stride=16, time_stride=16, id2label=dict(enumerate(SOUNDS))
    )
    lively(transformers.ASTForAudioClassification(config), 2).save_pretrained(folder)
    transformers.ASTFeatureExtractor(max_length=128).save_pretrained(folder)
