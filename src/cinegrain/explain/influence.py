"""How much each expert counts for a genre: Shapley values of the logits over all coalitions of experts."""

from dataclasses import dataclass

import numpy as np
import torch

from cinegrain.explain.shapley import coalition_masks, shapley_values
from cinegrain.models.batch import SceneBatch
from cinegrain.models.genre_model import GenreModel
from cinegrain.types import Bool, Float64


@dataclass(frozen=True, eq=False)
class Influence:
    """Influence of e experts on g genres for n trailers.

    Attributes:
        values: Shape (n, e, g), in logits; over experts they add up to `full - empty`. Exactly 0 for an expert that
            has nothing of the trailer.
        full: Logits with all experts there are, shape (n, g).
        empty: Logits without any, shape (g,).
    """

    values: Float64
    full: Float64
    empty: Float64


@torch.inference_mode()
def expert_influence(model: GenreModel, batch: SceneBatch) -> Influence:
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
    logits = model.logits(tiled, masks)
    values = logits.reshape(len(coalitions), n, -1).double().numpy()  # (c, n, g)
    phi = shapley_values(values)  # (e, n, g)
    # A product of matrices may round a row differently in another place, so that an expert without a say gets 1e-9.
    phi = np.where(present.T[..., None].numpy(), phi, 0.0)
    return Influence(np.moveaxis(phi, 0, 1), values[-1], values[0, 0] if n else np.zeros(values.shape[2]))


@dataclass(frozen=True, eq=False)
class TellingInfluence:
    """How far each expert moves films of a genre above other films, logits, shape (e, g); with 95 % intervals.

    NaN for a genre that all or none of the films have.
    """

    values: Float64
    low: Float64
    high: Float64


def telling_influence(
    influence: Influence, labels: Bool, *, n_bootstrap: int = 1000, seed: int = 0
) -> TellingInfluence:
    """Mean influence of each expert on films that have a genre, less that on films that have it not.

    An expert that says nothing of a genre may still move all films alike; here it gets 0.

    Args:
        influence: Of n trailers.
        labels: Shape (n, g).
        n_bootstrap: Resamples of films.
        seed: Of the resampling.
    """
    n = len(labels)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_bootstrap)
    drawn = np.concatenate([np.ones((1, n)), counts])  # the films themselves, then the resamples; (1 + b, n)
    has, lacks = labels.astype(np.float64), (~labels).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_with = np.einsum("bn,neg,ng->beg", drawn, influence.values, has, optimize=True) / (drawn @ has)[:, None]
        mean_without = (
            np.einsum("bn,neg,ng->beg", drawn, influence.values, lacks, optimize=True) / (drawn @ lacks)[:, None]
        )
    found = mean_with - mean_without
    some = labels.any(axis=0) & ~labels.all(axis=0)
    low, high = np.full(found.shape[1:], np.nan), np.full(found.shape[1:], np.nan)
    if some.any():
        low[:, some], high[:, some] = np.nanpercentile(found[1:][..., some], [2.5, 97.5], axis=0)
    return TellingInfluence(found[0], low, high)


def influence_by_genre(influence: Influence, labels: Bool) -> Float64:
    """Mean influence of each expert on a genre over the films that have it.

    Args:
        influence: Of n trailers.
        labels: Shape (n, g).

    Returns:
        Shape (e, g), logits; 0 for a genre that none of the films has.
    """
    counts = labels.sum(axis=0)
    sums = np.einsum("neg,ng->eg", influence.values, labels.astype(np.float64))
    return np.asarray(sums / np.maximum(counts, 1))
