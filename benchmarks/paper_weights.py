"""Random checkpoints of the paper's networks in their published format, for measuring without the published files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tests.experts import published
from tests.experts.published import Weights

from cinegrain.experts import class_names, resnet50, vggish, video_resnet
from cinegrain.experts.weights import fetch
from cinegrain.types import CLIP_FRAMES
from cinegrain.urls import cache_folder

_PICTURE, _CLIP, _PATCH = (1, 224, 224, 3), (1, CLIP_FRAMES, 112, 112, 3), (1, 1, 96, 64)
_NETWORKS = (
    (resnet50.IMAGE.card, published.resnet50(1000), _PICTURE, published.save_plain),
    (resnet50.LOCATION.card, published.resnet50(365), _PICTURE, published.save_places),
    (video_resnet.R2PLUS1D.card, published.r2plus1d_18, _CLIP, published.save_plain),
    (vggish.CARD, published.vggish, _PATCH, published.save_plain),
)


def write_checkpoints(folder: Path, experts: Sequence[str]) -> dict[str, Weights]:
    """Fills a folder as a user would who fetched the published files; gives the state dicts by expert."""
    made = {}
    rng = np.random.default_rng(0)
    for seed, (card, network, shape, save) in enumerate(_NETWORKS):
        if card.name not in experts:
            continue
        w = Weights(seed, counters=False)
        x = torch.from_numpy(rng.integers(0, 256, shape, np.uint8))
        with torch.inference_mode():
            network(w, x.float() if card.needs == "sound" else x)
        # The test's tensors are overlapping views of few numbers, which would spare the eager network memory traffic.
        w.state = {name: tensor.clone() for name, tensor in w.state.items()}
        save(w.state, folder / card.weights[0].published_name)
        made[card.name] = w
    for list_of_words in (class_names.SYNSETS, class_names.LEMMAS, class_names.TORCHVISION_META):
        shutil.copy(fetch(list_of_words, cache_folder()), folder / list_of_words.published_name)
    lines = [f"/p/place_{i} {i}\n" for i in range(365)]
    (folder / class_names.PLACES_CATEGORIES.published_name).write_text("".join(lines))
    return made
