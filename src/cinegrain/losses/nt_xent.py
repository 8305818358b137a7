"""Instance contrast between two views."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegrain.errors import ShapeError


def nt_xent(z_a: Tensor, z_b: Tensor, *, temperature: float, related: Tensor | None = None) -> Tensor:
    """Contrastive loss between two views of each trailer.

    Row i of both views is a positive pair; all other rows are negatives, but for related
    trailers, which count as nothing. Rows are scaled to unit length here.

    Args:
        z_a: First view, shape (n, d), n >= 2.
        z_b: Second view, same shape and dtype.
        temperature: Divides the cosine similarities; > 0.
        related: Shape (n, n), symmetric, True where two trailers must not push each other away (one franchise,
            near-duplicates); the diagonal does not matter.

    Returns:
        Mean loss in nats, scalar; log(2n - 1) when all rows are equal and none are related.

    Raises:
        ShapeError: If the shapes do not fit or n < 2.

    Source: Chen et al. 2020 (SimCLR), arXiv:2002.05709, eq. 1.
    """
    logits = pair_logits(z_a, z_b, temperature=temperature, related=related)
    partner = torch.arange(len(logits), device=logits.device).roll(len(z_a))
    return F.cross_entropy(logits, partner)


def pair_logits(z_a: Tensor, z_b: Tensor, *, temperature: float, related: Tensor | None) -> Tensor:
    """Cosine similarities of all views over the temperature, shape (2n, 2n); see `nt_xent` for the arguments.

    -inf stands where a row meets itself and where it meets a view of a related trailer.
    """
    n = len(z_a)
    if z_a.shape != z_b.shape or z_a.ndim != 2 or n < 2 or (related is not None and related.shape != (n, n)):
        mask = "" if related is None else f" with related {tuple(related.shape)}"
        raise ShapeError(
            f"Two views of shape (n, d) with n >= 2 and related of (n, n) are needed; found {tuple(z_a.shape)} and "
            f"{tuple(z_b.shape)}{mask}."
        )
    z = F.normalize(torch.cat([z_a, z_b]), dim=1)  # (2n, d)
    logits = z @ z.T / temperature
    if related is not None:
        others = related & ~torch.eye(n, dtype=torch.bool, device=related.device)
        logits = logits.masked_fill(others.repeat(2, 2), float("-inf"))
    return logits.fill_diagonal_(float("-inf"))
