import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.sparse.csgraph import laplacian
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from cinegrain.models import genre_starts
from cinegrain.models.genre_starts import fit_from_clusters, neighbour_clusters
from cinegrain.types import Float64, Int64

N, K = 1000, 4


def arcs(seed: int = 0) -> tuple[Float64, Int64]:
    """Four long arcs that lie close beside each other, on a sphere of six dimensions: no round cluster holds one."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(K, size=N)
    along = rng.uniform(-1.3, 1.3, size=N)
    points = np.stack([np.sin(along), np.cos(along), 0.55 * (truth - 1.5)], axis=1)
    points = np.concatenate([points, np.zeros((N, 3))], axis=1) + rng.normal(scale=0.03, size=(N, 6))
    return points / np.linalg.norm(points, axis=1, keepdims=True), truth


@pytest.mark.parametrize("sample", [3000, 500])  # all films, half of them
def test_long_clusters_are_recovered(sample: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genre_starts, "SAMPLE_FILMS", sample)
    points, truth = arcs()
    round_ones = KMeans(K, n_init=10, random_state=0).fit(points).labels_
    found = neighbour_clusters(points, K, seed=0)
    assert found is not None
    assert adjusted_rand_score(truth, round_ones) < 0.6
    assert adjusted_rand_score(truth, found) > 0.99


@pytest.mark.parametrize("n_parts", [1, 3, 9])
def test_leading_eigenvectors_are_those_of_the_dense_matrix_however_many_components_the_graph_has(n_parts: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(360, 10)) + 50 * np.eye(10)[np.arange(360) % n_parts]
    graph = kneighbors_graph(points, 10, include_self=False).toarray()
    whole = np.eye(360) - laplacian((graph + graph.T) / 2, normed=True)
    _, known = eigh(whole, subset_by_index=[351, 359])
    np.testing.assert_allclose(
        np.linalg.svd(known.T @ genre_starts._leading_eigenvectors(points, 9, 0))[1], 1, atol=1e-9
    )


def test_in_a_cloud_there_are_none() -> None:
    cloud = np.random.default_rng(0).normal(size=(N, 16))
    assert neighbour_clusters(cloud / np.linalg.norm(cloud, axis=1, keepdims=True), 8, seed=0) is None


@pytest.mark.parametrize("n", [1, 5, 11, 13])
def test_a_handful_of_films_has_none(n: int) -> None:
    assert neighbour_clusters(np.eye(16)[:n], 5, seed=0) is None


def test_films_that_are_one_and_the_same_are_together() -> None:
    found = neighbour_clusters(np.repeat(np.eye(6)[:3], 40, axis=0), 3, seed=0)
    assert found is not None
    assert adjusted_rand_score(np.repeat(np.arange(3), 40), found) == 1


def test_a_mixture_that_grows_out_of_them_finds_them_and_keeps_to_genres() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(8, size=N)
    genres = (truth // 2)[:, None] == np.arange(4)
    genres[:200] |= rng.random((200, 4)) < 0.3  # some films have further genres
    points = np.eye(12)[truth] + rng.normal(scale=0.2, size=(N, 12))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    shuffled = rng.permutation(truth)
    good, chance = (fit_from_clusters(points, genres, start, 8, seed=0, steps=1) for start in (truth, shuffled))
    assert good.log_likelihood > chance.log_likelihood
    for found in (good, chance):
        assert np.all(found.memberships[~genres[:, found.genre_of]] == 0)
        assert np.allclose(found.memberships.sum(axis=1), 1)
    assert adjusted_rand_score(truth, good.memberships.argmax(axis=1)) > 0.95
    assert adjusted_rand_score(truth, chance.memberships.argmax(axis=1)) < 0.8  # genres alone tell that much
