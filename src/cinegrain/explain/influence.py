"""Influence of experts on genres: Shapley values of the logits over all coalitions of experts."""

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
        values: In logits, shape (n, e, g); their sum over experts is `full - empty`. Exactly 0 where absent.
        full: Logits with all present experts, shape (n, g).
        empty: Logits without experts, shape (g,).
    """

    values: Float64
    full: Float64
    empty: Float64


@torch.inference_mode()
def expert_influence(model: GenreModel, batch: SceneBatch) -> Influence:
    """Exact Shapley values of n trailers; all coalitions are masks in one forward pass."""
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
    # Matrix products round a row differently by its position, which would give absent experts about 1e-9.
    phi = np.where(present.T[..., None].numpy(), phi, 0.0)
    return Influence(np.moveaxis(phi, 0, 1), values[-1], values[0, 0] if n else np.zeros(values.shape[2]))


@dataclass(frozen=True, eq=False)
class DiscriminativeInfluence:
    """Difference of mean influence between films with and without a genre, in logits, with 95 % intervals.

    Shape (e, g); NaN for a genre that all or no films have.
    """

    values: Float64
    low: Float64
    high: Float64


def discriminative_influence(
    influence: Influence, labels: Bool, *, n_bootstrap: int = 1000, seed: int = 0
) -> DiscriminativeInfluence:
    """Mean influence of each expert on films with a genre minus that on films without it.

    An expert that moves all films by the same amount gets 0.

    Args:
        influence: Influence for n trailers.
        labels: Shape (n, g).
        n_bootstrap: Number of resamples of films.
        seed: Random seed.
    """
    n = len(labels)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_bootstrap)
    weights = np.concatenate([np.ones((1, n)), counts])  # all films, then the resamples; (1 + b, n)

    def mean(films: Bool) -> Float64:
        total = np.einsum("bn,neg,ng->beg", weights, influence.values, films.astype(np.float64), optimize=True)
        return np.asarray(total / (weights @ films)[:, None])

    with np.errstate(invalid="ignore", divide="ignore"):
        difference = mean(labels) - mean(~labels)
    some = labels.any(axis=0) & ~labels.all(axis=0)
    low, high = np.full(difference.shape[1:], np.nan), np.full(difference.shape[1:], np.nan)
    if some.any():
        low[:, some], high[:, some] = np.nanpercentile(difference[1:][..., some], [2.5, 97.5], axis=0)
    return DiscriminativeInfluence(difference[0], low, high)


def influence_by_genre(influence: Influence, labels: Bool) -> Float64:
    """Mean influence of each expert on a genre over the films with it, in logits, shape (e, g); 0 without any.

    Args:
        influence: Influence for n trailers.
        labels: Shape (n, g).
    """
    counts = labels.sum(axis=0)
    sums = np.einsum("neg,ng->eg", influence.values, labels.astype(np.float64))
    return np.asarray(sums / np.maximum(counts, 1))
