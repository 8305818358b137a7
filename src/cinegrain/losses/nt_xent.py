"""Instance contrast between two views."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegrain.errors import ShapeError


def nt_xent(z_a: Tensor, z_b: Tensor, *, temperature: float) -> Tensor:
    """Contrastive loss between two views of each trailer.

    Row i of both views is a positive pair; all other rows are negatives. Rows are scaled to unit length here.

    Args:
        z_a: First view, shape (n, d), n >= 2.
        z_b: Second view, same shape and dtype.
        temperature: Divides the cosine similarities; > 0.

    Returns:
        Mean loss in nats, scalar; log(2n - 1) when all rows are equal.

    Raises:
        ShapeError: If the shapes differ or n < 2.

    Source: Chen et al. 2020 (SimCLR), arXiv:2002.05709, eq. 1.
    """
    if z_a.shape != z_b.shape or z_a.ndim != 2 or len(z_a) < 2:
        raise ShapeError(f"Two views of shape (n, d) with n >= 2 are needed; found {z_a.shape} and {z_b.shape}.")
    n = len(z_a)
    z = F.normalize(torch.cat([z_a, z_b]), dim=1)  # (2n, d)
    similarity = z @ z.T / temperature
    similarity.fill_diagonal_(float("-inf"))
    partner = torch.arange(2 * n, device=z.device).roll(n)
    return F.cross_entropy(similarity, partner)
