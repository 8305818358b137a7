"""New films: a planted sub-genre that was left out is proposed, scattered strangers are not."""

import numpy as np
import pytest

from cinegrain.atlas.placement import Fit, apartness, gather, learn_fit, place
from cinegrain.discovery.kmeans import spherical_kmeans
from cinegrain.errors import ConfigError
from cinegrain.settings import AssignSettings
from cinegrain.types import Float64, Int64

K, D = 9, 48
MIN_FILMS = AssignSettings().min_films


def unit(x: Float64) -> Float64:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def films(kinds: Int64, *, noise: float, seed: int) -> Float64:
    """Nine sub-genres of three genres: what a genre shares is stronger than what tells its sub-genres apart."""
    genres, kinds_of = np.random.default_rng(42).normal(size=(2, K, D))
    centres = 1.2 * genres[np.arange(K) // 3] + kinds_of
    return unit(centres[kinds] + noise * np.random.default_rng(seed).normal(size=(len(kinds), D)))


def world(noise: float) -> tuple[Fit, Float64]:
    """An atlas that never saw sub-genre 8, and films of 0 to 7 held out."""
    kinds = np.repeat(np.arange(K - 1), 40)
    points = films(kinds, noise=noise, seed=1)
    found = spherical_kmeans(points, K - 1, seed=0)
    held_out = np.random.default_rng(3).random(len(points)) < 0.2
    return learn_fit(points, found.labels, found.centroids, held_out), points


@pytest.mark.parametrize("noise", [0.4, 0.8, 1.2])
def test_a_sub_genre_left_out_is_proposed(noise: float) -> None:
    fit, _ = world(noise)
    old, new = films(np.arange(80) % (K - 1), noise=noise, seed=7), films(np.full(30, K - 1), noise=noise, seed=8)
    found = gather(np.concatenate([old, new]), fit, MIN_FILMS)
    assert len(found) == 1
    assert (found[0].rows >= 80).mean() >= 0.9, "hardly any old film among them"
    assert (found[0].rows >= 80).sum() >= 24, "and most of the new ones"


@pytest.mark.parametrize("seed", range(5))
def test_strangers_scattered_at_random_fit_nowhere_and_are_not_proposed(seed: int) -> None:
    fit, _ = world(0.8)
    strangers = unit(np.random.default_rng(seed).normal(size=(200, D)))
    assert not place(strangers, fit).fits.any()
    assert gather(strangers, fit, MIN_FILMS) == []


@pytest.mark.parametrize("seed", range(5))
def test_new_films_of_the_old_kinds_fit_and_are_not_proposed(seed: int) -> None:
    fit, _ = world(0.8)
    old = films(np.arange(400) % (K - 1), noise=0.8, seed=100 + seed)
    assert place(old, fit).fits.mean() > 0.97
    assert gather(old, fit, MIN_FILMS) == []


def test_too_few_are_not_proposed() -> None:
    fit, _ = world(0.4)
    new = films(np.full(7, K - 1), noise=0.4, seed=8)
    assert gather(new, fit, MIN_FILMS) == []
    assert len(gather(new, fit, 7)) == 1


def test_limits_are_the_quantiles_of_members_or_of_films_that_trained_nothing() -> None:
    rng = np.random.default_rng(0)
    points = unit(rng.normal(size=(60, 5)) + 2 * np.eye(5)[np.arange(60) % 2])
    labels = np.arange(60) % 2
    centroids = unit(np.stack([points[labels == k].sum(axis=0) for k in range(2)]))
    held_out = np.arange(60) < 10
    fit = learn_fit(points, labels, centroids, held_out)
    for k in range(2):
        own = [1 - float(p @ centroids[k]) for p, label in zip(points, labels, strict=True) if label == k]
        others = [min(1 - float(p @ c) for c in centroids) for p in points[:10]]
        assert fit.nowhere[k] == pytest.approx(max(np.quantile(own, 0.99), np.quantile(others, 0.99)))
        assert fit.loose[k] == pytest.approx(max(np.quantile(own, 0.75), np.quantile(others, 0.75)))
    apart = [apartness(points[labels == k], centroids[[1 - k]]) for k in range(2)]
    assert fit.apartness == pytest.approx(np.median(apart))


def test_apartness_is_the_silhouette_with_centres_for_films() -> None:
    rng = np.random.default_rng(0)
    points, others = unit(rng.normal(size=(7, 4)) + 1), unit(rng.normal(size=(3, 4)))
    silhouettes = []
    for i, film in enumerate(points):
        rest = np.delete(points, i, axis=0).mean(axis=0)
        a = 1 - film @ rest / np.linalg.norm(rest)
        b = min(1 - film @ other for other in others)
        silhouettes.append((b - a) / max(a, b))
    assert apartness(points, others) == pytest.approx(np.mean(silhouettes))
    assert apartness(points[:1], others) == 0


def test_two_new_sub_genres_at_once_are_two_proposals() -> None:
    kinds = np.repeat(np.arange(K - 2), 40)
    points = films(kinds, noise=0.6, seed=1)
    found = spherical_kmeans(points, K - 2, seed=0)
    fit = learn_fit(points, found.labels, found.centroids, np.zeros(len(points), dtype=bool))
    new = films(np.repeat([K - 2, K - 1], [20, 30]), noise=0.6, seed=9)
    groups = [set(one.rows.tolist()) for one in gather(new, fit, MIN_FILMS)]
    assert groups == [set(range(20, 50)), set(range(20))]


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"assign\."):
        AssignSettings(min_films=1)
