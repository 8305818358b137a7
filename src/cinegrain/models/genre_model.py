"""The genre model: genre logits and a trailer embedding from the scene vectors of all experts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cinegrain.models.batch import SceneBatch
from cinegrain.models.fusion import ConcatFusion, Fusion, LateFusion, LinearFusion
from cinegrain.models.gating import CollaborativeGating
from cinegrain.models.head import MemberHead
from cinegrain.models.linear import LinearPath
from cinegrain.models.pooling import masked_mean
from cinegrain.models.shape import for_films
from cinegrain.settings import ModelSettings

_KINDS: Mapping[str, type[Fusion]] = {
    "gating": CollaborativeGating,
    "concat": ConcatFusion,
    "late": LateFusion,
    "linear": LinearFusion,
}
_TYPICAL_FILMS = 1_000


@dataclass(frozen=True)
class ModelSpec:
    """What is needed to rebuild a genre model.

    Attributes:
        dimensions: Input length by expert name, in order.
        modalities: Modality of each expert.
        genres: Names of the outputs, in order.
        settings: Architecture.
    """

    dimensions: Mapping[str, int]
    modalities: Mapping[str, str]
    genres: tuple[str, ...]
    settings: ModelSettings

    @property
    def experts(self) -> tuple[str, ...]:
        """Expert names in order."""
        return tuple(self.dimensions)

    @property
    def modality_of(self) -> dict[str, str]:
        """Modality of each expert, in order."""
        return {name: self.modalities[name] for name in self.dimensions}


class GenreModel(nn.Module):
    """Ensemble of m networks: standardise, pool over scenes, fuse, classify; logits are averaged.

    `encode` concatenates the members' vectors for each expert. The trailer embedding is that output, flattened and
    scaled to unit length. A linear classifier on the pooled vectors contributes to the logits, not to the embedding.
    """

    def __init__(self, spec: ModelSpec) -> None:
        """Create the layers; `auto` settings are resolved for `_TYPICAL_FILMS` films."""
        super().__init__()
        shape = self.shape = for_films(spec.settings, _TYPICAL_FILMS)
        self.spec = replace(spec, settings=shape)
        for name, dimension in spec.dimensions.items():
            self.register_buffer(f"mean_{name}", torch.zeros(dimension))
            self.register_buffer(f"scale_{name}", torch.ones(dimension))
        fusion = _KINDS[shape.fusion]
        members = [
            fusion(spec.dimensions, width=shape.hidden_dim, dropout=shape.dropout) for _ in range(shape.ensemble_size)
        ]
        self.members = nn.ModuleList(members)
        self.head = MemberHead(shape.ensemble_size, members[0].n_features, len(spec.genres))
        self.linear = LinearPath(spec.dimensions, len(spec.genres)) if shape.linear_weight > 0 else None

    @property
    def encoded_width(self) -> int:
        """Length of an expert's vector in the output of `encode`."""
        return self.shape.hidden_dim * self.shape.ensemble_size

    def set_statistics(self, statistics: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Set the input scaling from the training films' mean and standard deviation by expert, each (d_e,)."""
        for name, (mean, deviation) in statistics.items():
            self.get_buffer(f"mean_{name}").copy_(mean)
            self.get_buffer(f"scale_{name}").copy_(1 / deviation.clamp(min=1e-3))

    def set_prior(self, frequencies: Tensor) -> None:
        """Initialise the bias from the genres' frequencies in the training films, shape (g,), 0..1.

        Source: Lin et al. 2017, Focal Loss for Dense Object Detection, section 4.1.
        """
        with torch.no_grad():
            self.head.bias.copy_(torch.logit(frequencies, eps=1e-2))

    def set_linear_weight(self, weight: float) -> None:
        """Set the weight of the linear classifier in the logits, above 0 and below 1."""
        self.shape = replace(self.shape, linear_weight=weight)
        self.spec = replace(self.spec, settings=self.shape)

    def standardise(self, name: str, values: Tensor) -> Tensor:
        """Standardise an expert's vectors (..., d_e) with the training films' statistics."""
        return (values - self.get_buffer(f"mean_{name}")).mul_(self.get_buffer(f"scale_{name}"))

    def pool(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Standardised scene means by expert, shape (n, d_e); finite even where the expert is absent."""
        return {
            name: self.standardise(name, masked_mean(batch.vectors[name], batch.masks[name]))
            for name in self.spec.experts
        }

    def encode_pooled(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """`encode` from the output of `pool` and a mask of shape (n, e), columns in the order of the spec."""
        return torch.cat([member(pooled, present) for member in self.members], dim=2)

    def encode(self, batch: SceneBatch) -> Tensor:
        """Vectors of all members, shape (n, e, encoded_width); zero where the expert is absent.

        With gating and late fusion each member's vector has unit length.
        """
        return self.encode_pooled(self.pool(batch), batch.present(self.spec.experts))

    def classify_members(self, encoded: Tensor) -> Tensor:
        """Genre logits of every member, shape (m, n, g), from the output of `encode`."""
        parts = encoded.chunk(len(self.members), dim=2)
        readouts = [member.readout(part) for member, part in zip(self.members, parts, strict=True)]  # type: ignore[operator]
        logits: Tensor = self.head(torch.stack(readouts))
        return logits

    def classify(self, encoded: Tensor) -> Tensor:
        """Mean genre logits of the members without the linear classifier, shape (n, g), from the output of `encode`."""
        return self.classify_members(encoded).mean(dim=0)

    def separate_logits(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Logits of every member, then of the linear classifier if there is one; each has its own training loss.

        Args:
            pooled: Output of `pool`.
            present: Shape (n, e), columns in the order of the spec.

        Returns:
            Shape (m, n, g) or (m + 1, n, g).
        """
        members = self.classify_members(self.encode_pooled(pooled, present))
        if self.linear is None:
            return members
        return torch.cat([members, (self.linear(pooled, present) + self.head.bias)[None]])

    def logits(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Genre logits, shape (n, g): weighted mean of the members and the linear classifier."""
        logits = self.separate_logits(pooled, present)
        weight = self.shape.linear_weight
        members = logits[: len(self.members)].mean(dim=0)
        return members if self.linear is None else (1 - weight) * members + weight * logits[-1]

    def forward(self, batch: SceneBatch) -> Tensor:
        """Genre logits, shape (n, g)."""
        return self.logits(self.pool(batch), batch.present(self.spec.experts))
