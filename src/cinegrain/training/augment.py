"""Augmentation of training batches."""

import torch
from torch import Tensor

from cinegrain.models.batch import SceneBatch


def drop_experts(batch: SceneBatch, rate: float, generator: torch.Generator) -> SceneBatch:
    """Modality dropout: mask each expert of each trailer with probability `rate`, but never all of a trailer's."""
    names = list(batch.masks)
    kept = drop_present(batch.present(names), rate, generator)
    return batch.keep_experts({name: kept[:, i] for i, name in enumerate(names)})


def drop_present(present: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """`drop_experts` on a mask of shape (n, e)."""
    kept = present & (torch.rand(present.shape, generator=generator) >= rate)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def add_noise(batch: SceneBatch, scale: float, generator: torch.Generator) -> SceneBatch:
    """Add normal noise; `scale` is in units of the standard deviation within the batch."""
    if scale == 0:
        return batch
    noisy = {}
    for name, values in batch.vectors.items():
        present = values[batch.masks[name]]
        spread = present.std(dim=0) if len(present) > 1 else torch.zeros(values.shape[2])
        noisy[name] = values + scale * spread * torch.randn(values.shape, generator=generator)
    return SceneBatch(noisy, batch.masks)


def disjoint_views(batch: SceneBatch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Split each trailer's scenes into two random halves.

    Returns:
        Two masks of shape (n, s) for `SceneBatch.keep_scenes`, and which trailers have a scene in both, shape (n,).
    """
    present = torch.stack(list(batch.masks.values())).any(dim=0)  # (n, s)
    random = torch.rand(present.shape, generator=generator).masked_fill(~present, 2.0)
    rank = random.argsort(dim=1).argsort(dim=1)  # present scenes come first
    count = present.sum(dim=1, keepdim=True)
    first = present & (rank < (count + 1) // 2)
    second = present & ~first
    return first, second, (count[:, 0] >= 2)
