"""Losses of fine classes that hang under genres: no fine label is known, a trailer's genres are."""

import torch.nn.functional as F
from torch import Tensor

from cinegrain.errors import ShapeError


def genre_consistency(logits: Tensor, allowed: Tensor) -> Tensor:
    """A trailer belongs to some prototype of one of its genres, whichever: - log sum over allowed k of p_k.

    Args:
        logits: Of k prototypes, shape (n, k).
        allowed: Shape (n, k), True where the prototype's genre is one of the trailer's; a row without any counts as
            unlabelled and costs nothing.

    Returns:
        Mean over labelled trailers, nats, scalar; 0 without any.

    Raises:
        ShapeError: If the shapes differ.

    Source: Grcic et al. 2024 (FALCON), arXiv:2406.11070, coarse loss; for several genres a partial-label loss.
    """
    _same(logits, allowed)
    labelled = allowed.any(dim=1)
    if not labelled.any():
        return logits.sum() * 0
    logits, allowed = logits[labelled], allowed[labelled]
    inside = logits.masked_fill(~allowed, float("-inf")).logsumexp(dim=1)
    return (logits.logsumexp(dim=1) - inside).mean()


def neighbour_consistency(logits: Tensor, neighbours: Tensor) -> Tensor:
    """A trailer and its neighbour fall under the same prototype: - log sum_k p_k q_k.

    Args:
        logits: Shape (n, k).
        neighbours: Probabilities q of one neighbour each, shape (n, k); no gradient goes through them.

    Returns:
        Mean, nats, scalar.

    Raises:
        ShapeError: If the shapes differ.

    Source: Van Gansbeke et al. 2020 (SCAN), arXiv:2005.12320, eq. 2; FALCON, consistency loss.
    """
    _same(logits, neighbours)
    return -(F.log_softmax(logits, dim=1) + neighbours.detach().clamp(min=1e-12).log()).logsumexp(dim=1).mean()


def balance(logits: Tensor, prior: Tensor) -> Tensor:
    """How far the prototypes' mean shares are from a prior: KL(mean p || prior).

    With a flat prior this is FALCON's entropy term. Genres differ in size, so here the prior follows them.

    Args:
        logits: Shape (n, k).
        prior: Shares, shape (k,), all above 0, adding up to 1.

    Returns:
        Nats, scalar, at least 0.

    Raises:
        ShapeError: If the shapes do not fit.
    """
    if prior.shape != logits.shape[1:]:
        raise ShapeError(f"prior must have shape ({logits.shape[1]},); found {tuple(prior.shape)}.")
    mean = F.softmax(logits, dim=1).mean(dim=0)
    return (mean * (mean.clamp(min=1e-12).log() - prior.log())).sum()


def self_distillation(logits: Tensor, teacher: Tensor, allowed: Tensor, *, temperature: float, soft: float) -> Tensor:
    """Cross-entropy against what a slow teacher says among the prototypes that the trailer's genres allow.

    Args:
        logits: Shape (n, k).
        teacher: Logits of the moving average, shape (n, k); no gradient goes through them.
        allowed: As in `genre_consistency`; a row without any is not restricted.
        temperature: Of the teacher; > 0.
        soft: 0..1; share of the teacher's probabilities in the target, the rest is its best prototype alone.

    Returns:
        Mean, nats, scalar.

    Raises:
        ShapeError: If the shapes differ.

    Source: FALCON, fine loss and self-distillation.
    """
    _same(logits, teacher)
    _same(logits, allowed)
    open_rows = allowed | ~allowed.any(dim=1, keepdim=True)
    shares = (teacher.detach() / temperature).masked_fill(~open_rows, float("-inf")).softmax(dim=1)
    best = F.one_hot(shares.argmax(dim=1), shares.shape[1]).to(shares.dtype)
    target = soft * shares + (1 - soft) * best
    return -(target * F.log_softmax(logits, dim=1)).sum(dim=1).mean()


def _same(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim != 2:
        raise ShapeError(f"Two arrays of one shape (n, k) are needed; found {tuple(a.shape)} and {tuple(b.shape)}.")
