import numpy as np
from scipy.stats import multivariate_normal
from sklearn.metrics import average_precision_score

from cinegrain.types import MODALITIES
from simulator.films import draw_film, hidden_scenes
from simulator.oracle import oracle_probabilities
from simulator.settings import SimulateSettings
from simulator.world import make_world


def test_oracle_equals_bayes_rule_written_out() -> None:
    """A second computation: every set, studio and pair of variants is one normal distribution, summed by hand."""
    settings = SimulateSettings(genres=3, studios=2, scale_dimensions=0.01, missing=0.3, difficulty="hard")
    world, numbers = make_world(settings), [0, 5, 9, 14]
    s = settings.strengths
    expected = np.zeros((len(numbers), 3))
    for row, number in zip(expected, numbers, strict=True):
        film = draw_film(world, number)
        hidden = hidden_scenes(world, film)
        total = 0.0
        for c, members in enumerate(world.sets):
            for studio in range(2):
                for va in (-1, 1):
                    for vb in (-1, 1):
                        p = world.shares[c]
                        for m, mode in enumerate(MODALITIES):
                            if not film.present[m]:
                                continue
                            own, carriers = world.modes[mode], list(world.carriers[members[0]])
                            mean = own.set_means[c] + own.studios[studio]
                            if m in carriers:
                                mean = mean + (va, vb)[carriers.index(m)] * own.variant[members[0]]
                            variance = s.trailer**2 + s.scene**2 / film.n_scenes
                            p *= multivariate_normal(mean, variance).pdf(hidden[mode].mean(axis=0))
                        total += p
                        row[list(members)] += p
        row /= total
    np.testing.assert_allclose(oracle_probabilities(world, numbers), expected, rtol=1e-8, atol=1e-12)


def test_oracle_is_calibrated_and_no_linear_model_of_the_hidden_means_beats_it() -> None:
    world = make_world(SimulateSettings(pooled=True, scale_dimensions=0.02, difficulty="hard", missing=0.0, studios=5))
    numbers = list(range(1500))
    films = [draw_film(world, i) for i in numbers]
    truth = np.array([[genre in film.true_genres for genre in world.genres] for film in films])
    p = oracle_probabilities(world, numbers)
    # Over 1500 films a genre's share has a standard error of at most 0.013.
    np.testing.assert_allclose(p.mean(axis=0), truth.mean(axis=0), atol=0.03)
    for low in (0.1, 0.3, 0.5, 0.7):
        inside = (p > low) & (p <= low + 0.2)
        assert abs(truth[inside].mean() - p[inside].mean()) < 0.04
    x = np.hstack([[hidden_scenes(world, film)[mode][0] for film in films] for mode in MODALITIES])
    design = np.hstack([x, np.ones((len(x), 1))])
    half = len(x) // 2
    weights = np.linalg.lstsq(design[:half], truth[:half].astype(float), rcond=None)[0]
    frequent = truth.mean(axis=0) > 0.1
    linear = average_precision_score(truth[half:][:, frequent], (design[half:] @ weights)[:, frequent])
    best = average_precision_score(truth[half:][:, frequent], p[half:][:, frequent])
    assert best > linear


def test_no_trailer_gives_no_row() -> None:
    world = make_world(SimulateSettings(genres=3))
    assert oracle_probabilities(world, []).shape == (0, 3)
