"""NT-Xent, the contrastive loss of SimCLR."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegrain.errors import ShapeError


def nt_xent(z_a: Tensor, z_b: Tensor, *, temperature: float, related: Tensor | None = None) -> Tensor:
    """Contrastive loss between two views of each trailer.

    Row i of both views is a positive pair; all other rows are negatives, except related trailers, which are ignored.
    Rows are L2-normalised here.

    Args:
        z_a: First view, shape (n, d), n >= 2.
        z_b: Second view, same shape and dtype.
        temperature: Divides the cosine similarities; > 0.
        related: Shape (n, n), symmetric, True where two trailers are no negatives of each other; the diagonal is
            ignored.

    Returns:
        Mean loss in nats, scalar; log(2n - 1) when all rows are equal and none are related.

    Raises:
        ShapeError: If the shapes differ or n < 2.

    Source: Chen et al. 2020 (SimCLR), arXiv:2002.05709, eq. 1.
    """
    logits = pair_logits(z_a, z_b, temperature=temperature, related=related)
    partner = torch.arange(len(logits), device=logits.device).roll(len(z_a))
    return F.cross_entropy(logits, partner)


def pair_logits(z_a: Tensor, z_b: Tensor, *, temperature: float, related: Tensor | None) -> Tensor:
    """Cosine similarities of all views divided by the temperature, shape (2n, 2n); -inf for ignored pairs."""
    n = len(z_a)
    if z_a.shape != z_b.shape or z_a.ndim != 2 or n < 2 or (related is not None and related.shape != (n, n)):
        mask = "" if related is None else f" with related {tuple(related.shape)}"
        raise ShapeError(
            f"Expected two views of shape (n, d), n >= 2, and related of shape (n, n); found {tuple(z_a.shape)} and "
            f"{tuple(z_b.shape)}{mask}."
        )
    z = F.normalize(torch.cat([z_a, z_b]), dim=1)  # (2n, d)
    logits = z @ z.T / temperature
    if related is not None:
        others = related & ~torch.eye(n, dtype=torch.bool, device=related.device)
        logits = logits.masked_fill(others.repeat(2, 2), float("-inf"))
    return logits.fill_diagonal_(float("-inf"))
