"""What every way of joining modes has in common, and the choice between them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Joins the pooled vectors of e experts: `forward` gives one vector an expert, `readout` what a head reads.

    Attributes:
        experts: Names in the order of the columns.
        n_features: Length of the readout.
    """

    experts: tuple[str, ...]
    n_features: int

    @abstractmethod
    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        """Makes the layers.

        Args:
            dimensions: Length of the pooled vector by expert name; its order is the order of the outputs.
            width: Length of each encoding.
            dropout: Share of input values dropped in training.
        """
        super().__init__()

    @abstractmethod
    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Encodes every expert.

        Args:
            pooled: By expert name, shape (n, d_e); what stands for an absent expert does not matter.
            present: Shape (n, e), True = present, columns in the order of `experts`.

        Returns:
            Shape (n, e, width); exactly zero where the expert is absent.
        """

    def readout(self, encoded: Tensor) -> Tensor:
        """What the linear head reads, shape (n, n_features), from `forward`'s output; zero without any expert."""
        return encoded.flatten(1)


def unit_rows(x: Tensor, present: Tensor) -> Tensor:
    """Rows of (n, e, d) at unit length, exactly zero where not present (n, e)."""
    return F.normalize(_only(x, present), dim=2)


def _only(x: Tensor, present: Tensor) -> Tensor:
    """The rows of (n, e, d) that are present, zero elsewhere, whatever stood there."""
    return torch.where(present[..., None], x, torch.zeros((), dtype=x.dtype, device=x.device))


class Projection(nn.Module):
    """One linear map an expert to a shared width, with dropout on what goes in."""

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({name: nn.Linear(d, width) for name, d in dimensions.items()})
        self.dropout = nn.Dropout(dropout)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Shape (n, e, width) from (n, d_e) by expert; zero where absent."""
        return _only(torch.stack([layer(self.dropout(pooled[k])) for k, layer in self.maps.items()], dim=1), present)


class LinearFusion(Fusion):
    """Every expert through a linear map of its own and nothing else: what the experts tell apart stays apart."""

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        super().__init__(dimensions, width=width, dropout=dropout)
        self.experts, self.n_features = tuple(dimensions), width * len(dimensions)
        self.project = Projection(dimensions, width=width, dropout=dropout)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """See `Fusion.forward`."""
        encoded: Tensor = self.project(pooled, present)
        return encoded


class ConcatFusion(Fusion):
    """Concatenation and an MLP of one hidden layer.

    A linear layer on a concatenation is a sum of linear layers, so each expert's encoding is its part of the hidden
    layer before the nonlinearity, and an absent expert adds nothing.
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
    """A classifier for each expert, averaged over the experts that are there with learned weights."""

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float) -> None:
        super().__init__(dimensions, width=width, dropout=dropout)
        self.experts, self.n_features = tuple(dimensions), width * len(dimensions)
        self.project = Projection(dimensions, width=width, dropout=dropout)
        self.weights = nn.Parameter(torch.zeros(len(dimensions)))

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """See `Fusion.forward`; rows of unit length."""
        return unit_rows(self.project(pooled, present), present)

    def readout(self, encoded: Tensor) -> Tensor:
        """Encodings times their expert's share among those present; the head's blocks are the experts' classifiers."""
        there = (encoded != 0).any(dim=2)  # (n, e)
        weight = torch.exp(self.weights) * there
        share = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-12)
        return (encoded * share[..., None]).flatten(1)
