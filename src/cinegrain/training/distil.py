"""Fine-tuning by prototypes: fine classes that hang under genres, found by self-distillation."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegrain.losses.prototypes import balance, genre_consistency, neighbour_consistency, self_distillation
from cinegrain.models.genre_map import genre_map
from cinegrain.models.genre_model import GenreModel, trailer_embedding
from cinegrain.training.contrast import batches, genre_loss, plain_vectors, two_views
from cinegrain.training.data import TrailerArrays
from cinegrain.training.finetuned import PROTOTYPES_A_GENRE, Finetuned, FinetuneEpoch, OnEpoch
from cinegrain.training.infer import encode_all
from cinegrain.training.settings import FinetuneSettings
from cinegrain.types import Bool, Int64

_SHARPNESS = 10.0  # of cosines to prototypes, as logits
_TEACHER = 0.99  # share of the teacher that a step keeps
_TEACHER_TEMPERATURE, _SOFT = 0.9, 0.5
_NEIGHBOURS = 10
_SIZE_COST = 0.05
_AT_ONCE = 2048


def finetune_by_prototypes(
    coarse: GenreModel,
    arrays: TrailerArrays,
    labels: Bool,
    labelled: Int64,
    settings: FinetuneSettings,
    *,
    seed: int,
    on_epoch: OnEpoch | None = None,
) -> Finetuned:
    """Every film under one prototype of one of its genres, as its neighbours are and as a slow teacher says.

    After each epoch the prototypes are given to genres anew by an exact assignment. Genres differ in size, so the
    share of films that a prototype should have is its genre's, divided by the genre's prototypes.

    Args:
        coarse: The trained network; left as it is.
        arrays: Vectors of n films.
        labels: Genres, shape (n, g).
        labelled: Films whose genres may be used.
        settings: How; `prototypes` says how many.
        seed: Of views, prototypes and order.
        on_epoch: Called with (done, total, a line to show).

    Source: Grcic et al. 2024, Fine-grained Classes and How to Find Them (FALCON), arXiv:2406.11070; here for several
    genres a film and genres of unequal size.
    """
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    known = np.zeros_like(labels)
    known[labelled] = labels[labelled]
    shares = (known / np.maximum(known.sum(axis=1, keepdims=True), 1)).sum(axis=0)  # films of each genre, (g,)
    n_genres = len(shares)
    k = max(settings.prototypes or PROTOTYPES_A_GENRE * n_genres, n_genres)
    student = _Student(deepcopy(coarse), k)
    teacher = deepcopy(student).requires_grad_(False)
    neighbours = _nearest(plain_vectors(coarse, arrays))
    optimiser = torch.optim.AdamW(student.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    target = torch.from_numpy(known.astype(np.float32))
    use_genres = torch.zeros(len(labels), dtype=torch.bool)
    use_genres[labelled] = True
    history = []
    for number in range(settings.epochs):
        said = teacher.probabilities(arrays)  # (n, k)
        genre_of = _assign(said, known, k)
        under = _Under(torch.from_numpy(known[:, genre_of]), _prior(shares, genre_of))
        student.train()
        total, seen = np.zeros(2), 0
        for rows in batches(torch.randperm(len(labels), generator=chance).numpy(), settings.batch):
            a, b, both = two_views(student.model, arrays, rows, settings, chance)
            logits = student.logits(a)
            with torch.no_grad():
                other = torch.where(both[:, None, None], b, a)
                slow = teacher.logits(other)
            picked = neighbours[rows, torch.randint(neighbours.shape[1], (len(rows),), generator=chance)]
            fine = under.loss(logits, slow, said[picked], rows)
            genre, _ = genre_loss(student.model, (a, b, both), target[rows], use_genres[rows])
            optimiser.zero_grad()
            (fine + settings.genre_weight * genre).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            teacher.follow(student)
            total += np.array([float(fine.detach()), float(genre.detach())]) * len(rows)
            seen += len(rows)
        mean = total / seen
        history.append(FinetuneEpoch(number, {"prototype_loss": float(mean[0]), "genre_loss": float(mean[1])}))
        if on_epoch:
            on_epoch(number + 1, settings.epochs, f"prototypes {mean[0]:.3f}, genre loss {mean[1]:.3f}")
    prototypes = F.normalize(teacher.prototypes, dim=1).double().numpy()
    return Finetuned(teacher.model.eval(), tuple(history), prototypes)


class _Student(nn.Module):
    """A network and its prototypes, unit rows in the space of trailer embeddings."""

    def __init__(self, model: GenreModel, k: int) -> None:
        super().__init__()
        self.model = model
        self.prototypes = nn.Parameter(torch.randn(k, model.encoded_width * len(model.spec.experts)))

    def logits(self, encoded: Tensor) -> Tensor:
        """Shape (n, k), from (n, e, d)."""
        return _SHARPNESS * trailer_embedding(encoded) @ F.normalize(self.prototypes, dim=1).T

    @torch.no_grad()
    def probabilities(self, arrays: TrailerArrays) -> Tensor:
        """Of all films, shape (n, k)."""
        everything = np.arange(len(next(iter(arrays.experts.values())).counts))
        return self.logits(encode_all(self.model, arrays, everything)).softmax(dim=1)

    @torch.no_grad()
    def follow(self, student: "_Student") -> None:
        """One step towards the student."""
        for mine, new in zip(self.parameters(), student.parameters(), strict=True):
            mine.lerp_(new, 1 - _TEACHER)


@dataclass(frozen=True, eq=False)
class _Under:
    """What hangs under which genre in one epoch: allowed prototypes (n, k), and the shares they should have (k,)."""

    allowed: Tensor
    prior: Tensor

    def loss(self, logits: Tensor, slow: Tensor, neighbours: Tensor, rows: Int64) -> Tensor:
        """The sum of FALCON's four losses."""
        allowed = self.allowed[rows]
        distil = self_distillation(logits, slow, allowed, temperature=_TEACHER_TEMPERATURE, soft=_SOFT)
        return (
            genre_consistency(logits, allowed)
            + distil
            + neighbour_consistency(logits, neighbours)
            + 2 * balance(logits, self.prior)
        )


def _assign(said: Tensor, known: Bool, k: int) -> Int64:
    """The genre of each prototype, by how much of its weight falls on films of a genre."""
    parts = known / np.maximum(known.sum(axis=1, keepdims=True), 1)
    affinity = said.double().numpy().T @ parts / max(len(known), 1) * k
    return genre_map(affinity, np.ones(known.shape[1]), size_cost=_SIZE_COST)


def _prior(shares: np.ndarray, genre_of: Int64) -> Tensor:
    """Shape (k,): a genre's share of films over its number of prototypes."""
    counts = np.bincount(genre_of, minlength=len(shares))
    prior = (np.maximum(shares, 1) / counts)[genre_of]
    return torch.from_numpy((prior / prior.sum()).astype(np.float32))


def _nearest(plain: Tensor) -> Tensor:
    """The nearest others of each film, shape (n, m)."""
    m = min(_NEIGHBOURS, len(plain) - 1)
    found = []
    for start in range(0, len(plain), _AT_ONCE):
        similarity = plain[start : start + _AT_ONCE] @ plain.T
        rows = torch.arange(len(similarity))
        similarity[rows, start + rows] = -2.0
        found.append(similarity.topk(m, dim=1).indices)
    return torch.cat(found)
