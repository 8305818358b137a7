"""Choice of the linear classifier's weight on validation films."""

import numpy as np
import torch

from cinegrain.models.genre_model import GenreModel
from cinegrain.training.arrays import TrailerArrays
from cinegrain.training.infer import pool_films
from cinegrain.types import Bool, Float64, Int64

WEIGHTS = tuple(i / 10 for i in range(1, 10))
_BATCH = 256


@torch.inference_mode()
def weight_losses(model: GenreModel, arrays: TrailerArrays, labels: Bool, films: Int64) -> Float64:
    """Mean log loss at each of WEIGHTS, shape (len(WEIGHTS),).

    Args:
        model: Trained network with a linear classifier.
        arrays: Vectors of n films.
        labels: Genres, shape (n, g).
        films: Rows of films that the network was not trained on.
    """
    model.eval()
    total = np.zeros(len(WEIGHTS))
    for start in range(0, len(films), _BATCH):
        rows = films[start : start + _BATCH]
        logits = model.separate_logits(*pool_films(model, arrays, rows)).double().numpy()
        gated, linear = logits[:-1].mean(axis=0), logits[-1]  # (b, g)
        for i, weight in enumerate(WEIGHTS):
            mixed = (1 - weight) * gated + weight * linear
            total[i] += (np.logaddexp(0, mixed) - mixed * labels[rows]).sum()
    return total / max(1, labels[films].size)


def choose_weight(model: GenreModel, arrays: TrailerArrays, labels: Bool, films: Int64) -> float:
    """The weight with the lowest log loss, which is less noisy than mAP; arguments as in `weight_losses`."""
    return WEIGHTS[int(np.argmin(weight_losses(model, arrays, labels, films)))]
