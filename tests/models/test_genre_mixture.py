import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cinegrain.errors import DataError
from cinegrain.models.genre_mixture import (
    components_by_genre,
    discriminant,
    fit_genre_mixture,
    linear_scores,
)
from cinegrain.types import Bool, Float64, Int64


def planted(n: int = 600, *, strength: float = 2.0, seed: int = 0, d: int = 12) -> tuple[Float64, Bool, Int64]:
    """Three genres, one or two a film; two sub-genres in a film's first genre, apart along that genre's own axis."""
    rng = np.random.default_rng(seed)
    home, variant = rng.integers(3, size=n), rng.integers(2, size=n)
    genres = np.eye(3, dtype=bool)[home] | (rng.random((n, 3)) < 0.3)
    means, axes = rng.normal(size=(2, 3, d))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    points = genres @ means + strength * (2 * variant - 1)[:, None] * axes[home] + rng.normal(size=(n, d))
    return points, genres, 2 * home + variant


def test_planted_sub_genres_are_found_and_every_film_stays_under_its_genres() -> None:
    points, genres, truth = planted()
    found = fit_genre_mixture(points, genres, components_by_genre(points, genres, 6, seed=0), seed=0, steps=30)
    assert adjusted_rand_score(truth, found.memberships.argmax(axis=1)) > 0.7
    np.testing.assert_allclose(found.memberships.sum(axis=1), 1)
    assert not found.memberships[~genres[:, found.genre_of]].any()


def test_without_sub_genres_what_is_found_inside_a_genre_is_chance() -> None:
    points, genres, truth = planted(strength=0.0)
    found = fit_genre_mixture(points, genres, components_by_genre(points, genres, 6, seed=0), seed=0, steps=30)
    labels = found.memberships.argmax(axis=1)
    inside = [adjusted_rand_score(truth[truth // 2 == h], labels[truth // 2 == h]) for h in range(3)]
    assert abs(np.mean(inside)) < 0.05


def test_genres_given_at_random_do_not_help() -> None:
    points, genres, truth = planted()
    shuffled = genres[np.random.default_rng(1).permutation(len(genres))]
    good, bad = (
        fit_genre_mixture(points, g, components_by_genre(points, g, 6, seed=0), seed=0, steps=30).memberships.argmax(
            axis=1
        )
        for g in (genres, shuffled)
    )
    assert adjusted_rand_score(truth, bad) < 0.5 * adjusted_rand_score(truth, good)


def slow_step(points: Float64, genres: Bool, genre_of: Int64, p: Float64) -> Float64:
    """One step of expectation maximisation, film by film and component by component."""
    n, d = points.shape
    k, g = p.shape[1], genres.shape[1]
    centred = points - points.mean(axis=0)
    design = genres - genres.mean(axis=0)
    effects = np.linalg.inv(design.T @ design + 20 * np.eye(g)) @ design.T @ centred
    rest = np.array([centred[i] - sum((effects[j] for j in range(g) if genres[i, j]), np.zeros(d)) for i in range(n)])
    sizes = p.sum(axis=0)
    offsets = np.array([sum(p[i, c] * rest[i] for i in range(n)) / (sizes[c] + 1e-3) for c in range(k)])
    scatter = sum(np.outer(rest[i], rest[i]) for i in range(n)) - sum(
        sizes[c] * np.outer(offsets[c], offsets[c]) for c in range(k)
    )
    covariance = scatter / n
    share = max(0.5, d / (d + n))
    inverse = np.linalg.inv((1 - share) * covariance + share * np.trace(covariance) / d * np.eye(d))
    result = np.zeros((n, k))
    for i in range(n):
        for c in range(k):
            if genres[i, genre_of[c]] or not genres[i].any():
                same = [e for e in range(k) if genre_of[e] == genre_of[c]]
                prior = (sum(sizes[e] for e in same) / len(same) + 1) / (n + k)
                gap = rest[i] - offsets[c]
                result[i, c] = prior * math.exp(-gap @ inverse @ gap / 2)
        result[i] /= result[i].sum()
    return result


def test_a_step_equals_the_loop() -> None:
    points, genres, _ = planted(40, d=3)
    genres[0] = False  # a film of unknown genres may be anywhere
    genre_of = components_by_genre(points, genres, 5, seed=0)
    start = np.random.default_rng(0).dirichlet(np.ones(5), size=40)
    found = fit_genre_mixture(points, genres, genre_of, seed=0, steps=1, start=start)
    np.testing.assert_allclose(found.memberships, slow_step(points, genres, genre_of, start), rtol=1e-6, atol=1e-9)


def test_components_are_shared_out_evenly_and_the_rest_goes_where_films_fall_apart() -> None:
    genres = np.eye(3, dtype=bool)[[0] * 50 + [1] * 30 + [2] * 20]
    points = np.random.default_rng(0).normal(size=(100, 4))
    points[80:90] += 5  # the smallest genre falls into three
    points[90:95] -= 5
    assert np.bincount(components_by_genre(points, genres, 6, seed=0)).tolist() == [2, 2, 2]
    assert np.bincount(components_by_genre(points, genres, 7, seed=0)).tolist() == [2, 2, 3]
    small = np.eye(3, dtype=bool)[[0] * 50 + [1] * 46 + [2] * 4]
    counts = np.bincount(components_by_genre(points, small, 9, seed=0))
    assert counts.tolist() == [4, 4, 1], "three films a component, or none more"
    with pytest.raises(DataError, match="k = 2"):
        components_by_genre(points, genres, 2, seed=0)


def test_a_genre_without_films_gets_no_component() -> None:
    genres = np.zeros((10, 3), dtype=bool)
    genres[:5, 0] = genres[5:, 2] = True
    assert set(components_by_genre(np.random.default_rng(0).normal(size=(10, 2)), genres, 4, seed=0)) == {0, 2}


def test_the_discriminant_puts_what_tells_components_apart_first() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=2000)
    points = rng.normal(size=(2000, 5)) * [5, 1, 1, 1, 1]
    points[:, 3] += 4 * labels
    turned = points @ discriminant(points, np.eye(2)[labels])
    gaps = np.abs(turned[labels == 1].mean(axis=0) - turned[labels == 0].mean(axis=0))
    assert gaps[0] > 10 * gaps[1:].max()


def test_linear_scores_are_the_posterior_of_normal_distributions_of_one_covariance() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    points = rng.normal(size=(300, 4)) + 5 + 3 * np.eye(3, 4)[labels]
    weights, biases = linear_scores(points, np.eye(3)[labels])
    assert ((points @ weights.T + biases).argmax(axis=1) == labels).mean() > 0.95
    means = np.array([points[labels == c].mean(axis=0) for c in range(3)])
    scatter = sum(np.cov(points[labels == c].T, bias=True) * (labels == c).sum() for c in range(3)) / 300
    inverse = np.linalg.inv(0.5 * scatter + 0.5 * np.trace(scatter) / 4 * np.eye(4))
    for x in points[:5]:
        slow = [math.log((labels == c).mean()) - (x - means[c]) @ inverse @ (x - means[c]) / 2 for c in range(3)]
        fast = weights @ x + biases
        np.testing.assert_allclose(fast - fast[0], np.array(slow) - slow[0], atol=1e-6)
