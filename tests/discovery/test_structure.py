"""Structure within genres: found where planted, not invented where there is none."""

import numpy as np
import pytest
from tests.discovery.test_clusterers import unit

from cinegrain.discovery.null_films import NullFilms, without_genres
from cinegrain.discovery.structure import GenreStructure, genre_structures, said_of, said_of_all
from simulator.films import draw_film, scene_vectors
from simulator.settings import SimulateSettings
from simulator.world import make_world

G = 3


def films(parts: bool, n: int = 240, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Two experts, three genres, one or two a film; with `parts` the first genre has two parts in the first expert."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, G), dtype=bool)
    labels[np.arange(n), np.arange(n) % G] = True
    labels[np.arange(0, n, 4), (np.arange(0, n, 4) + 1) % G] = True
    blocks = []
    for expert in range(2):
        means = 1.5 * unit(rng.normal(size=(G, 12)))
        side = np.where(rng.random(n) < 0.5, 1, -1) * labels[:, 0] * (parts and expert == 0)
        rows = labels @ means + 0.5 * rng.normal(size=(n, 12)) + 1.4 * side[:, None] * unit(rng.normal(size=(1, 12)))
        blocks.append(unit(rows))
    return blocks, labels


def found_in(blocks: list[np.ndarray], labels: np.ndarray, seed: int = 0) -> tuple[GenreStructure, ...]:
    return genre_structures(lambda rows: [block[rows] for block in blocks], labels, ("A", "B", "C"), seed=seed)


def test_parts_are_found_in_the_genre_that_has_them_and_in_no_other() -> None:
    a, b, c = found_in(*films(parts=True))
    assert a.finer is True
    assert a.k == 2
    assert a.gap > a.chance
    assert (b.finer, c.finer) == (False, False)
    assert said_of(a).startswith("Finer structure was found inside A (gap 0.")
    assert said_of(b).startswith("No finer structure was found inside B (gap ")
    assert said_of_all((b,)) == said_of(b)
    assert said_of_all((a, b, c)) == "Finer structure was found inside 1 of 3 genres: A."


@pytest.mark.parametrize("seed", range(3))
def test_one_blob_a_genre_is_said_to_be_one(seed: int) -> None:
    structures = found_in(*films(parts=False, seed=seed))
    assert [s.finer for s in structures] == [False] * 3
    assert said_of_all(structures).startswith("No finer structure was found inside any of 3 genres")


def test_blobs_are_hardly_ever_taken_for_structure() -> None:
    p = [s.p for seed in range(4) for s in found_in(*films(parts=False, n=150, seed=seed), seed=seed)]
    assert np.mean(p) > 0.4, "chance is drawn wider than it was, never narrower"
    assert min(p) > 0.01


def simulated(difficulty: str) -> tuple[list[np.ndarray], np.ndarray]:
    wanted = SimulateSettings(
        trailers=1000, genres=4, difficulty=difficulty, pooled=True, missing=0.02, scale_dimensions=0.125, seed=8
    )
    world = make_world(wanted)
    drawn = [draw_film(world, i) for i in range(wanted.trailers)]
    seen = [scene_vectors(world, film) for film in drawn]
    blocks = []
    for mode, dimension in wanted.dimensions.items():
        rows = np.stack([vectors[mode][0] if mode in vectors else np.full(dimension, np.nan) for vectors in seen])
        scaled = np.nan_to_num((rows - np.nanmean(rows, axis=0)) / np.nanstd(rows, axis=0)).astype(np.float64)
        blocks.append(scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12))
    labels = np.array([[genre in film.genres for genre in world.genres] for film in drawn])
    return blocks, labels


@pytest.mark.parametrize(("difficulty", "fewest", "most"), [("none", 0, 0), ("medium", 2, 4)])
def test_simulated_films_have_finer_structure_only_where_it_was_planted(
    difficulty: str, fewest: int, most: int
) -> None:
    blocks, labels = simulated(difficulty)
    structures = genre_structures(lambda rows: [b[rows] for b in blocks], labels, tuple("ABCD"), seed=0)
    assert fewest <= sum(bool(s.finer) for s in structures) <= most


def test_too_few_films_are_not_judged() -> None:
    blocks, labels = films(parts=True, n=24)
    structures = found_in(blocks, labels)
    assert {s.finer for s in structures} == {None}
    assert said_of(structures[0]).startswith("Too few films")
    assert "20 films" in said_of_all(structures)


def test_order_of_films_plays_no_part() -> None:
    blocks, labels = films(parts=True)
    order = np.random.default_rng(1).permutation(len(labels))
    before = found_in(blocks, labels)
    after = found_in([block[order] for block in blocks], labels[order])
    assert [s.finer for s in before] == [s.finer for s in after]
    np.testing.assert_allclose([s.gap for s in before], [s.gap for s in after], atol=0.03)  # chance falls elsewhere


def test_null_films_keep_genres_lengths_and_covariance_but_no_groups() -> None:
    blocks, labels = films(parts=True, n=600)
    blocks[1][:50] = 0  # an expert that saw nothing
    null = NullFilms(blocks, labels)
    rng = np.random.default_rng(0)
    drawn = [null.draw(rng) for _ in range(20)]
    for points in (null.points, drawn[0]):
        np.testing.assert_allclose(np.linalg.norm(points[:, :12], axis=1), 1, atol=1e-9)
        np.testing.assert_allclose(points[:50, 12:], 0, atol=1e-9)
    found = null.remainder_of(null.points)[50:]
    chance = np.mean([np.cov(null.remainder_of(points)[50:].T) for points in drawn], axis=0)
    np.testing.assert_allclose(chance, np.cov(found.T), atol=0.02)
    of_genre = [points[labels[:, 0]].mean(axis=0) for points in drawn]
    np.testing.assert_allclose(np.mean(of_genre, axis=0), null.points[labels[:, 0]].mean(axis=0), atol=0.05)


def test_without_genres_is_ridge_regression_by_hand() -> None:
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(40, 5)), rng.random((40, 3)) < 0.4
    x = labels - labels.mean(axis=0)
    y = points - points.mean(axis=0)
    beta = np.linalg.inv(x.T @ x + np.eye(3)) @ (x.T @ y)
    expected = np.array([[y[i, j] - sum(x[i, g] * beta[g, j] for g in range(3)) for j in range(5)] for i in range(40)])
    np.testing.assert_allclose(without_genres(points, labels), expected)
