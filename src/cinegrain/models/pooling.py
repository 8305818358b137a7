"""From scenes to one vector a trailer. Masked places may hold anything, NaN included."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegrain.errors import ShapeError


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the scenes that are there.

    Args:
        values: Shape (n, s, d); masked places may hold anything, NaN included.
        mask: Shape (n, s), True = present.

    Returns:
        Shape (n, d); exactly zero for a trailer without any scene.

    Raises:
        ShapeError: If the shapes do not fit.
    """
    return _clean(values, mask).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)


def _clean(values: Tensor, mask: Tensor) -> Tensor:
    """The values with zeros in masked places."""
    if values.shape[:2] != mask.shape:
        raise ShapeError(f"values {tuple(values.shape)} and mask {tuple(mask.shape)} must share (n, s).")
    return torch.where(mask[..., None], values, torch.zeros((), dtype=values.dtype))  # (n, s, d)


class ScenePooling(nn.Module, ABC):
    """Scene vectors (n, s, d) and their mask (n, s) to (n, size); zero for a trailer without any scene.

    Attributes:
        size: Length of what comes out.
    """

    size: int

    @abstractmethod
    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Pools."""


class MeanPooling(ScenePooling):
    """All scenes count the same."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.size = dimension

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Shape (n, d)."""
        return masked_mean(values, mask)


class AttentionPooling(ScenePooling):
    """Scenes weighed by a learned score: sum of softmax_s(v . tanh(V x_s)) x_s. It starts as the mean.

    Source: Ilse et al. 2018, Attention-based Deep Multiple Instance Learning, arXiv:1802.04712, eq. 7 and 8.
    """

    def __init__(self, dimension: int, *, hidden: int = 32) -> None:
        super().__init__()
        self.size = dimension
        self.score = nn.Sequential(nn.Linear(dimension, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        last = self.score[2]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Shape (n, d)."""
        clean = _clean(values, mask)
        score = self.score(clean)[..., 0].masked_fill(~mask, torch.finfo(clean.dtype).min)
        weight = torch.softmax(score, dim=1) * mask
        return torch.einsum("ns,nsd->nd", weight, clean)


class NetVladPooling(ScenePooling):
    """Differences of the scenes to c learned centres, each centre's sum at unit length, all of them at unit length.

    The centres' lengths are made comparable to an expert's single vector by a factor sqrt(c d).

    Source: Arandjelovic et al. 2016, NetVLAD, arXiv:1511.07247, eq. 4.
    """

    def __init__(self, dimension: int, *, centres: int = 4) -> None:
        super().__init__()
        self.size = dimension * centres
        self.assign = nn.Linear(dimension, centres)
        self.centres = nn.Parameter(torch.randn(centres, dimension) * 0.1)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Shape (n, c * d)."""
        clean = _clean(values, mask)
        share = torch.softmax(self.assign(clean), dim=2) * mask[..., None]  # (n, s, c)
        sums = torch.einsum("nsc,nsd->ncd", share, clean) - share.sum(dim=1)[..., None] * self.centres
        flat = F.normalize(F.normalize(sums, dim=2).flatten(1), dim=1)
        pooled: Tensor = flat * self.size**0.5
        return pooled


class SceneTokens(ScenePooling):
    """No pooling: scene vectors laid end to end with NaN where there is none, for a fusion that reads scenes itself."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.size = dimension

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Shape (n, s * d)."""
        return _clean(values, mask).masked_fill(~mask[..., None], float("nan")).flatten(1)


def make_pooling(name: str, dimension: int) -> ScenePooling:
    """The pooling called `mean`, `attention`, `netvlad` or `tokens` for scene vectors of this length."""
    kinds = {"mean": MeanPooling, "attention": AttentionPooling, "netvlad": NetVladPooling, "tokens": SceneTokens}
    pooling: ScenePooling = kinds[name](dimension)
    return pooling
