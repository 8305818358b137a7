import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cinegrain.discovery import genres
from cinegrain.models import genre_starts


@pytest.mark.parametrize("sample", [3000, 100])  # all 400 films, a quarter of them
def test_only_films_in_clusters_start_a_mixture(sample: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genre_starts, "SAMPLE_FILMS", sample)
    monkeypatch.setattr(genre_starts, "SAMPLE_PER_CLUSTER", 5)
    rng = np.random.default_rng(0)
    truth = rng.integers(8, size=400)
    noise = rng.normal(size=(400, 16))
    tidy = noise * 0.1 + np.eye(16)[truth]
    tidy /= np.linalg.norm(tidy, axis=1, keepdims=True)
    found = genres._all_clusters(tidy, 8, 0)
    assert found is not None
    assert adjusted_rand_score(truth, found) == 1
    assert genres._all_clusters(noise / np.linalg.norm(noise, axis=1, keepdims=True), 8, 0) is None
