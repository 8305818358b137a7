import math

import numpy as np
import pytest
import torch

from cinegrain.errors import ShapeError
from cinegrain.losses.nt_xent import nt_xent
from cinegrain.losses.weighted_contrast import jaccard, soft_weights, weighted_contrast


def slow_jaccard(sets: list[set[int]]) -> np.ndarray:
    return np.array([[len(a & b) / max(len(a | b), 1) for b in sets] for a in sets])


def slow_weighted(z_a: np.ndarray, z_b: np.ndarray, weights: np.ndarray, temperature: float) -> float:
    """One view at a time: the target is the weights of the other trailers, and 1 for the own other view."""
    z = np.concatenate([z_a, z_b])
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    n, total = len(z_a), 0.0
    for i in range(2 * n):
        others = [j for j in range(2 * n) if j != i]
        target = {j: 1.0 if j % n == i % n else weights[i % n, j % n] for j in others}
        log_sum = math.log(sum(math.exp(z[i] @ z[j] / temperature) for j in others))
        total -= sum(target[j] * (z[i] @ z[j] / temperature - log_sum) for j in others) / sum(target.values())
    return total / (2 * n)


def slow_soft_weights(z: np.ndarray, agreement: np.ndarray, temperature: float, share: float) -> np.ndarray:
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    result = np.zeros_like(agreement)
    for i in range(len(z)):
        masked = [agreement[i, j] * math.exp(z[i] @ z[j] / temperature) * (i != j) for j in range(len(z))]
        if max(masked) > 0:
            result[i] = [share * m / max(masked) for m in masked]
    return result


LABELS = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]], dtype=torch.bool)
SETS = [{0, 1}, {0}, {2}, set(), {0, 1}]


def test_jaccard_of_sets() -> None:
    np.testing.assert_allclose(jaccard(LABELS).numpy(), slow_jaccard(SETS), atol=1e-7)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_equals_the_sum_over_pairs(temperature: float) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3))
    weights = slow_jaccard(SETS)
    loss = weighted_contrast(torch.tensor(a), torch.tensor(b), torch.tensor(weights), temperature=temperature)
    assert float(loss) == pytest.approx(slow_weighted(a, b, weights, temperature), abs=1e-12)


def test_without_weights_it_is_nt_xent() -> None:
    a, b = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kin = torch.zeros(6, 6, dtype=torch.bool)
    kin[1, 4] = kin[4, 1] = True
    plain = nt_xent(a, b, temperature=0.5, kin=kin)
    torch.testing.assert_close(weighted_contrast(a, b, torch.zeros(6, 6), temperature=0.5, kin=kin), plain)


def test_soft_weights_equal_the_loop() -> None:
    z = np.random.default_rng(2).normal(size=(5, 4))
    agreement = slow_jaccard(SETS)
    found = soft_weights(torch.tensor(z), torch.tensor(agreement), temperature=0.1, share=0.8)
    np.testing.assert_allclose(found.numpy(), slow_soft_weights(z, agreement, 0.1, 0.8), atol=1e-12)


def test_a_trailer_without_genres_has_no_siblings() -> None:
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert not soft_weights(z, jaccard(LABELS), temperature=0.1, share=1.0)[3].any()


def test_gradient() -> None:
    a, b = (torch.randn(4, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weights = torch.rand(4, 4, dtype=torch.float64)
    weights = weights + weights.T
    kin = torch.zeros(4, 4, dtype=torch.bool)
    kin[0, 3] = kin[3, 0] = True
    assert torch.autograd.gradcheck(lambda x, y: weighted_contrast(x, y, weights, temperature=0.5, kin=kin), (a, b))


def test_bad_weights() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 3\)"):
        weighted_contrast(torch.ones(3, 2), torch.ones(3, 2), torch.ones(2, 2), temperature=0.5)
