"""Contrast in which trailers attract each other as far as their genres agree."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegrain.errors import ShapeError
from cinegrain.losses.nt_xent import pair_logits


def jaccard(labels: Tensor) -> Tensor:
    """Genres in common over genres of either, for all pairs of trailers.

    Args:
        labels: Shape (n, g), 0 or 1.

    Returns:
        Shape (n, n), 0 to 1; 0 between trailers without any genre.
    """
    labels = labels.to(torch.float32)
    common = labels @ labels.T
    sizes = labels.sum(dim=1)
    either = sizes[:, None] + sizes[None, :] - common
    return common / either.clamp(min=1)


def weighted_contrast(
    z_a: Tensor, z_b: Tensor, weights: Tensor, *, temperature: float, kin: Tensor | None = None
) -> Tensor:
    """NT-Xent whose target is shared out over all trailers by weight; a trailer's own other view has weight 1.

        loss_i = - sum_j t_ij log softmax_j(s_ij / temperature),   t_ij = w_ij / sum_j w_ij

    Args:
        z_a: First view, shape (n, d), n >= 2.
        z_b: Second view, same shape and dtype.
        weights: Shape (n, n), 0 to 1, from `jaccard` or `soft_weights`; its diagonal does not matter. All 0 elsewhere
            gives NT-Xent.
        temperature: Divides the cosine similarities; > 0.
        kin: As in `nt_xent`: such pairs neither attract nor push.

    Returns:
        Mean loss in nats, scalar.

    Raises:
        ShapeError: If the shapes do not fit or n < 2.

    Source: Touvron et al. 2021 (Grafit), arXiv:2011.12982, and Feng and Patras 2023 (MaskCon), eq. 4, with sets of
        genres instead of one coarse class.
    """
    logits = pair_logits(z_a, z_b, temperature=temperature, kin=kin)
    n = len(z_a)
    if weights.shape != (n, n):
        raise ShapeError(f"weights must have shape ({n}, {n}); found {tuple(weights.shape)}.")
    own = torch.eye(n, dtype=torch.bool, device=weights.device)
    among = weights.to(logits.dtype).masked_fill(own, 0.0)
    target = torch.cat([torch.cat([among, among + own], dim=1), torch.cat([among + own, among], dim=1)])
    target = target.masked_fill(logits.isinf(), 0.0)
    target = target / target.sum(dim=1, keepdim=True)
    log_p = F.log_softmax(logits, dim=1).masked_fill(logits.isinf(), 0.0)
    return -(target * log_p).sum(dim=1).mean()


def soft_weights(z: Tensor, agreement: Tensor, *, temperature: float, share: float) -> Tensor:
    """MaskCon's weights: how alike two trailers are already, masked by how far their genres agree.

        w_ij = share * m_ij / max_j m_ij,   m_ij = agreement_ij exp(s_ij / temperature),  j != i

    Args:
        z: Where trailers lie, shape (n, d); no gradient goes through it.
        agreement: Shape (n, n), from `jaccard`.
        temperature: Of the similarities; small trusts only the nearest. > 0.
        share: 0..1; 0 gives NT-Xent, 1 makes the likeliest sibling as positive as the trailer's own other view.

    Returns:
        Shape (n, n), diagonal 0; a row without any agreement is 0.

    Source: Feng and Patras 2023, MaskCon: Masked Contrastive Learning for Coarse-Labelled Dataset, eq. 6 and 7.
    """
    unit = F.normalize(z.detach(), dim=1)
    similarity = unit @ unit.T / temperature
    similarity = similarity - similarity.amax(dim=1, keepdim=True)
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    masked = (agreement.to(z.dtype) * similarity.exp()).masked_fill(own, 0.0)
    most = masked.amax(dim=1, keepdim=True)
    return share * masked / torch.where(most > 0, most, torch.ones_like(most))
