"""A single transformer over the scene tokens of all experts."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cinegrain.models.dropout import ByteDropout
from cinegrain.models.fusion import Fusion, unit_rows


class TransformerFusion(Fusion):
    """Every scene vector is a token with its expert's embedding; an expert's encoding is the mean of its tokens.

    Scenes have no position: their order does not matter, as in every other fusion.

    Source: Gabeur et al. 2020, Multi-modal Transformer for Video Retrieval, arXiv:2007.10639, section 3.1 (tokens and
    expert embeddings; without its time embeddings).
    """

    def __init__(self, dimensions: Mapping[str, int], *, width: int, dropout: float, layers: int = 2) -> None:
        """Makes the layers.

        Args:
            dimensions: Length of a scene vector by expert name.
            width: Token length; heads of about 32 values each.
            dropout: Share of input values dropped in training; a third of it inside the layers.
            layers: Depth.
        """
        super().__init__(dimensions, width=width, dropout=dropout)
        self.experts, self.n_features = tuple(dimensions), width * len(dimensions)
        self.dimensions = dict(dimensions)
        self.project = nn.ModuleDict({name: nn.Linear(d, width) for name, d in dimensions.items()})
        self.modality = nn.Parameter(torch.randn(len(dimensions), width) * 0.02)
        self.film = nn.Parameter(torch.randn(width) * 0.02)
        self.dropout = ByteDropout(dropout)
        heads = next(h for h in range(max(1, width // 32), 0, -1) if width % h == 0)
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout / 3, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, pooled: Mapping[str, Tensor], present: Tensor) -> Tensor:
        """Encodes every expert in the light of all scenes.

        Args:
            pooled: By expert, scene vectors laid end to end as `SceneTokens` leaves them, shape (n, s * d_e).
            present: Shape (n, e).

        Returns:
            Shape (n, e, width): rows of unit length, exactly zero where the expert is absent.
        """
        n = len(present)
        tokens, owners, there = [self.film.expand(n, 1, -1)], [], [torch.ones(n, 1, dtype=torch.bool)]
        for i, name in enumerate(self.experts):
            scenes = pooled[name].reshape(n, -1, self.dimensions[name])  # (n, s, d_e)
            known = ~scenes.isnan().any(dim=2) & present[:, i : i + 1]
            clean = torch.where(known[..., None], scenes, torch.zeros((), dtype=scenes.dtype))
            tokens.append(self.project[name](self.dropout(clean)) + self.modality[i])
            there.append(known)
            owners += [i] * scenes.shape[1]
        mask = torch.cat(there, dim=1)  # (n, t), the film's own token first
        out = self.layers(torch.cat(tokens, dim=1), src_key_padding_mask=~mask)[:, 1:]
        mine = torch.tensor(owners)[:, None] == torch.arange(len(self.experts))  # (t, e)
        member = (mask[:, 1:, None] & mine).to(out.dtype)  # (n, t, e)
        means = torch.einsum("nte,ntd->ned", member, torch.where(mask[:, 1:, None], out, 0.0))
        return unit_rows(means / member.sum(dim=1)[..., None].clamp(min=1), present)
