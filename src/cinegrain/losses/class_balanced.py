"""Class-balanced binary cross-entropy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegrain.errors import ShapeError


def class_balance(counts: Tensor, *, beta: float = 0.99) -> Tensor:
    """Weight of each genre by the inverse of its effective number of films.

        w_g = (1 - beta) / (1 - beta ** n_g), scaled to a mean of 1

    Args:
        counts: Positive films of each genre, shape (g,); 0 is treated as 1.
        beta: 0 gives equal weights; towards 1 the weights approach 1 / n_g.

    Returns:
        Shape (g,).

    Source: Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, arXiv:1901.05555, eq. 2 and 3.
    """
    weights = (1 - beta) / (1 - beta ** counts.clamp(min=1).to(torch.float64))
    return (weights / weights.mean()).to(torch.float32)


def class_balanced_bce(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy with weighted positives.

    Args:
        logits: Shape (..., g).
        targets: Same shape, 0 to 1.
        weights: Weights of positives, shape (g,), from `class_balance`. Negatives have weight 1: genres do not compete,
            so weighting both would only change a genre's learning rate.

    Returns:
        Mean loss in nats, scalar.

    Raises:
        ShapeError: If the shapes do not agree.
    """
    if logits.shape != targets.shape or weights.shape != logits.shape[-1:]:
        raise ShapeError(
            f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} must have the same shape, "
            f"and its last dimension must match weights {tuple(weights.shape)}."
        )
    return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)
