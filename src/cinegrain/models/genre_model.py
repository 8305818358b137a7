"""The coarse genre network: scene vectors of all experts to genre logits and to a trailer embedding."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegrain.models.batch import SceneBatch
from cinegrain.models.gating import CollaborativeGating
from cinegrain.models.pooling import masked_mean
from cinegrain.models.settings import ModelSettings


@dataclass(frozen=True)
class ModelSpec:
    """Everything needed to build the network again.

    Attributes:
        dimensions: Input length by expert name, in order.
        modalities: Mode of each expert.
        genres: Names of the outputs, in order.
        settings: Shape of the network.
    """

    dimensions: Mapping[str, int]
    modalities: Mapping[str, str]
    genres: tuple[str, ...]
    settings: ModelSettings

    @property
    def experts(self) -> tuple[str, ...]:
        """Expert names in order."""
        return tuple(self.dimensions)


class GenreModel(nn.Module):
    """Standardise, pool over scenes, gate, concatenate, classify.

    `encode` gives what the head sees: one gated unit vector for each expert. The trailer embedding is their
    concatenation at unit length.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        for name, dimension in spec.dimensions.items():
            self.register_buffer(f"mean_{name}", torch.zeros(dimension))
            self.register_buffer(f"scale_{name}", torch.ones(dimension))
        width = spec.settings.width
        self.gating = CollaborativeGating(spec.dimensions, width=width, dropout=spec.settings.dropout)
        self.head = nn.Linear(width * len(spec.dimensions), len(spec.genres))

    def set_statistics(self, statistics: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Fixes the input scaling.

        Args:
            statistics: Mean and standard deviation by expert, each of shape (d_e,), from training trailers only.
        """
        for name, (mean, deviation) in statistics.items():
            self.get_buffer(f"mean_{name}").copy_(mean)
            self.get_buffer(f"scale_{name}").copy_(1 / deviation.clamp(min=1e-3))

    def set_prior(self, shares: Tensor) -> None:
        """Lets the network start from how frequent each genre is among the training films; shape (g,), within 0..1.

        Source: Lin et al. 2017, Focal Loss for Dense Object Detection, section 4.1.
        """
        with torch.no_grad():
            self.head.bias.copy_(torch.logit(shares, eps=1e-2))

    def pool(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Scaled scene means x_e by expert, shape (n, d_e); what stands for an absent expert does not matter."""
        return {
            name: (masked_mean(batch.vectors[name], batch.masks[name]) - self.get_buffer(f"mean_{name}"))
            * self.get_buffer(f"scale_{name}")
            for name in self.spec.experts
        }

    def encode_pooled(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """`encode` from `pool`'s output and a mask of shape (n, e), columns in the order of the spec."""
        gated: Tensor = self.gating(pooled, present)
        return gated

    def encode(self, batch: SceneBatch) -> Tensor:
        """Gated vectors, shape (n, e, d): unit length where the expert is present, else zero."""
        return self.encode_pooled(self.pool(batch), batch.present(self.spec.experts))

    def classify(self, encoded: Tensor) -> Tensor:
        """Genre logits, shape (n, g), from `encode`'s (n, e, d)."""
        logits: Tensor = self.head(encoded.flatten(1))
        return logits

    def forward(self, batch: SceneBatch) -> Tensor:
        """Genre logits, shape (n, g)."""
        return self.classify(self.encode(batch))


def trailer_embedding(encoded: Tensor) -> Tensor:
    """Unit vectors, shape (n, e * d), from `encode`'s (n, e, d); zero for a trailer without any expert."""
    return F.normalize(encoded.flatten(1), dim=1)
