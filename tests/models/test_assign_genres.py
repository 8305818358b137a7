import itertools

import numpy as np
import pytest

from cinegrain.errors import DataError
from cinegrain.models.assign_genres import assign_genres


@pytest.mark.parametrize("seed", range(6))
def test_no_other_assignment_is_better(seed: int) -> None:
    """All 3^6 assignments are tried, but for those that leave a genre empty."""
    affinity = np.random.default_rng(seed).random((6, 3))
    totals = [
        affinity[np.arange(6), list(genres)].sum()
        for genres in itertools.product(range(3), repeat=6)
        if len(set(genres)) == 3
    ]
    assigned = assign_genres(affinity)
    assert set(assigned) == {0, 1, 2}
    assert affinity[np.arange(6), assigned].sum() == pytest.approx(max(totals), abs=1e-9)


def test_no_genre_remains_empty_however_few_want_it() -> None:
    affinity = np.zeros((4, 2))
    affinity[:, 0] = 1e6
    assert np.bincount(assign_genres(affinity)).tolist() == [3, 1]


def test_too_few_clusters() -> None:
    with pytest.raises(DataError, match="at least 3"):
        assign_genres(np.ones((2, 3)))
