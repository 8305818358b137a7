"""The genre losses against plain loops, their limits and their gradients."""

import math

import pytest
import torch

from cinegrain.errors import ShapeError
from cinegrain.losses.class_balanced import class_balance, class_balanced_bce


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


@pytest.fixture
def targets() -> torch.Tensor:
    return (torch.rand(6, 3, generator=torch.Generator().manual_seed(1)) > 0.6).double()


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
        class_balanced_bce(logits, targets, torch.ones(1))
