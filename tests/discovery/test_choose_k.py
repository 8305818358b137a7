import numpy as np
from tests.discovery.test_clusterers import planted, unit

from cinegrain.discovery.choose_k import KPoint, best_number, choose_k
from cinegrain.discovery.clustering import Clustering
from cinegrain.discovery.kmeans import kmeans_clusterer
from cinegrain.settings import DiscoverSettings
from cinegrain.types import Bool, Float64


def test_the_rule_by_hand() -> None:
    loose = KPoint(2, silhouette=0.9, stability=0.5, gap=0.3, chance=0.1)
    chance = KPoint(3, silhouette=0.8, stability=1.0, gap=0.1, chance=0.1)
    good = KPoint(4, silhouette=0.5, stability=0.75, gap=0.2, chance=0.1)
    worse = KPoint(5, silhouette=0.4, stability=0.9, gap=0.4, chance=0.1)
    assert best_number([loose, chance, good, worse]).k == 4
    assert "stable and beyond chance" in best_number([loose, chance, good, worse]).criterion
    none = best_number([loose, chance])
    assert none.k == 2
    assert "no number is both" in none.criterion


def test_planted_groups_hold_and_cuts_through_blobs_of_two_genres_do_not() -> None:
    points, _ = planted(n=150)
    no_genres = np.zeros((150, 2), dtype=bool)
    found = choose_k(points[:, None], no_genres, DiscoverSettings(max_clusters=9), cluster=kmeans_clusterer(3), seed=0)
    assert found.k == 6
    assert "stable and beyond chance" in found.criterion
    rng = np.random.default_rng(0)
    genre = np.arange(150) % 2
    blobs = unit(2 * np.eye(12)[genre] + 0.6 * rng.normal(size=(150, 12)))
    labels = np.eye(2, dtype=bool)[genre]
    found = choose_k(blobs[:, None], labels, DiscoverSettings(max_clusters=6), cluster=kmeans_clusterer(3), seed=0)
    assert "no number is both" in found.criterion, "the genres explain the two groups"


def test_many_numbers_are_tried_in_even_ratios_and_then_near_the_best() -> None:
    points, _ = planted(n=150)
    many = np.zeros((150, 12), dtype=bool)
    curve = choose_k(points[:, None], many, DiscoverSettings(), cluster=kmeans_clusterer(3), seed=0).curve
    tried = [point.k for point in curve]
    assert tried == sorted(set(tried))
    assert (tried[0], tried[-1]) == (2, 48)
    assert {5, 6, 7} <= set(tried)
    assert len(tried) <= 24


def test_the_clusterer_that_is_used_is_measured_and_knows_the_genres_of_its_films() -> None:
    rng = np.random.default_rng(0)
    genre = rng.integers(0, 2, 1700)  # more films than the curve is measured on
    blobs = unit(2 * np.eye(12)[genre] + 0.1 * rng.normal(size=(1700, 12)))
    labels = np.eye(2, dtype=bool)[genre]
    asked = []

    def by_given_genre(points: Float64, k: int, *, seed: int, genres: Bool | None = None) -> Clustering:
        assert genres is not None
        np.testing.assert_array_equal(genres.argmax(axis=1), points[:, :2].argmax(axis=1))
        asked.append(k)
        return kmeans_clusterer(1)(points, k, seed=seed)

    settings = DiscoverSettings(max_clusters=4)
    found = choose_k(blobs[:, None], labels, settings, cluster=by_given_genre, quick=kmeans_clusterer(1), seed=0)
    assert set(asked) == {point.k for point in found.curve} == {2, 3, 4}


def test_sub_genres_under_genres_are_no_fewer_than_genres() -> None:
    points, _ = planted(n=150)
    labels = np.eye(5, dtype=bool)[np.arange(150) % 5]
    lowest = {}
    for clusterer in ("genres", "kmeans"):
        settings = DiscoverSettings(clusterer=clusterer, max_clusters=9)
        curve = choose_k(points[:, None], labels, settings, cluster=kmeans_clusterer(1), seed=0).curve
        lowest[clusterer] = curve[0].k
    assert lowest == {"genres": 5, "kmeans": 2}
    few = choose_k(points[:9, None], labels[:9], DiscoverSettings(), cluster=kmeans_clusterer(1), seed=0).curve
    assert [point.k for point in few] == [3], "a third of the films"
