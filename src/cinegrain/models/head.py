"""Linear genre classifiers of an ensemble."""

import torch
from torch import Tensor, nn


class MemberHead(nn.Module):
    """A weight matrix per member and a shared bias.

    Attributes:
        weight: Shape (m, g, f).
        bias: Shape (g,).
    """

    def __init__(self, ensemble_size: int, n_features: int, n_genres: int) -> None:
        super().__init__()
        bound = n_features**-0.5
        self.weight = nn.Parameter(torch.empty(ensemble_size, n_genres, n_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(n_genres))

    def forward(self, readouts: Tensor) -> Tensor:
        """Logits of every member, shape (m, n, g), from readouts of shape (m, n, f)."""
        logits: Tensor = torch.einsum("mnf,mgf->mng", readouts, self.weight) + self.bias
        return logits
