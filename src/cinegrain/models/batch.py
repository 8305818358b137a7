"""Padded scene vectors and masks by expert, the input of every fusion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """Scene vectors of n trailers.

    Attributes:
        vectors: By expert name, shape (n, s, d_e), float32; masked values are ignored.
        masks: By expert name, shape (n, s), True where the expert has a vector for the scene.
    """

    vectors: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]

    def keep_scenes(self, keep: Tensor) -> "SceneBatch":
        """Mask all scenes but those in `keep`, shape (n, s)."""
        return SceneBatch(self.vectors, {name: mask & keep for name, mask in self.masks.items()})

    def keep_experts(self, keep: Mapping[str, Tensor]) -> "SceneBatch":
        """Mask experts of some trailers; `keep` has shape (n,) by expert name."""
        masks = {name: mask & keep[name][:, None] for name, mask in self.masks.items()}
        return SceneBatch(self.vectors, masks)

    def present(self, experts: Sequence[str]) -> Tensor:
        """Which experts have at least one scene, shape (n, e), columns in the given order."""
        return torch.stack([self.masks[name].any(dim=1) for name in experts], dim=1)
