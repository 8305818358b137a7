"""Fusion of the experts' vectors: the interface, linear, concatenation and late fusion."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Fusion of the pooled vectors of e experts: `forward` encodes each expert, `readout` gives the head's features.

    Attributes:
        experts: Names in the order of the columns.
        n_features: Length of the readout.
    """

    experts: tuple[str, ...]
    n_features: int

    @abstractmethod
    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        """Create the layers.

        Args:
            dimensions: Input length d_e by expert name, in the order of the outputs.
            width: Length of each encoding.
            dropout: Dropout rate of the inputs.
        """
        super().__init__()

    @abstractmethod
    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Encode every expert.

        Args:
            pooled: By expert name, shape (n, d_e); values of absent experts are ignored.
            present: Shape (n, e), columns in the order of `experts`.

        Returns:
            Shape (n, e, width); exactly zero where the expert is absent.
        """

    def readout(self, encoded: Tensor) -> Tensor:
        """Features for the linear head, shape (n, n_features), from `forward`'s output; zero without any expert."""
        return encoded.flatten(1)


def unit_rows(x: Tensor, present: Tensor) -> Tensor:
    """Normalise the rows of (n, e, d) to unit length; exactly zero where not present (n, e)."""
    return F.normalize(_only(x, present), dim=2)


def _only(x: Tensor, present: Tensor) -> Tensor:
    """Zero the rows of (n, e, d) that are not present, NaN included."""
    return torch.where(present[..., None], x, torch.zeros((), dtype=x.dtype, device=x.device))


class Projection(nn.Module):
    """A linear map per expert to a shared width, with dropout on the inputs."""

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({name: nn.Linear(d, width) for name, d in dimensions.items()})
        self.dropout = nn.Dropout(dropout)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Shape (n, e, width) from (n, d_e) by expert; zero where absent."""
        return _only(torch.stack([layer(self.dropout(pooled[k])) for k, layer in self.maps.items()], dim=1), present)


class LinearFusion(Fusion):
    """A linear map per expert and nothing else."""

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        super().__init__(dimensions, width=width, dropout=dropout)
        self.experts, self.n_features = tuple(dimensions), width * len(dimensions)
        self.project = Projection(dimensions, width=width, dropout=dropout)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """See `Fusion.forward`."""
        encoded: Tensor = self.project(pooled, present)
        return encoded


class ConcatFusion(Fusion):
    """Concatenation and an MLP with one hidden layer.

    A linear layer on a concatenation is a sum of linear layers. Each expert's encoding is its term of that sum, before
    the nonlinearity.
    """

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        super().__init__(dimensions, width=width, dropout=dropout)
        self.experts, self.n_features = tuple(dimensions), width
        self.project = Projection(dimensions, width=width, dropout=dropout)
        self.dropout = nn.Dropout(max(dropout, 0.5) if dropout else 0.0)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """See `Fusion.forward`."""
        encoded: Tensor = self.project(pooled, present)
        return encoded

    def readout(self, encoded: Tensor) -> Tensor:
        """The hidden layer, shape (n, width)."""
        hidden: Tensor = self.dropout(F.gelu(encoded.sum(dim=1)))
        return hidden


class LateFusion(Fusion):
    """A classifier per expert; their logits are averaged over the present experts with learned weights."""

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        super().__init__(dimensions, width=width, dropout=dropout)
        self.experts, self.n_features = tuple(dimensions), width * len(dimensions)
        self.project = Projection(dimensions, width=width, dropout=dropout)
        self.weights = nn.Parameter(torch.zeros(len(dimensions)))

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """See `Fusion.forward`; rows of unit length."""
        return unit_rows(self.project(pooled, present), present)

    def readout(self, encoded: Tensor) -> Tensor:
        """Encodings times their expert's weight, which sums to 1 over the present experts."""
        present = (encoded != 0).any(dim=2)  # (n, e)
        weight = torch.exp(self.weights) * present
        weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-12)
        return (encoded * weight[..., None]).flatten(1)
