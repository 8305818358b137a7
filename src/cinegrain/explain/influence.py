"""How much each mode counts for a genre: Shapley values of the logits over all coalitions of experts."""

from dataclasses import dataclass

import numpy as np
import torch

from cinegrain.explain.shapley import coalition_masks, shapley_values
from cinegrain.models.batch import SceneBatch
from cinegrain.models.genre_model import GenreModel
from cinegrain.types import Bool, Float64


@dataclass(frozen=True, eq=False)
class Influence:
    """Influence of e modes on g genres for n trailers.

    Attributes:
        values: Shape (n, e, g), in logits; over modes they add up to `full - empty`. Exactly 0 for a mode that
            the trailer lacks.
        full: Logits with all modes there are, shape (n, g).
        empty: Logits without any, shape (g,).
    """

    values: Float64
    full: Float64
    empty: Float64


@torch.inference_mode()
def mode_influence(model: GenreModel, batch: SceneBatch) -> Influence:
    """Exact Shapley values; all coalitions run in one pass through the mask.

    Args:
        model: A trained network.
        batch: n trailers.
    """
    model.eval()
    pooled = model.pool(batch)
    present = batch.present(model.spec.experts)  # (n, e)
    n, e = present.shape
    coalitions = torch.from_numpy(coalition_masks(e))  # (c, e)
    masks = (present[None] & coalitions[:, None]).reshape(-1, e)  # (c * n, e)
    tiled = {name: x.repeat(len(coalitions), 1) for name, x in pooled.items()}
    logits = model.classify(model.encode_pooled(tiled, masks))
    values = logits.reshape(len(coalitions), n, -1).double().numpy()  # (c, n, g)
    phi = shapley_values(values)  # (e, n, g)
    return Influence(np.moveaxis(phi, 0, 1), values[-1], values[0, 0] if n else np.zeros(values.shape[2]))


def influence_by_genre(influence: Influence, labels: Bool) -> Float64:
    """Mean influence of each mode on a genre over the films that have it.

    Args:
        influence: Of n trailers.
        labels: Shape (n, g).

    Returns:
        Shape (e, g), logits; 0 for a genre that none of the films has.
    """
    counts = labels.sum(axis=0)
    sums = np.einsum("neg,ng->eg", influence.values, labels.astype(np.float64))
    return np.asarray(sums / np.maximum(counts, 1))
