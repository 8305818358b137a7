"""What every fusion model takes: padded scene vectors with masks, by expert."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """Scene vectors of n trailers.

    Attributes:
        vectors: By expert name, shape (n, s, d_e), float32. What stands in masked places does not matter.
        masks: By expert name, shape (n, s), True where the scene has that expert's vector.
    """

    vectors: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]

    def keep_scenes(self, keep: Tensor) -> "SceneBatch":
        """The same batch with only some scenes; `keep` has shape (n, s)."""
        return SceneBatch(self.vectors, {name: mask & keep for name, mask in self.masks.items()})

    def keep_experts(self, keep: Mapping[str, Tensor]) -> "SceneBatch":
        """The same batch with experts taken away; `keep` holds shape (n,) by expert name."""
        masks = {name: mask & keep[name][:, None] for name, mask in self.masks.items()}
        return SceneBatch(self.vectors, masks)

    def present(self, experts: Sequence[str]) -> Tensor:
        """Which experts have at least one scene, shape (n, e), columns in the given order."""
        return torch.stack([self.masks[name].any(dim=1) for name in experts], dim=1)
