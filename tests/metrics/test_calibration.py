import numpy as np
import pytest

from cinegrain.errors import ShapeError
from cinegrain.metrics.calibration import reliability


def by_loops(truth: np.ndarray, p: np.ndarray, n_bins: int) -> float:
    """Guo et al. 2017, eq. 3, film by film."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for said, true in zip(p.ravel().tolist(), truth.ravel().tolist(), strict=True):
        bins.setdefault(min(int(said * n_bins), n_bins - 1), []).append((said, true))
    total = 0.0
    for pairs in bins.values():
        said, true = (sum(x) / len(pairs) for x in zip(*pairs, strict=True))
        total += len(pairs) / p.size * abs(said - true)
    return total


def test_error_equals_plain_loops() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((200, 3))
    p[:3] = [[0, 1, 0.5]] * 3
    truth = rng.random(p.shape) < 0.4
    found = reliability(truth, p)
    assert found.ece == pytest.approx(by_loops(truth, p, 10), abs=1e-12)
    assert found.counts.sum() == p.size


def test_by_hand_and_empty_bins() -> None:
    found = reliability(np.array([True, False, True, True]), np.array([0.25, 0.25, 0.95, 1.0]))
    assert found.ece == pytest.approx(0.5 * 0.25 + 0.5 * 0.025)
    assert np.isnan(found.predicted).sum() == 8
    with pytest.raises(ShapeError):
        reliability(np.array([True]), np.array([0.5, 0.5]))
