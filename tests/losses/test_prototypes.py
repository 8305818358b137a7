import math

import numpy as np
import pytest
import torch

from cinegrain.errors import ShapeError
from cinegrain.losses.prototypes import balance, genre_consistency, neighbour_consistency, self_distillation

LOGITS = np.random.default_rng(0).normal(size=(4, 5))
ALLOWED = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=bool)


def softmax(row: np.ndarray) -> list[float]:
    total = sum(math.exp(v) for v in row)
    return [math.exp(v) / total for v in row]


def test_genre_consistency_equals_the_loop_and_skips_the_unlabelled() -> None:
    slow = [
        -math.log(sum(p for p, a in zip(softmax(r), m, strict=True) if a))
        for r, m in zip(LOGITS, ALLOWED, strict=True)
        if m.any()
    ]
    found = genre_consistency(torch.tensor(LOGITS), torch.tensor(ALLOWED))
    assert float(found) == pytest.approx(np.mean(slow), abs=1e-12)
    assert slow[2] == pytest.approx(0.0, abs=1e-12)  # any genre would do
    assert float(genre_consistency(torch.tensor(LOGITS), torch.zeros(4, 5, dtype=torch.bool))) == 0.0


def test_neighbour_consistency_equals_the_loop() -> None:
    other = np.random.default_rng(1).dirichlet(np.ones(5), size=4)
    slow = [
        -math.log(sum(p * q for p, q in zip(softmax(r), o, strict=True))) for r, o in zip(LOGITS, other, strict=True)
    ]
    found = neighbour_consistency(torch.tensor(LOGITS), torch.tensor(other))
    assert float(found) == pytest.approx(np.mean(slow), abs=1e-12)


def test_balance_equals_the_loop_and_is_zero_at_the_prior() -> None:
    prior = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
    mean = np.mean([softmax(row) for row in LOGITS], axis=0)
    slow = sum(m * math.log(m / p) for m, p in zip(mean, prior, strict=True))
    assert float(balance(torch.tensor(LOGITS), torch.tensor(prior))) == pytest.approx(slow, abs=1e-12)
    at_prior = torch.log(torch.tensor(prior)).repeat(3, 1)
    assert float(balance(at_prior, torch.tensor(prior))) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("soft", [0.0, 0.3, 1.0])
def test_self_distillation_equals_the_loop(soft: float) -> None:
    teacher = np.random.default_rng(3).normal(size=(4, 5))
    slow = []
    for row, said, mask in zip(LOGITS, teacher, ALLOWED, strict=True):
        may = mask if mask.any() else np.ones(5, dtype=bool)
        kept = [math.exp(v / 0.9) if a else 0.0 for v, a in zip(said, may, strict=True)]
        shares = [k / sum(kept) for k in kept]
        best = int(np.argmax(shares))
        target = [soft * s + (1 - soft) * (j == best) for j, s in enumerate(shares)]
        slow.append(-sum(t * math.log(p) for t, p in zip(target, softmax(row), strict=True)))
    found = self_distillation(
        torch.tensor(LOGITS), torch.tensor(teacher), torch.tensor(ALLOWED), temperature=0.9, soft=soft
    )
    assert float(found) == pytest.approx(np.mean(slow), abs=1e-12)


def test_the_teacher_and_the_neighbour_get_no_gradient() -> None:
    logits, teacher = (torch.randn(4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    loss = self_distillation(logits, teacher, torch.tensor(ALLOWED), temperature=1.0, soft=0.5)
    (loss + neighbour_consistency(logits, teacher.softmax(1))).backward()  # type: ignore[no-untyped-call]
    assert teacher.grad is None
    assert logits.grad is not None


def test_gradients() -> None:
    logits = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    allowed, other = torch.tensor(ALLOWED), torch.full((4, 5), 0.2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: genre_consistency(x, allowed), (logits,))
    assert torch.autograd.gradcheck(lambda x: neighbour_consistency(x, other), (logits,))
    assert torch.autograd.gradcheck(lambda x: balance(x, other[0]), (logits,))
    assert torch.autograd.gradcheck(
        lambda x: self_distillation(x, other, allowed, temperature=1.0, soft=0.5), (logits,)
    )


def test_bad_shapes() -> None:
    with pytest.raises(ShapeError):
        genre_consistency(torch.ones(2, 3), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ShapeError, match="prior"):
        balance(torch.ones(2, 3), torch.ones(4))
