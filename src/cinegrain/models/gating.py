"""Collaborative gating: each expert's features are weighed in the light of all the others.

Source: Liu et al. 2019, "Use What You Have: Video Retrieval Using Representations From Collaborative Experts",
arXiv:1907.13487, section 3.2; with the mean over present experts instead of the sum.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegrain.models.fusion import Fusion, unit_rows


class CollaborativeGating(Fusion):
    """Projects every expert to a shared width and gates it by its relations to the others.

        p_e  = norm(W_e x_e + b_e)
        u_ef = g([p_e ; p_f])                       for present f != e
        T_e  = h(mean over present f of u_ef)
        z_e  = norm(p_e * sigmoid(T_e + W' p_e))

    Every gate is computed from the ungated p, so the order of experts does not matter.
    """

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float = 0.0) -> None:
        """Makes the layers.

        Args:
            dimensions: Input length d_e by expert name; its order is the order of the outputs.
            width: Shared width d.
            dropout: Share of input values dropped in training.
        """
        super().__init__(dimensions, width=width, dropout=dropout)
        self.experts, self.n_features = tuple(dimensions), width * len(dimensions)
        self.project = nn.ModuleDict({name: nn.Linear(d, width) for name, d in dimensions.items()})
        self.pair = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, width))  # g
        self.context = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))  # h
        self.own = nn.Linear(width, width, bias=False)  # W'
        self.dropout = nn.Dropout(dropout)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Gated embeddings.

        Args:
            pooled: x_e by expert name, shape (n, d_e).
            present: Shape (n, e), True = present, columns in the order of `experts`.

        Returns:
            Shape (n, e, width): rows of unit length, exactly zero where the expert is absent.
        """
        p = torch.stack([self.project[name](self.dropout(pooled[name])) for name in self.experts], dim=1)
        p = unit_rows(p, present)  # (n, e, d)
        context = self.context(self._relations(p, present))  # T, (n, e, d)
        gated = p * torch.sigmoid(context + self.own(p))
        return unit_rows(gated, present)

    def _relations(self, p: Tensor, present: Tensor) -> Tensor:
        """Mean of g([p_e ; p_f]) over the present others f; zero for an expert that stands alone.

        g's first layer on [p_e ; p_f] is a sum of two maps, and its last layer may come after the mean, so only the
        ReLU between them is computed for every pair.
        """
        first, _, last = self.pair
        assert isinstance(first, nn.Linear)
        on_mine, on_other = first.weight.chunk(2, dim=1)
        mine = F.linear(p, on_mine, first.bias)[:, :, None]  # (n, e, 1, d)
        other = F.linear(p, on_other)[:, None]  # (n, 1, e, d)
        number = torch.arange(len(self.experts), device=p.device)
        others = present[:, None, :] & (number[:, None] != number)  # (n, e, e)
        count = others.sum(dim=2, keepdim=True)  # (n, e, 1)
        mean = torch.einsum("nef,nefd->ned", others.to(p.dtype), (mine + other).relu_()) / count.clamp(min=1)
        relations: Tensor = last(mean) * (count > 0)
        return relations
