"""The best that any model can do on a simulated corpus: the posterior of the genres, knowing how it was made."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from cinegrain.types import MODALITIES, Bool, Float64
from simulator.films import draw_film, hidden_scenes
from simulator.world import World

_AT_ONCE = 500


def oracle_probabilities(world: World, numbers: Sequence[int]) -> Float64:
    """Chance of each genre given a trailer's scenes, by Bayes' rule with the true means, noise and missing modes.

    It sees the hidden scene means, of which vectors are a noisy image, so it is an upper bound; in the paper's
    dimensions what the image loses is small. Label noise is not in it: it tells the planted genres.

    Args:
        world: The generating model.
        numbers: Which trailers, by number.

    Returns:
        Shape (n, g), columns in the order of `world.genres`.

    Source: Bayes' rule for a finite mixture of normal distributions. With x a mode's mean over s scenes,
    x | set, studio, variant ~ N(set mean + studio +- variant, (trailer^2 + scene^2 / s) I); modes are independent, and
    the two variants of a mode sum to a cosh.
    """
    numbers = list(numbers)
    parts = [_posterior(world, numbers[i : i + _AT_ONCE]) for i in range(0, len(numbers), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros((0, len(world.genres)))


def _posterior(world: World, numbers: list[int]) -> Float64:
    strengths = world.settings.strengths
    films = [draw_film(world, number) for number in numbers]
    hidden = [hidden_scenes(world, film) for film in films]
    n_scenes = np.array([film.n_scenes for film in films])
    variance = strengths.trailer**2 + strengths.scene**2 / n_scenes  # (n,)
    present = np.array([film.present for film in films])
    seen = {mode: np.stack([scenes[mode].mean(axis=0) for scenes in hidden]) for mode in MODALITIES}
    modes = [_Mode(world, i, seen[mode], variance, present[:, i]) for i, mode in enumerate(MODALITIES)]
    total = np.full((len(films), len(world.sets)), -np.inf)
    for studio in range(world.settings.studios):
        log_p = np.broadcast_to(np.log(world.shares), total.shape).copy()  # (n, c)
        for mode in modes:
            mode.add_evidence(log_p, studio)
        np.logaddexp(total, log_p, out=total)
    posterior = np.exp(total - logsumexp(total, axis=1, keepdims=True))
    return np.asarray(posterior @ world.membership)


class _Mode:
    """Log-likelihoods of one mode; what does not depend on the studio is computed once."""

    def __init__(self, world: World, position: int, x: Float64, variance: Float64, present: Bool) -> None:
        own = world.modes[MODALITIES[position]]
        direction = own.variant[world.homes]  # (c, r)
        self._present = present[:, None]
        self._variance = variance[:, None]
        self._films = x @ own.set_means.T - ((own.set_means**2).sum(1) + (direction**2).sum(1)) / 2  # (n, c)
        self._studios = own.studios @ own.set_means.T  # (t, c)
        self._off = x @ own.studios.T - (own.studios**2).sum(1) / 2  # (n, t)
        self._carry = np.flatnonzero(direction.any(axis=1))  # sets whose sub-genres this mode tells apart
        told = direction[self._carry]
        self._along = x @ told.T - (own.set_means[self._carry] * told).sum(1)  # (n, c')
        self._along_studios = own.studios @ told.T  # (t, c')

    def add_evidence(self, log_p: Float64, studio: int) -> None:
        """Adds log p(x | set, studio), less what is alike for all, to shape (n, c); nothing where it is missing."""
        found = (self._films - self._studios[studio] + self._off[:, studio, None]) / self._variance
        found[:, self._carry] += _log_cosh((self._along - self._along_studios[studio]) / self._variance)
        log_p += np.where(self._present, found, 0.0)


def _log_cosh(values: Float64) -> Float64:
    size = np.abs(values)
    return np.asarray(size + np.log1p(np.exp(-2 * size)) - np.log(2.0))
