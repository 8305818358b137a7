import itertools

import numpy as np
import pytest

from cinegrain.errors import DataError
from cinegrain.models.genre_map import genre_map


def objective(genre_of: np.ndarray, affinity: np.ndarray, shares: np.ndarray, size_cost: float) -> float:
    """What the assignment maximises, as written in its description."""
    k = len(genre_of)
    sizes = np.bincount(genre_of, minlength=affinity.shape[1])
    wanted = k * shares / shares.sum()
    return float(affinity[np.arange(k), genre_of].sum() - size_cost * (sizes**2 / wanted).sum())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size_cost", [0.0, 0.05, 1.0])
def test_no_other_map_is_better(seed: int, size_cost: float) -> None:
    """All 3^6 maps are tried; those that leave a genre without a prototype are not allowed."""
    rng = np.random.default_rng(seed)
    affinity, shares = rng.random((6, 3)), rng.random(3) + 0.1
    maps = [np.array(m) for m in itertools.product(range(3), repeat=6) if len(set(m)) == 3]
    best = max(objective(m, affinity, shares, size_cost) for m in maps)
    found = genre_map(affinity, shares, size_cost=size_cost)
    assert set(found) == {0, 1, 2}
    assert objective(found, affinity, shares, size_cost) == pytest.approx(best, abs=1e-9)


def test_numbers_follow_the_shares_when_they_must() -> None:
    found = genre_map(np.zeros((10, 2)), np.array([4.0, 1.0]), size_cost=1.0)
    assert np.bincount(found).tolist() == [8, 2]


def test_too_few_prototypes() -> None:
    with pytest.raises(DataError, match="at least 3"):
        genre_map(np.ones((2, 3)), np.ones(3), size_cost=1.0)
