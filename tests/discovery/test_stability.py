import numpy as np
import pytest
from tests.discovery.test_clusterers import planted, unit

from cinegrain.discovery.kmeans import kmeans_clusterer, spherical_kmeans
from cinegrain.discovery.stability import Repeats, repeat_search, stability, with_calibrated_membership

CLUSTER = kmeans_clusterer(3)


def test_overlaps_by_hand() -> None:
    mine = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
    other = np.array([0, 0, 0, 1, 1, 1, 1, 0, 2])
    inside = np.array([True, False] * 4 + [True])
    repeats = Repeats(np.arange(9), (other, mine), (other,), (inside,))
    found = stability(mine, repeats)
    np.testing.assert_allclose(found.seeds, [(3 / 5 + 1) / 2, (3 / 4 + 1) / 2, (1 / 2 + 1) / 2])
    # Films 0, 2, 4, 6, 8 were seen: mine 0 0 1 1 2, other 0 0 1 1 2.
    np.testing.assert_allclose(found.subsamples, [1, 1, 1])
    assert found.ari_subsamples == pytest.approx(1)
    assert 0 < found.ari_seeds < 1


def test_planted_groups_come_back_and_cuts_through_one_blob_do_not() -> None:
    blob = unit(np.random.default_rng(0).normal(size=(150, 24)))
    found = {}
    for name, points in (("planted", planted()[0]), ("blob", blob)):
        repeats = repeat_search(points, 6, CLUSTER, seed=0, n_seeds=4, n_subsamples=4)
        found[name] = stability(spherical_kmeans(points, 6, seed=0, restarts=3).labels, repeats)
    assert found["planted"].seeds.min() > 0.95
    assert found["planted"].subsamples.min() > 0.95
    assert found["blob"].seeds.max() < 0.75
    assert found["blob"].subsamples.max() < 0.75


def test_a_stable_cluster_is_told_from_a_loose_one_beside_it() -> None:
    """Three tight groups and a wide one that three centres cut up at will."""
    rng = np.random.default_rng(0)
    tight = unit(np.repeat(np.eye(24)[:3], 40, axis=0) + 0.05 * rng.normal(size=(120, 24)))
    wide = unit(-np.ones((120, 24)) / 5 + 0.4 * rng.normal(size=(120, 24)))
    points = np.concatenate([tight, wide])
    labels = spherical_kmeans(points, 6, seed=0).labels
    found = stability(labels, repeat_search(points, 6, CLUSTER, seed=0, n_seeds=5, n_subsamples=5))
    of_tight = {int(labels[40 * i]) for i in range(3)}
    assert found.subsamples[sorted(of_tight)].min() > 0.9
    assert max(value for i, value in enumerate(found.subsamples) if i not in of_tight) < 0.75


def test_repeats_are_seeded() -> None:
    points, _ = planted(noise=0.4)
    a, b = (repeat_search(points, 4, CLUSTER, seed=7, n_seeds=2, n_subsamples=2) for _ in range(2))
    np.testing.assert_array_equal(a.seeds, b.seeds)
    np.testing.assert_array_equal(a.subsamples, b.subsamples)
    assert all(inside.sum() == 120 for inside in a.seen)


def test_calibrated_membership_says_how_often_a_film_comes_into_a_cluster() -> None:
    points, _ = planted(n=400, noise=0.3)
    clustering = spherical_kmeans(points, 6, seed=0)
    repeats = repeat_search(points, 6, CLUSTER, seed=0, n_seeds=1, n_subsamples=10)
    told = with_calibrated_membership(clustering, points, repeats)
    np.testing.assert_array_equal(told.labels, clustering.labels)
    said = told.membership(points).max(axis=1)
    fresh = repeat_search(points, 6, CLUSTER, seed=99, n_seeds=1, n_subsamples=10)
    came = []
    for other, inside in zip(fresh.subsamples, fresh.seen, strict=True):
        to_mine = {int(c): int(np.bincount(clustering.labels[other == c]).argmax()) for c in np.unique(other)}
        back = np.array([to_mine[int(c)] for c in other]) == clustering.labels
        came.append((said[~inside].mean(), back[~inside].mean()))
    said_mean, true_mean = np.mean(came, axis=0)
    assert said_mean == pytest.approx(true_mean, abs=0.03)
    unsure = said < np.median(said)
    assert unsure.any()


def test_nothing_to_calibrate_on_leaves_membership_as_it_is() -> None:
    points, _ = planted(n=12)
    clustering = spherical_kmeans(points, 1, seed=0)
    repeats = repeat_search(points, 1, CLUSTER, seed=0, n_seeds=1, n_subsamples=1)
    assert with_calibrated_membership(clustering, points, repeats) is clustering
