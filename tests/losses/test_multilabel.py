"""The genre losses against plain loops, their limits and their gradients."""

import math

import pytest
import torch
import torch.nn.functional as F

from cinegrain.errors import ShapeError
from cinegrain.losses.asymmetric import asymmetric_loss
from cinegrain.losses.class_balanced import class_balance, class_balanced_bce


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


@pytest.fixture
def targets() -> torch.Tensor:
    return (torch.rand(6, 3, generator=torch.Generator().manual_seed(1)) > 0.6).double()


def slow_asymmetric(logits: torch.Tensor, targets: torch.Tensor, gp: float, gn: float, m: float) -> float:
    total = 0.0
    for x, t in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-x))
        q = max(p - m, 0)
        total -= t * (1 - p) ** gp * math.log(p) + (1 - t) * q**gn * math.log(1 - q)
    return total / logits.numel()


@pytest.mark.parametrize(("gp", "gn", "m"), [(0, 4, 0.05), (1, 4, 0.0), (0, 0, 0), (2, 2, 0.2)])
def test_asymmetric_equals_plain_loops(
    logits: torch.Tensor, targets: torch.Tensor, gp: float, gn: float, m: float
) -> None:
    found = asymmetric_loss(logits, targets, gamma_positive=gp, gamma_negative=gn, margin=m)
    assert float(found) == pytest.approx(slow_asymmetric(logits, targets, gp, gn, m), rel=1e-9)


def test_asymmetric_without_focus_is_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> None:
    found = asymmetric_loss(logits, targets, gamma_negative=0.0, margin=0.0)
    torch.testing.assert_close(found, F.binary_cross_entropy_with_logits(logits, targets))


def test_asymmetric_gradients_are_right_and_finite(logits: torch.Tensor, targets: torch.Tensor) -> None:
    x = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: asymmetric_loss(z, targets), (x,))
    wild = torch.tensor([[-200.0, 200.0, 0.0]], requires_grad=True)
    for answer in (0.0, 1.0):
        asymmetric_loss(wild, torch.full((1, 3), answer)).backward()  # type: ignore[no-untyped-call]
        assert wild.grad is not None
        assert torch.isfinite(wild.grad).all()


def test_easy_negatives_cost_nothing() -> None:
    easy = torch.tensor([[-4.0]], requires_grad=True)  # p = 0.018, under the margin
    asymmetric_loss(easy, torch.zeros(1, 1)).backward()  # type: ignore[no-untyped-call]
    assert easy.grad is not None
    assert float(easy.grad) == 0


def test_class_balance_by_hand() -> None:
    raw = [(1 - 0.9) / (1 - 0.9**n) for n in (1, 5, 500)]
    expected = [w / (sum(raw) / 3) for w in raw]
    assert class_balance(torch.tensor([1, 5, 500]), beta=0.9).tolist() == pytest.approx(expected)
    assert class_balance(torch.tensor([1, 5, 500]), beta=0.0).tolist() == pytest.approx([1, 1, 1])
    nearly_one = class_balance(torch.tensor([10, 40]), beta=1 - 1e-9)
    assert float(nearly_one[0] / nearly_one[1]) == pytest.approx(4, rel=1e-4), "towards beta = 1 it is 1 / n"
    assert torch.isfinite(class_balance(torch.tensor([0, 3]))).all()


def test_class_balanced_equals_plain_loops(logits: torch.Tensor, targets: torch.Tensor) -> None:
    weights = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    total = 0.0
    for i in range(6):
        for j in range(3):
            p = 1 / (1 + math.exp(-float(logits[i, j])))
            total -= float(weights[j]) * math.log(p) if targets[i, j] else math.log(1 - p)
    assert float(class_balanced_bce(logits, targets, weights)) == pytest.approx(total / 18)


def test_shapes_that_do_not_fit_are_refused(logits: torch.Tensor, targets: torch.Tensor) -> None:
    with pytest.raises(ShapeError):
        asymmetric_loss(logits, targets[:, :1])
    with pytest.raises(ShapeError):
        class_balanced_bce(logits, targets, torch.ones(1))
