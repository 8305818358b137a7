import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from tests.models.test_genre_mixture import planted

from cinegrain.discovery.genres import under_genres
from cinegrain.errors import DataError
from cinegrain.types import Bool, Float64, Int64
from simulator.films import draw_film, scene_vectors
from simulator.settings import SimulateSettings
from simulator.world import make_world


def unit_planted(n: int = 600) -> tuple[Float64, Bool, Int64]:
    points, genres, truth = planted(n, strength=2.5)
    return points / np.linalg.norm(points, axis=1, keepdims=True), genres, truth


def test_every_film_is_in_the_best_cluster_of_its_genres() -> None:
    points, genres, _ = unit_planted()
    found = under_genres(points, 6, seed=0, genres=genres)
    assert len(found) == 6
    assert (np.diff(np.bincount(found.labels)) <= 0).all(), "biggest first"
    share = [genres[found.labels == c].mean(axis=0).max() for c in range(6)]
    assert min(share) == 1.0, "all members of a cluster have its genre"


def test_films_of_unknown_genres_are_placed_by_what_they_are_like() -> None:
    points, genres, _ = unit_planted()
    found = under_genres(points, 6, seed=0, genres=genres)
    agree = (found.assign(points) == found.labels).mean()
    assert 0.5 < agree < 1.0
    np.testing.assert_allclose(found.membership(points[:3]).sum(axis=1), 1)
    own = found.membership_of_own(points)
    np.testing.assert_array_equal(own.argmax(axis=1), found.labels)
    np.testing.assert_allclose(own.sum(axis=1), 1)


@pytest.mark.parametrize("k", [1, 2])
def test_fewer_clusters_than_genres_are_merged(k: int) -> None:
    points, genres, _ = unit_planted()
    assert len(under_genres(points, k, seed=0, genres=genres)) <= k


def test_without_genres_it_still_clusters() -> None:
    points, _, _ = unit_planted(200)
    for genres in (None, np.zeros((200, 2), dtype=bool)):
        assert len(under_genres(points, 4, seed=0, genres=genres)) == 4


def test_same_seed_same_clusters_and_k_out_of_range() -> None:
    points, genres, _ = unit_planted(200)
    first, second = (under_genres(points, 6, seed=3, genres=genres).labels for _ in range(2))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(DataError, match="within"):
        under_genres(points, 201, seed=0, genres=genres)


def test_studios_that_tell_films_apart_better_are_not_taken_for_sub_genres() -> None:
    """Clusters of all films follow them, and make the likelier fit; they change with the seed, so they do not count."""
    world = make_world(SimulateSettings(trailers=1200, difficulty="hard", seed=8, scale_dimensions=0.05, missing=0.0))
    films = [draw_film(world, i) for i in range(1200)]
    means = np.stack([np.concatenate([v.mean(0) for v in scene_vectors(world, film).values()]) for film in films])
    points = (means - means.mean(0)) / means.std(0)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    genres = np.array([[genre in film.genres for genre in world.genres] for film in films])
    fine = [4 * world.homes[film.genre_set] + 2 * film.variants[0] + film.variants[1] for film in films]
    found = under_genres(points, 4 * len(world.genres), seed=0, genres=genres)
    assert adjusted_rand_score(fine, found.labels) > 0.08, "0.05 when the likelier fit is always taken"
