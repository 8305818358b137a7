"""From scenes to one vector a trailer. Masked places may hold anything, NaN included."""

import torch
from torch import Tensor

from cinegrain.errors import ShapeError


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the scenes that are there.

    Args:
        values: Shape (n, s, d); masked places may hold anything, NaN included.
        mask: Shape (n, s), True = present.

    Returns:
        Shape (n, d); exactly zero for a trailer without any scene.

    Raises:
        ShapeError: If the shapes do not fit.
    """
    if values.shape[:2] != mask.shape:
        raise ShapeError(f"values {tuple(values.shape)} and mask {tuple(mask.shape)} must share (n, s).")
    clean = torch.where(mask[..., None], values, torch.zeros((), dtype=values.dtype))  # (n, s, d)
    return clean.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
