"""Gaussian mixture whose components belong to genres.

A film's vector is the sum of its genres' effects, the offset of one component of one of its genres, and noise with a
shared covariance. The genre effects absorb coarse differences; components capture what repeats within a genre.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.cluster import KMeans

from cinegrain.errors import DataError
from cinegrain.types import Bool, Float64, Int64

_MIN_FILMS = 3.0  # per component
_FLOOR = 0.1  # lower bound of the variance between components, in units of the variance within
_TRIAL_STEPS = 6  # EM steps before initialisations are compared
_GAIN_STEPS = 10  # EM steps before a further component is assessed
_RIDGE = 20.0  # penalty of the genre effects, in films


@dataclass(frozen=True, eq=False)
class GenreMixture:
    """A mixture fitted to n films.

    Attributes:
        genre_of: Genre of each component, shape (k,).
        memberships: Posterior of each component, shape (n, k); 0 where the film does not have its genre.
        log_likelihood: Mean over films, in nats, up to a constant.
    """

    genre_of: Int64
    memberships: Float64
    log_likelihood: float


def components_by_genre(points: Float64, genres: Bool, k: int, *, seed: int) -> Int64:
    """Distribute k components evenly over genres; the remainder goes to the genres that gain most.

    A genre with fewer than three films per component gets no more while others have room. A film with several genres
    counts as a fraction in each.

    Args:
        points: Shape (n, d).
        genres: Shape (n, g).
        k: Number of components, at least one for each genre that has a film.
        seed: Random seed of the k-means that measures the gain.

    Returns:
        Genre of each component, sorted, shape (k,).

    Raises:
        DataError: If k is too small.
    """
    films = (genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)).sum(axis=0)  # (g,)
    counts = (films > 0).astype(np.int64)
    if k < counts.sum():
        raise DataError(f"Each of {counts.sum()} genres needs at least one component; found k = {k}.")
    while counts.sum() < k:
        has_room = films >= _MIN_FILMS * (counts + 1)
        candidates = np.flatnonzero((films > 0) & (has_room | ~has_room.any()))
        remainder = k - int(counts.sum())
        if len(candidates) > remainder:
            gains = _gains(points, genres, np.repeat(np.arange(len(counts)), counts), candidates, seed)
            candidates = candidates[np.argsort(-gains, kind="stable")[:remainder]]
        counts[candidates] += 1
    return np.repeat(np.arange(len(counts)), counts)


def fit_genre_mixture(
    points: Float64,
    genres: Bool,
    genre_of: Int64,
    *,
    seed: int,
    steps: int,
    start: Float64 | None = None,
    starts: int = 4,
) -> GenreMixture:
    """Fit the mixture by expectation maximisation (EM) with one covariance for all components.

        x = mean + sum over the film's genres of effect_g + offset_z + noise,   z a component of one of its genres

    Components of one genre have equal prior probabilities, so that none dies out; genre priors are estimated.

    Args:
        points: Shape (n, d); 0 (the mean) where values are missing.
        genres: Shape (n, g); a film without genres may belong to every component.
        genre_of: From `components_by_genre`, shape (k,).
        seed: Random seed of the initialisation.
        steps: Number of EM steps.
        start: Initial memberships, shape (n, k); by default from k-means within each genre.
        starts: Number of k-means initialisations to compare after a few steps; the likeliest is continued.

    Source: Biernacki, Celeux and Govaert 2003, Choosing starting values for the EM algorithm (the short trials).
    """
    allowed = genres[:, genre_of] | ~genres.any(axis=1, keepdims=True)
    centred = points - points.mean(axis=0)
    effects = _regression(centred, genres)
    if start is not None:
        memberships = start
    elif starts == 1:
        memberships = _start(centred - genres @ effects, genres, genre_of, seed)
    else:
        seeds = [seed, *np.random.SeedSequence(seed).generate_state(starts - 1).tolist()]
        trials = [fit_genre_mixture(points, genres, genre_of, seed=s, steps=_TRIAL_STEPS, starts=1) for s in seeds]
        memberships = max(trials, key=lambda trial: trial.log_likelihood).memberships
    log_likelihood = -np.inf
    for step in range(steps):
        residuals = centred - genres @ effects
        sizes = memberships.sum(axis=0)
        offsets = memberships.T @ residuals / (sizes[:, None] + 1e-3)
        scatter = residuals.T @ residuals - (sizes[:, None] * offsets).T @ offsets
        covariance = _shrink(scatter / len(residuals), len(residuals))
        logits = _logits(residuals, offsets, covariance) + _log_prior(sizes, genre_of)
        memberships, log_likelihood = _softmax(np.where(allowed, logits, -np.inf))
        if step == steps - 1:  # a third of a step's time, and only the last value is used
            log_likelihood -= _common_term(residuals, covariance)
        effects = _regression(centred - memberships @ offsets, genres)
    return GenreMixture(genre_of, memberships, log_likelihood)


def discriminant(points: Float64, memberships: Float64) -> Float64:
    """Linear discriminant analysis with soft classes: whiten within components, weight axes by how well they separate.

    Where the covariance within components is the identity, let r be the variance between components along an axis. The
    axis is scaled by sqrt((r + f) / (1 + r + f)), the square root of the fraction of variance that components explain.
    The floor f keeps some of the axes that do not separate components, such as a film's further genres.

    Args:
        points: Shape (n, d).
        memberships: Shape (n, k).

    Returns:
        Shape (d, d); axes of `points @ map` are in descending order of separation.

    Source: Fisher's discriminant; the weights are the square roots of those in the posterior mean of probabilistic
    linear discriminant analysis (Ioffe 2006).
    """
    centred = points - points.mean(axis=0)
    sizes = memberships.sum(axis=0) + 1e-9
    means = memberships.T @ centred / sizes[:, None]
    between = (sizes[:, None] * means).T @ means / len(points)
    within = _shrink(centred.T @ centred / len(points) - between, len(points))
    chance = len(sizes) / len(points)  # expected ratio without any difference between components
    between -= chance * within
    values, axes = np.linalg.eigh(within)
    whiten = axes / np.sqrt(values)
    ratios, rotation = np.linalg.eigh(whiten.T @ between @ whiten)
    ratios = np.maximum(ratios[::-1], 0.0) + _FLOOR + chance
    return np.asarray(whiten @ rotation[:, ::-1] * np.sqrt(ratios / (1 + ratios)))


def linear_scores(points: Float64, memberships: Float64) -> tuple[Float64, Float64]:
    """Linear discriminant functions: log posteriors of components without knowledge of genres, up to a constant.

    Args:
        points: Shape (n, d).
        memberships: Shape (n, k).

    Returns:
        Weights (k, d) and biases (k,); `points @ weights.T + biases` ranks components.
    """
    sizes = memberships.sum(axis=0) + 1e-9
    mean = points.mean(axis=0)
    means = memberships.T @ (points - mean) / sizes[:, None]
    total = (points - mean).T @ (points - mean)
    within = _shrink((total - (sizes[:, None] * means).T @ means) / len(points), len(points))
    weights = cho_solve(cho_factor(within), means.T).T
    biases = np.log(sizes / sizes.sum()) - 0.5 * (weights * means).sum(axis=1) - weights @ mean
    return weights, biases


def _regression(points: Float64, genres: Bool) -> Float64:
    """Genre effects by ridge regression, shape (g, d)."""
    design = genres - genres.mean(axis=0)
    gram = design.T @ design + _RIDGE * np.eye(design.shape[1])
    return np.asarray(np.linalg.solve(gram, design.T @ points))


def _gains(points: Float64, genres: Bool, genre_of: Int64, candidates: Int64, seed: int) -> Float64:
    """Decrease of the inertia by one more component in each candidate genre, shape (c,).

    A film counts in the genre to whose components it mostly belongs, in a mixture with the components so far.
    """
    mixture = fit_genre_mixture(points, genres, genre_of, seed=seed, steps=_GAIN_STEPS, starts=1)
    centred = points - points.mean(axis=0)
    residuals = centred - genres @ _regression(centred, genres)
    gains = []
    for genre in candidates:
        count = int((genre_of == genre).sum())
        weights = mixture.memberships[:, genre_of == genre].sum(axis=1)
        films = np.flatnonzero(weights > 1 / 2)
        if len(films) <= count + 1:
            gains.append(0.0)
            continue
        before, after = (
            _clusters(residuals[films], weights[films], c, max(2, count), seed).inertia_ for c in (count, count + 1)
        )
        gains.append(float(before - after))
    return np.array(gains)


def _start(residuals: Float64, genres: Bool, genre_of: Int64, seed: int) -> Float64:
    """Memberships by k-means within each genre; a film of several genres counts as a fraction in each."""
    memberships = np.zeros((len(residuals), len(genre_of)))
    weights = 1 / np.maximum(genres.sum(axis=1), 1)
    for genre in np.unique(genre_of):
        columns = np.flatnonzero(genre_of == genre)
        films = np.flatnonzero(genres[:, genre])
        if len(columns) == 1 or len(films) <= len(columns):
            labels = np.arange(len(films)) % len(columns)
        else:
            labels = _clusters(residuals[films], weights[films], len(columns), max(2, len(columns) - 1), seed).labels_
        memberships[films, columns[labels]] = weights[films]
    return memberships


def _clusters(points: Float64, weights: Float64, k: int, n_axes: int, seed: int) -> KMeans:
    """Weighted k-means in the first principal components.

    Source: Kannan and Vempala 2009, Spectral Algorithms.
    """
    centred = points - np.average(points, axis=0, weights=weights)
    _, axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    projected = centred @ axes[:, ::-1][:, :n_axes]
    return KMeans(k, n_init=3, random_state=seed).fit(projected, sample_weight=weights)


def _shrink(covariance: Float64, n: int) -> Float64:
    """Shrink a covariance halfway to a multiple of the identity, further if there are fewer films than dimensions.

    The bias costs less than the components that would otherwise fit the noise of a few films.
    """
    d = len(covariance)
    weight = max(0.5, d / (d + n))
    level = max(float(np.trace(covariance)) / d, 1e-9)
    return np.asarray((1 - weight) * covariance + weight * level * np.eye(d))


def _logits(residuals: Float64, offsets: Float64, covariance: Float64) -> Float64:
    """Log densities of normal distributions at `offsets` without their common term, shape (n, k)."""
    solved = cho_solve(cho_factor(covariance), offsets.T)  # (d, k)
    return np.asarray(residuals @ solved - 0.5 * np.einsum("kd,dk->k", offsets, solved))


def _common_term(residuals: Float64, covariance: Float64) -> float:
    """Half the mean squared Mahalanobis norm plus half the log determinant."""
    factor = cho_factor(covariance)
    log_determinant = float(np.log(np.diag(factor[0])).sum())
    moment = residuals.T @ residuals / len(residuals)
    return 0.5 * float(np.trace(cho_solve(factor, moment))) + log_determinant


def _log_prior(sizes: Float64, genre_of: Int64) -> Float64:
    """Log prior of each component: the genre's, divided evenly among its components, shape (k,)."""
    counts = np.bincount(genre_of)
    mean_size = np.bincount(genre_of, sizes) / np.maximum(counts, 1)
    return np.asarray(np.log((mean_size[genre_of] + 1) / (sizes.sum() + len(sizes))))


def _softmax(logits: Float64) -> tuple[Float64, float]:
    """Softmax of each row, and the mean log-sum-exp."""
    top = logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits - top)
    sums = exponentials.sum(axis=1, keepdims=True)
    return exponentials / sums, float((top + np.log(sums)).mean())
