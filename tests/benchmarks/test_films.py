from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score
from tests.benchmarks.conftest import scene_means

from cinegrain.errors import ConfigError
from cinegrain.types import MODALITIES
from simulator.films import FEWEST_SCENES, MOST_SCENES, draw_film, scene_vectors
from simulator.settings import DIFFICULTIES, SimulateSettings
from simulator.world import World, make_world

SMALL = SimulateSettings(pooled=True, scale_dimensions=0.125, missing=0.0)
N = 4000


def home_films(world: World, genre: str, n: int = N) -> tuple[list[int], np.ndarray]:
    """Films at home in a genre, and which of its four sub-genres they are."""
    home = world.genres.index(genre)
    films = [film for film in (draw_film(world, i) for i in range(n)) if world.homes[film.genre_set] == home]
    return [film.number for film in films], np.array([2 * film.variants[0] + film.variants[1] for film in films])


def lda_accuracy(x: np.ndarray, y: np.ndarray) -> float:
    """On the second half of the films, of an LDA on the first half."""
    half = len(y) // 2
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x[:half], y[:half])
    return float(model.score(x[half:], y[half:]))


def test_sub_genres_show_in_their_two_modes_together_and_in_no_mode_alone() -> None:
    world = make_world(replace(SMALL, difficulty="easy"))
    numbers, truth = home_films(world, "Drama")
    means = scene_means(world, numbers)
    carriers = {MODALITIES[m] for m in world.carriers[world.genres.index("Drama")]}
    alone = {mode: lda_accuracy(means[mode], truth) for mode in MODALITIES}
    for mode, score in alone.items():
        assert score < 0.6, f"{mode} alone tells half of the four at most (chance of the rest is a half)"
        if mode not in carriers:
            assert score < 0.35, f"{mode} tells nothing; chance is 0.25"
    for a, b in combinations(MODALITIES, 2):
        score = lda_accuracy(np.hstack([means[a], means[b]]), truth)
        assert (score > 0.85) == ({a, b} == carriers), (a, b, score)


def test_without_sub_genres_there_is_no_finer_structure_inside_a_genre() -> None:
    scores = {}
    for difficulty in ("easy", "none"):
        world = make_world(replace(SMALL, difficulty=difficulty))
        numbers, variants = home_films(world, "Drama")
        # Only films of no other genre: their other genres would be a structure of their own.
        alone = [i for i, n in enumerate(numbers) if len(draw_film(world, n).true_genres) == 1]
        means = scene_means(world, [numbers[i] for i in alone])
        stacked = np.hstack([means[m] / means[m].std() / np.sqrt(means[m].shape[1]) for m in MODALITIES])
        labels = KMeans(4, n_init=5, random_state=0).fit_predict(stacked)
        scores[difficulty] = adjusted_rand_score(variants[alone], labels)
        assert len(alone) > 100
    assert scores["easy"] > 0.25, "the same films' variants, where they are expressed"
    assert abs(scores["none"]) < 0.05, "chance is 0"
    world = make_world(SimulateSettings(difficulty="none"))
    assert world.sub_genre_name(3, (0, 1)) == world.sub_genre_name(3, (1, 0)) == world.genres[3]


def test_genres_are_as_unequal_and_as_mixed_as_promised() -> None:
    world = make_world(SimulateSettings(difficulty="medium"))
    films = [draw_film(world, i) for i in range(N)]
    labels = np.array([[genre in film.genres for genre in world.genres] for film in films])
    sizes = labels.sum(axis=1)
    assert sizes.min() == 1
    assert sizes.max() == 6
    assert 2.3 < sizes.mean() < 2.7
    share = dict(zip(world.genres, labels.mean(axis=0), strict=True))
    assert sorted(share, key=lambda g: -share[g])[:2] == ["Drama", "Comedy"]
    assert share["Drama"] > 0.4
    for small in ("Western", "War", "TV Movie", "Sport"):
        assert 0.005 < share[small] < 0.06

    def lift(a: str, b: str) -> float:
        i, j = world.genres.index(a), world.genres.index(b)
        return float((labels[:, i] & labels[:, j]).mean() / (share[a] * share[b]))

    assert lift("Animation", "Family") > 2
    assert lift("History", "War") > 2
    assert lift("Documentary", "Horror") < 0.3
    scenes = np.array([film.n_scenes for film in films])
    assert scenes.min() >= FEWEST_SCENES
    assert scenes.max() == MOST_SCENES
    assert np.mean(scenes) > np.median(scenes), "a long tail"
    missing = 1 - np.mean([film.present for film in films])
    assert 0.02 < missing < 0.04


def test_label_noise_has_the_rate_asked_for() -> None:
    world = make_world(SimulateSettings(label_noise=0.2))
    films = [draw_film(world, i) for i in range(2000)]
    several = [film for film in films if len(film.true_genres) > 2]
    lost = np.mean([g not in film.genres for film in several for g in film.true_genres])
    # A little below the rate: a wrong genre may be the lost one, and a film never loses all of its genres.
    assert 0.15 < lost < 0.21
    added = np.mean([not set(film.genres) <= set(film.true_genres) for film in films])
    assert 0.1 < added < 0.2, "below the rate: a wrong genre may be a right one"
    clean = make_world(SimulateSettings())
    assert all((film := draw_film(clean, i)).genres == film.true_genres for i in range(200))


def test_a_film_depends_on_the_seed_and_its_number_alone() -> None:
    few, many = (make_world(SimulateSettings(trailers=n, scale_dimensions=0.1)) for n in (5, 50_000))
    other = make_world(SimulateSettings(trailers=5, scale_dimensions=0.1, seed=1))
    for number in (0, 3, 4):
        vectors = [scene_vectors(world, draw_film(world, number)) for world in (few, many, other)]
        for mode in vectors[0]:
            assert vectors[0][mode].tobytes() == vectors[1][mode].tobytes()
            if mode in vectors[2]:
                assert vectors[0][mode].tobytes() != vectors[2][mode].tobytes()


def test_missing_modes_leave_the_others_as_they_are() -> None:
    whole, holes = (make_world(SimulateSettings(missing=m, scale_dimensions=0.1)) for m in (0.0, 0.5))
    kept = 0
    for number in range(20):
        a, b = (scene_vectors(world, draw_film(world, number)) for world in (whole, holes))
        assert b, "a film keeps at least one mode"
        kept += len(b)
        assert all(np.array_equal(a[mode], b[mode]) for mode in b)
    assert 25 < kept < 60


def test_vectors_look_like_those_of_networks() -> None:
    world = make_world(SimulateSettings(missing=0.0))
    films = [draw_film(world, i) for i in range(8)]
    for mode, size in (("audio", 128), ("location", 2048), ("motion", 512), ("image", 2048)):
        vectors = np.concatenate([scene_vectors(world, film)[mode] for film in films])  # type: ignore[index]
        assert vectors.shape == (sum(film.n_scenes for film in films), size)
        assert vectors.min() == 0
        assert 0.2 < (vectors == 0).mean() < 0.6, "as after a ReLU"
        assert 0.2 < vectors.mean() < 1


@pytest.mark.parametrize(
    "wrong",
    [{"trailers": 0}, {"genres": 21}, {"difficulty": "mild"}, {"label_noise": 1.0}, {"missing": -0.1},
     {"scale_dimensions": 0.0}],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SimulateSettings(**wrong)  # type: ignore[arg-type]
    assert "none" in DIFFICULTIES
