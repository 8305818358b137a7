"""Inference in batches."""

import numpy as np
import torch
from torch import Tensor

from cinegrain.models.genre_model import GenreModel
from cinegrain.training.arrays import TrailerArrays
from cinegrain.types import Float64, Int64

BATCH = 256
"""Films per batch."""


def pool_films(model: GenreModel, arrays: TrailerArrays, trailers: Int64) -> tuple[dict[str, Tensor], Tensor]:
    """Input of `GenreModel.encode_pooled`: standardised scene means (n, d_e) by expert, and a mask (n, e)."""
    names = model.spec.experts
    means, present = arrays.mean_batch(trailers)
    columns = [list(means).index(name) for name in names]
    return {name: model.standardise(name, means[name]) for name in names}, present[:, columns]


@torch.inference_mode()
def encode_all(model: GenreModel, arrays: TrailerArrays, trailers: Int64) -> Tensor:
    """Encodings of the given trailers, shape (n, e, d)."""
    model.eval()
    parts = [
        model.encode_pooled(*pool_films(model, arrays, trailers[i : i + BATCH])) for i in range(0, len(trailers), BATCH)
    ]
    return torch.cat(parts)


@torch.inference_mode()
def predict_genres(model: GenreModel, arrays: TrailerArrays, trailers: Int64) -> Float64:
    """Uncalibrated genre probabilities of the given trailers, shape (n, g)."""
    model.eval()
    parts = [model.logits(*pool_films(model, arrays, trailers[i : i + BATCH])) for i in range(0, len(trailers), BATCH)]
    logits = torch.cat(parts) if parts else torch.zeros(0, len(model.spec.genres))
    return np.asarray(torch.sigmoid(logits).numpy(), dtype=np.float64)
