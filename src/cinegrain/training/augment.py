"""What training does to a batch before the network sees it."""

import torch
from torch import Tensor

from cinegrain.models.batch import SceneBatch


def drop_modes(batch: SceneBatch, share: float, generator: torch.Generator) -> SceneBatch:
    """Takes each expert away with a probability, but never a trailer's last one.

    Args:
        batch: n trailers.
        share: Probability for each expert and trailer.
        generator: Source of chance.
    """
    names = list(batch.masks)
    kept = drop_present(batch.present(names), share, generator)
    return batch.keep_experts({name: kept[:, i] for i, name in enumerate(names)})


def drop_present(present: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """`drop_modes` for the mask alone, shape (n, e)."""
    kept = present & (torch.rand(present.shape, generator=generator) >= share)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def add_noise(batch: SceneBatch, scale: float, generator: torch.Generator) -> SceneBatch:
    """Adds normal noise to each value, in units of its expert's standard deviation within the batch."""
    if scale == 0:
        return batch
    noisy = {}
    for name, values in batch.vectors.items():
        present = values[batch.masks[name]]
        spread = present.std(dim=0) if len(present) > 1 else torch.zeros(values.shape[2])
        noisy[name] = values + scale * spread * torch.randn(values.shape, generator=generator)
    return SceneBatch(noisy, batch.masks)


def disjoint_views(batch: SceneBatch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Two disjoint random halves of each trailer's scenes.

    Returns:
        Two masks of shape (n, s) to pass to `SceneBatch.keep_scenes`, and which trailers have a scene in both,
        shape (n,).
    """
    some = torch.stack(list(batch.masks.values())).any(dim=0)  # (n, s)
    chance = torch.rand(some.shape, generator=generator).masked_fill(~some, 2.0)
    rank = chance.argsort(dim=1).argsort(dim=1)  # present scenes come first
    count = some.sum(dim=1, keepdim=True)
    first = some & (rank < (count + 1) // 2)
    second = some & ~first
    return first, second, (count[:, 0] >= 2)
