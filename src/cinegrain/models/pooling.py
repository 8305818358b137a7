"""Pooling over scenes."""

import torch
from torch import Tensor

from cinegrain.errors import ShapeError


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the present scenes.

    Args:
        values: Shape (n, s, d); masked values are ignored, NaN included.
        mask: Shape (n, s), True = present.

    Returns:
        Shape (n, d); exactly zero for a trailer without scenes.

    Raises:
        ShapeError: If n or s differ.
    """
    if values.shape[:2] != mask.shape:
        raise ShapeError(f"values {tuple(values.shape)} and mask {tuple(mask.shape)} must agree in (n, s).")
    clean = torch.where(mask[..., None], values, torch.zeros((), dtype=values.dtype))  # (n, s, d)
    return clean.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
