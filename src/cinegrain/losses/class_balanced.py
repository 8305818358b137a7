"""Class-balanced cross-entropy: rare genres count more."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegrain.errors import ShapeError


def class_balance(counts: Tensor, *, beta: float = 0.99) -> Tensor:
    """Weight of each genre by its effective number of films.

        w_g = (1 - beta) / (1 - beta ** n_g), scaled to a mean of 1

    Args:
        counts: Positive films of each genre, shape (g,); a genre without any counts like one with one.
        beta: 0 weighs all alike; towards 1 the weights go towards 1 / n_g.

    Returns:
        Shape (g,).

    Source: Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, arXiv:1901.05555, eq. 2 and 3.
    """
    weights = (1 - beta) / (1 - beta ** counts.clamp(min=1).to(torch.float64))
    return (weights / weights.mean()).to(torch.float32)


def class_balanced_bce(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy with each genre's positives weighed.

    Args:
        logits: Shape (..., g).
        targets: Same shape, 0 to 1.
        weights: Of positives, shape (g,), from `class_balance`. Negatives weigh 1: weighing a genre's both sides
            alike would only change its learning rate, since no genre competes with another here.

    Returns:
        Mean over all entries, nats, scalar.

    Raises:
        ShapeError: If the shapes do not fit.
    """
    if logits.shape != targets.shape or weights.shape != logits.shape[-1:]:
        raise ShapeError(
            f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} must have one shape that ends in "
            f"the weights' {tuple(weights.shape)}."
        )
    return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)
