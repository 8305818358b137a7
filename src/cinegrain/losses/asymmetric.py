"""Asymmetric loss: easy negatives, of which multi-label data are full, count little."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegrain.errors import ShapeError


def asymmetric_loss(
    logits: Tensor, targets: Tensor, *, gamma_positive: float = 0.0, gamma_negative: float = 4.0, margin: float = 0.05
) -> Tensor:
    """Focal loss with different focus on positives and negatives, and a margin under which negatives cost nothing.

        L = -t (1 - p)^gamma_positive log p - (1 - t) q^gamma_negative log(1 - q),   q = max(p - margin, 0)

    Args:
        logits: Shape (..., g).
        targets: Same shape, 0 to 1.
        gamma_positive: Focus on hard positives; 0 is plain cross-entropy.
        gamma_negative: Focus on hard negatives.
        margin: Probability that is taken off negatives.

    Returns:
        Mean over all entries, nats, scalar; equal to binary cross-entropy when both gammas and the margin are 0.

    Raises:
        ShapeError: If the shapes differ.

    Source: Ridnik et al. 2021, Asymmetric Loss for Multi-Label Classification, arXiv:2009.14119, eq. 7.
    """
    if logits.shape != targets.shape:
        raise ShapeError(f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} must have one shape.")
    p = torch.sigmoid(logits)
    positive = (1 - p) ** gamma_positive * F.logsigmoid(logits)
    if margin > 0:
        shifted = (p - margin).clamp(min=0)
        log_rest = torch.log1p(-shifted)
    else:
        shifted, log_rest = p, F.logsigmoid(-logits)
    negative = shifted**gamma_negative * log_rest
    return -(targets * positive + (1 - targets) * negative).mean()
