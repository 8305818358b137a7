"""One contract for every clusterer."""

import numpy as np
import pytest
from scipy.special import log_softmax

from cinegrain.discovery.clusterers import make_clusterer
from cinegrain.discovery.clustering import Clusterer, fitted_temperature
from cinegrain.discovery.kmeans import spherical_kmeans
from cinegrain.errors import ConfigError, DataError
from cinegrain.metrics.cluster_agreement import cluster_scores
from cinegrain.settings import CLUSTERERS, DiscoverSettings

D, K = 24, 6


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


CENTRES = unit(np.random.default_rng(0).normal(size=(K, D)))


def planted(n: int = 150, noise: float = 0.12, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Groups of unequal size."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(K, size=n, p=np.arange(2, K + 2) / np.arange(2, K + 2).sum())
    return unit(CENTRES[truth] + noise * rng.normal(size=(n, D))), truth


@pytest.fixture(params=CLUSTERERS)
def cluster(request: pytest.FixtureRequest) -> Clusterer:
    return make_clusterer(request.param, restarts=5)


def test_planted_groups_are_found(cluster: Clusterer) -> None:
    points, truth = planted()
    found = cluster(points, K, seed=0)
    assert cluster_scores(truth.tolist(), found.labels.tolist()).ari > 0.97


def test_what_a_clustering_holds(cluster: Clusterer) -> None:
    points, _ = planted(noise=0.3)
    found = cluster(points, 4, seed=0)
    n, k = len(points), len(found)
    assert 1 <= k <= 4
    assert found.labels.shape == (n,)
    assert found.centroids.shape == found.weights.shape == (k, D)
    np.testing.assert_allclose(np.linalg.norm(found.centroids, axis=1), 1)
    sizes = np.bincount(found.labels, minlength=k)
    assert (np.diff(sizes) <= 0).all(), "biggest first"
    assert sizes.min() > 0, "nobody is left over and no cluster is empty"
    membership = found.membership(points)
    np.testing.assert_allclose(membership.sum(axis=1), 1)
    assert membership.min() >= 0
    np.testing.assert_array_equal(membership.argmax(axis=1), found.labels)
    np.testing.assert_array_equal(found.assign(points), found.labels)
    cosines = [float(p @ found.centroids[label]) for p, label in zip(points, found.labels, strict=True)]
    assert found.objective == pytest.approx(np.mean(cosines))


def test_k_is_honoured_where_the_data_hold_so_many(cluster: Clusterer) -> None:
    points, _ = planted()
    for k in (1, 3, K):
        assert len(cluster(points, k, seed=0)) == k


def test_same_seed_same_clusters(cluster: Clusterer) -> None:
    points, _ = planted(noise=0.4)
    a, b = cluster(points, 5, seed=3), cluster(points, 5, seed=3)
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_array_equal(a.weights, b.weights)


def test_the_order_of_films_plays_no_part(cluster: Clusterer) -> None:
    points, _ = planted(noise=0.4)
    shuffled = np.random.default_rng(5).permutation(len(points))
    a, b = cluster(points, 5, seed=3), cluster(points[shuffled], 5, seed=3)
    np.testing.assert_array_equal(a.labels[shuffled], b.labels)


def test_one_cluster_holds_all(cluster: Clusterer) -> None:
    points, _ = planted(n=20)
    found = cluster(points, 1, seed=0)
    assert set(found.labels.tolist()) == {0}
    np.testing.assert_allclose(found.membership(points), 1)


def test_identical_films_share_a_cluster(cluster: Clusterer) -> None:
    points = np.repeat(CENTRES[:3], [10, 2, 1], axis=0)
    found = cluster(points, 5, seed=0)
    assert len(found) <= 3
    for same in (slice(0, 10), slice(10, 12)):
        assert len(set(found.labels[same].tolist())) == 1
    assert np.isfinite(found.membership(points)).all()


@pytest.mark.parametrize("k", [0, 13])
def test_k_that_cannot_be(cluster: Clusterer, k: int) -> None:
    with pytest.raises(DataError, match=r"within 1\.\.12"):
        cluster(planted(n=12)[0], k, seed=0)


def test_as_many_clusters_as_films(cluster: Clusterer) -> None:
    points, _ = planted(n=5)
    assert len(cluster(points, 5, seed=0)) <= 5


def test_new_films_join_the_group_they_were_drawn_from(cluster: Clusterer) -> None:
    points, truth = planted()
    found = cluster(points, K, seed=0)
    new, new_truth = planted(seed=9)
    group_of = {int(t): int(found.labels[truth == t][0]) for t in range(K)}
    right = found.assign(new) == np.array([group_of[int(t)] for t in new_truth])
    assert right.mean() > 0.97


def test_films_far_beyond_the_sample_are_clustered_too(cluster: Clusterer, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("genres", "kmeans"):
        monkeypatch.setattr(f"cinegrain.discovery.{module}.MAX_FILMS", 120)
    monkeypatch.setattr("cinegrain.discovery.kmeans.FILMS_PER_CLUSTER", 1)
    points, truth = planted(n=1500)
    found = cluster(points, K, seed=0)
    assert cluster_scores(truth.tolist(), found.labels.tolist()).ari > 0.95


def test_membership_is_the_posterior_where_the_mixture_is_true() -> None:
    """Two equal normal groups: the posterior is known; membership must come near it."""
    rng = np.random.default_rng(0)
    n, sd, d = 4000, 0.08, 8
    middles = np.zeros((2, d))
    middles[:, 0], middles[:, 1] = 1.0, [0.1, -0.1]
    truth = rng.integers(2, size=n)
    points = unit(middles[truth] + sd * rng.normal(size=(n, d)))
    exact = 1 / (1 + np.exp(-0.2 * points[:, 1] / sd**2))
    found = spherical_kmeans(points, 2, seed=0, restarts=3)
    first = 0 if found.centroids[0, 1] > 0 else 1
    assert np.abs(found.membership(points)[:, first] - exact).mean() < 0.06


def test_fitted_temperature_is_the_one_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    scores = 8 * rng.normal(size=(4000, 5))
    for true in (0.5, 2.0, 8.0):
        p = np.exp(log_softmax(scores / true, axis=1))
        labels = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1)
        assert fitted_temperature(scores, labels) == pytest.approx(true, rel=0.2)


def test_an_unknown_clusterer_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of genres"):
        DiscoverSettings(clusterer="magic")
