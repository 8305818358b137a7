"""Self-supervised fine-tuning of the coarse network, as in the paper."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegrain.errors import DataError
from cinegrain.losses.nt_xent import nt_xent
from cinegrain.models.genre_model import GenreModel
from cinegrain.training.augment import add_noise, disjoint_views, drop_modes
from cinegrain.training.data import TrailerArrays
from cinegrain.training.settings import FinetuneSettings
from cinegrain.types import Bool, Int64


class NothingToContrastError(DataError):
    """Fewer than two films have two scenes, so no two views can be told apart."""


@dataclass(frozen=True)
class FinetuneEpoch:
    """One pass: the contrast (nats) and the genre loss kept beside it."""

    epoch: int
    contrast_loss: float
    genre_loss: float


def finetune(
    coarse: GenreModel,
    arrays: TrailerArrays,
    labels: Bool,
    labelled: Int64,
    settings: FinetuneSettings,
    *,
    seed: int,
    on_epoch: Callable[[int, int, str], None] | None = None,
) -> tuple[GenreModel, tuple[FinetuneEpoch, ...]]:
    """NT-Xent between two disjoint scene subsets of each trailer; the projection head is dropped afterwards.

    Args:
        coarse: The trained network; left as it is.
        arrays: Vectors of n films; all take part in the contrast, which sees no label.
        labels: Genres, shape (n, g).
        labelled: Films whose genres may be used (the training films).
        settings: How.
        seed: Of views, noise and order.
        on_epoch: Called with (done, total, a line to show).

    Returns:
        The fine-tuned network, and its history.

    Raises:
        NothingToContrastError: If fewer than two films have two scenes.
    """
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    model = deepcopy(coarse)
    encoded = model.encoded_width * len(model.spec.experts)
    hidden = max(settings.projection, encoded)
    project = nn.Sequential(nn.Linear(encoded, hidden), nn.ReLU(), nn.Linear(hidden, settings.projection))
    optimiser = torch.optim.AdamW(
        [*model.parameters(), *project.parameters()],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    target = torch.from_numpy(labels.astype(np.float32))
    use_genres = torch.zeros(len(labels), dtype=torch.bool)
    use_genres[labelled] = True
    history: list[FinetuneEpoch] = []
    for number in range(settings.epochs):
        model.train()
        order = torch.randperm(len(labels), generator=chance).numpy()
        sums, counts = np.zeros(2), np.zeros(2)
        for rows in _batches(order, settings.batch):
            views = _two_views(model, arrays, rows, settings, chance)
            losses, sizes = _losses(model, project, views, target[rows], use_genres[rows], settings.temperature)
            if not sizes.any():
                continue
            loss = losses[0] + settings.genre_weight * losses[1]
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            sums += sizes * [float(part.detach()) for part in losses]
            counts += sizes
        if not counts[0]:
            raise NothingToContrastError("Fine-tuning needs at least two films with two scenes each.")
        contrast, genre = sums / np.maximum(counts, 1)
        history.append(FinetuneEpoch(number, float(contrast), float(genre)))
        if on_epoch:
            on_epoch(number + 1, settings.epochs, f"contrast {contrast:.3f}, genre loss {genre:.3f}")
    model.eval()
    return model, tuple(history)


def _batches(order: Int64, size: int) -> list[Int64]:
    """Even parts of at most `size`, none of a single film where that can be helped."""
    return [part for part in np.array_split(order, -(-len(order) // size)) if len(part)]


Views = tuple[Tensor, Tensor, Tensor]  # two encodings (n, e, d), and which trailers have both (n,)


def _two_views(
    model: GenreModel, arrays: TrailerArrays, rows: Int64, settings: FinetuneSettings, chance: torch.Generator
) -> Views:
    batch = arrays.batch(rows)
    first, second, both = disjoint_views(batch, chance)
    encoded = []
    for scenes in (first, second):
        view = add_noise(drop_modes(batch.keep_scenes(scenes), settings.mode_dropout, chance), settings.noise, chance)
        encoded.append(model.encode(view))
    return encoded[0], encoded[1], both


def _losses(
    model: GenreModel, project: nn.Module, views: Views, target: Tensor, use_genres: Tensor, temperature: float
) -> tuple[tuple[Tensor, Tensor], np.ndarray]:
    a, b, both = views
    zero = a.sum() * 0
    contrast = zero
    n_contrast = int(both.sum()) if int(both.sum()) >= 2 else 0
    if n_contrast:
        contrast = nt_xent(project(a[both].flatten(1)), project(b[both].flatten(1)), temperature=temperature)
    genre, n_genre = zero, int(use_genres.sum())
    if n_genre:
        parts = [(a, use_genres), (b, use_genres & both)]
        terms = [
            F.binary_cross_entropy_with_logits(model.classify(view[keep]), target[keep])
            for view, keep in parts
            if keep.any()
        ]
        genre = torch.stack(terms).mean()
    return (contrast, genre), np.array([n_contrast, n_genre])
