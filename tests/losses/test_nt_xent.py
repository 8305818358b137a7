import math
from collections.abc import Collection

import numpy as np
import pytest
import torch

from cinegrain.errors import ShapeError
from cinegrain.losses.nt_xent import nt_xent


def slow_nt_xent(
    z_a: np.ndarray, z_b: np.ndarray, temperature: float, related: Collection[tuple[int, int]] = ()
) -> float:
    """Chen et al. 2020, eq. 1, one pair at a time; related pairs are left out of the sum."""
    z = np.concatenate([z_a, z_b])
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    n, total = len(z_a), 0.0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        counted = [k for k in range(2 * n) if k != i and (k % n, i % n) not in related]
        others = sum(math.exp(z[i] @ z[k] / temperature) for k in counted)
        total -= math.log(math.exp(z[i] @ z[j] / temperature) / others)
    return total / (2 * n)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_equals_the_paper(temperature: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 3))
    loss = nt_xent(torch.tensor(a), torch.tensor(b), temperature=temperature)
    assert float(loss) == pytest.approx(slow_nt_xent(a, b, temperature), abs=1e-12)


def test_kin_neither_attract_nor_push() -> None:
    rng = np.random.default_rng(1)
    a, b = torch.tensor(rng.normal(size=(2, 4, 3)), requires_grad=True)
    related = torch.eye(4, dtype=torch.bool)
    related[0, 2] = related[2, 0] = True
    loss = nt_xent(a, b, temperature=0.5, related=related)
    slow = slow_nt_xent(a.detach().numpy(), b.detach().numpy(), 0.5, {(0, 2), (2, 0)})
    assert float(loss.detach()) == pytest.approx(slow, abs=1e-12)
    assert slow != pytest.approx(slow_nt_xent(a.detach().numpy(), b.detach().numpy(), 0.5), abs=1e-3)


def test_all_kin_leave_nothing_to_push() -> None:
    a, b = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert float(nt_xent(a, b, temperature=0.5, related=torch.ones(3, 3, dtype=torch.bool))) == 0.0


def test_equal_rows_give_the_log_of_the_number_of_others() -> None:
    same = torch.ones(4, 3)
    assert float(nt_xent(same, same, temperature=0.5)) == pytest.approx(math.log(7), abs=1e-6)


def test_length_of_rows_and_order_of_trailers_do_not_matter() -> None:
    a, b = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(6)
    plain = nt_xent(a, b, temperature=0.5)
    torch.testing.assert_close(nt_xent(3 * a[order], b[order], temperature=0.5), plain)


def test_gradient() -> None:
    a, b = (torch.randn(3, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, y: nt_xent(x, y, temperature=0.5), (a, b))


@pytest.mark.parametrize(("a", "b"), [((1, 3), (1, 3)), ((2, 3), (3, 3)), ((2,), (2,))])
def test_bad_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="n >= 2"):
        nt_xent(torch.ones(a), torch.ones(b), temperature=0.5)
