"""Contrastive fine-tuning between two views of a trailer, as in the paper."""

from copy import deepcopy

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegrain.losses.nt_xent import nt_xent
from cinegrain.models.genre_model import GenreModel
from cinegrain.settings import FinetuneSettings
from cinegrain.training.arrays import TrailerArrays
from cinegrain.training.augment import add_noise, disjoint_views, drop_experts
from cinegrain.training.finetuned import Finetuned, FinetuneEpoch, NothingToContrastError, OnEpoch
from cinegrain.types import Bool, Int64

_PROJECTION_DIM, _WEIGHT_DECAY = 128, 0.01
_MODALITY_DROPOUT, _NOISE = 0.2, 0.1  # augmentation of a view; noise in standard deviations
_SAME_FILM = 0.98  # cosine of standardised scene means above which two films are near-duplicates


def finetune_by_contrast(
    coarse: GenreModel,
    arrays: TrailerArrays,
    labels: Bool,
    labelled: Int64,
    settings: FinetuneSettings,
    franchises: Int64,
    *,
    seed: int,
    on_epoch: OnEpoch | None = None,
) -> Finetuned:
    """Fine-tune with NT-Xent between two disjoint halves of each trailer's scenes; the projection head is discarded.

    Args:
        coarse: Trained genre model; not modified.
        arrays: Vectors of n films, all of which are used.
        labels: Genres, shape (n, g).
        labelled: Films whose genres may be used (the training films).
        settings: Fine-tuning settings.
        franchises: Films with equal numbers are no negatives, shape (n,); nor are near-duplicates.
        seed: Random seed.
        on_epoch: Called with (done, total, message).

    Raises:
        NothingToContrastError: If fewer than two films have two scenes.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = deepcopy(coarse)
    encoded = model.encoded_width * len(model.spec.experts)
    hidden = max(_PROJECTION_DIM, encoded)
    project = nn.Sequential(nn.Linear(encoded, hidden), nn.ReLU(), nn.Linear(hidden, _PROJECTION_DIM))
    optimiser = torch.optim.AdamW(
        [*model.parameters(), *project.parameters()],
        lr=settings.learning_rate,
        weight_decay=_WEIGHT_DECAY,
    )
    known = np.zeros_like(labels)
    known[labelled] = labels[labelled]
    target = torch.from_numpy(known.astype(np.float32))
    use_genres = torch.zeros(len(labels), dtype=torch.bool)
    use_genres[labelled] = True
    franchise_of, plain = torch.from_numpy(franchises), plain_vectors(model, arrays)
    history: list[FinetuneEpoch] = []
    for number in range(settings.epochs):
        model.train()
        sums, counts = np.zeros(2), np.zeros(2)
        for rows in batches(torch.randperm(len(labels), generator=generator).numpy(), settings.batch_size):
            a, b, both = two_views(model, arrays, rows, generator)
            contrast, n_contrast = a.sum() * 0, 0
            if int(both.sum()) >= 2:
                together = related(franchise_of[rows], plain[rows])[both][:, both]
                z_a, z_b = project(a[both].flatten(1)), project(b[both].flatten(1))
                contrast = nt_xent(z_a, z_b, temperature=settings.temperature, related=together)
                n_contrast = int(both.sum())
            genre, n_genre = genre_loss(model, (a, b, both), target[rows], use_genres[rows])
            if not n_contrast + n_genre:
                continue
            loss = contrast + settings.genre_weight * genre
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            sums += [n_contrast * float(contrast.detach()), n_genre * float(genre.detach())]
            counts += [n_contrast, n_genre]
        if not counts[0]:
            raise NothingToContrastError("Fine-tuning needs at least two films with two scenes each.")
        mean = sums / np.maximum(counts, 1)
        history.append(FinetuneEpoch(number, {"contrast_loss": float(mean[0]), "genre_loss": float(mean[1])}))
        if on_epoch:
            on_epoch(number + 1, settings.epochs, f"contrast {mean[0]:.3f}, genre loss {mean[1]:.3f}")
    return Finetuned(model.eval(), tuple(history))


def batches(order: Int64, size: int) -> list[Int64]:
    """Split into even batches of at most `size`, so that none has a single film if possible."""
    return [part for part in np.array_split(order, -(-len(order) // size)) if len(part)]


Views = tuple[Tensor, Tensor, Tensor]  # encodings of both views (n, e, d), and which trailers have both (n,)


def two_views(model: GenreModel, arrays: TrailerArrays, rows: Int64, generator: torch.Generator) -> Views:
    """Encode two disjoint halves of each film's scenes, with modality dropout and noise."""
    batch = arrays.batch(rows)
    first, second, both = disjoint_views(batch, generator)
    encoded = []
    for scenes in (first, second):
        view = drop_experts(batch.keep_scenes(scenes), _MODALITY_DROPOUT, generator)
        encoded.append(model.encode(add_noise(view, _NOISE, generator)))
    return encoded[0], encoded[1], both


def plain_vectors(model: GenreModel, arrays: TrailerArrays) -> Tensor:
    """Concatenated standardised scene means, unit rows (n, sum of d_e); 0 where an expert is absent."""
    blocks = [
        model.standardise(name, torch.from_numpy(arrays.means(name))).nan_to_num() / arrays.dimensions[name] ** 0.5
        for name in model.spec.experts
    ]
    return F.normalize(torch.cat(blocks, dim=1), dim=1)


def related(franchises: Tensor, plain: Tensor) -> Tensor:
    """Films that are no negatives of each other, shape (n, n): of one franchise, or near-duplicates.

    Args:
        franchises: Shape (n,).
        plain: Unit rows, shape (n, d).
    """
    return (franchises[:, None] == franchises[None, :]) | (plain @ plain.T > _SAME_FILM)


def genre_loss(model: GenreModel, views: Views, target: Tensor, use_genres: Tensor) -> tuple[Tensor, int]:
    """Mean binary cross-entropy of both views, and the number of films with known genres."""
    a, b, both = views
    n_genre = int(use_genres.sum())
    if not n_genre:
        return a.sum() * 0, 0
    parts = [(a, use_genres), (b, use_genres & both)]
    terms = [
        F.binary_cross_entropy_with_logits(model.classify(view[keep]), target[keep])
        for view, keep in parts
        if keep.any()
    ]
    return torch.stack(terms).mean(), n_genre
