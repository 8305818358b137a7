"""Linear genre classifier on the pooled vectors of all experts."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class LinearPath(nn.Module):
    """Sum of V_e x_e over the present experts.

    Initialised at zero and trained with a ridge penalty, it is logistic regression.
    """

    def __init__(self, dimensions: Mapping[str, int], n_genres: int) -> None:
        """Create the maps.

        Args:
            dimensions: Input length d_e by expert name, in the order of the mask's columns.
            n_genres: Number of logits.
        """
        super().__init__()
        self.maps = nn.ModuleDict({name: nn.Linear(d, n_genres, bias=False) for name, d in dimensions.items()})
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Logits without the bias, shape (n, g), from (n, d_e) by expert and the mask (n, e)."""
        parts = [
            torch.where(present[:, i : i + 1], layer(pooled[name]), 0.0)
            for i, (name, layer) in enumerate(self.maps.items())
        ]
        total: Tensor = torch.stack(parts).sum(dim=0)
        return total

    def penalty(self) -> Tensor:
        """Half the sum of squared weights, mean over genres."""
        weights = list(self.parameters())
        squares: Tensor = torch.stack([w.square().sum() for w in weights]).sum()
        return squares / (2 * len(weights[0]))
