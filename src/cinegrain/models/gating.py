"""Collaborative gating: each expert's features are weighted by gates computed from all experts.

Source: Liu et al. 2019, "Use What You Have: Video Retrieval Using Representations From Collaborative Experts",
arXiv:1907.13487, section 3.2; with the mean over present experts instead of the sum.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegrain.models.fusion import Fusion, unit_rows


class CollaborativeGating(Fusion):
    """Projection of every expert to a shared width, gated by its relations to the other experts.

        p_e  = norm(W_e x_e + b_e)
        u_ef = g([p_e ; p_f])                       for present f != e
        T_e  = h(mean over present f of u_ef)
        z_e  = norm(p_e * sigmoid(T_e + W' p_e))

    Gates are computed from the ungated p, so the order of experts does not matter.
    """

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float = 0.0) -> None:
        super().__init__(dimensions, width=width, dropout=dropout)
        self.experts, self.n_features = tuple(dimensions), width * len(dimensions)
        self.project = nn.ModuleDict({name: nn.Linear(d, width) for name, d in dimensions.items()})
        self.pair = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, width))  # g
        self.context = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))  # h
        self.own = nn.Linear(width, width, bias=False)  # W'
        self.dropout = nn.Dropout(dropout)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """See `Fusion.forward`; rows have unit length."""
        p = torch.stack([self.project[name](self.dropout(pooled[name])) for name in self.experts], dim=1)
        p = unit_rows(p, present)  # (n, e, d)
        context = self.context(self._relations(p, present))  # T, (n, e, d)
        gated = p * torch.sigmoid(context + self.own(p))
        return unit_rows(gated, present)

    def _relations(self, p: Tensor, present: Tensor) -> Tensor:
        """Mean of g([p_e ; p_f]) over the other present experts f; zero if there are none.

        The first layer of g on [p_e ; p_f] is a sum of two maps, and its last layer is applied after the mean. Only the
        ReLU between them is computed for every pair.
        """
        first, _, last = self.pair
        assert isinstance(first, nn.Linear)
        weight_e, weight_f = first.weight.chunk(2, dim=1)
        p_e = F.linear(p, weight_e, first.bias)[:, :, None]  # (n, e, 1, d)
        p_f = F.linear(p, weight_f)[:, None]  # (n, 1, e, d)
        number = torch.arange(len(self.experts), device=p.device)
        others = present[:, None, :] & (number[:, None] != number)  # (n, e, e)
        count = others.sum(dim=2, keepdim=True)  # (n, e, 1)
        mean = torch.einsum("nef,nefd->ned", others.to(p.dtype), (p_e + p_f).relu_()) / count.clamp(min=1)
        relations: Tensor = last(mean) * (count > 0)
        return relations
