"""A mixture of normal distributions whose components hang under genres.

A film lies where its genres put it (a sum over its genres), plus where one component of one of its genres puts it,
plus noise that is alike for all. Genres explain away what is coarse; a component can only gather what repeats over
many films of its genre.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.cluster import KMeans

from cinegrain.errors import DataError
from cinegrain.types import Bool, Float64, Int64

_FEWEST = 3.0  # films for a component
_FLOOR = 0.1  # of variance between components, in variances within; to that comes what few films leave open
_TRY = 6  # steps after which starts are compared
_LOOK = 10  # steps after which a genre is judged
_RIDGE = 20.0  # films' worth of doubt in every genre effect


@dataclass(frozen=True, eq=False)
class GenreMixture:
    """What was found in n films.

    Attributes:
        genre_of: The genre of each component, shape (k,).
        memberships: Chance of each component, shape (n, k); 0 where its genre is none of the film's.
        log_likelihood: Mean over films, in nats, up to a constant.
    """

    genre_of: Int64
    memberships: Float64
    log_likelihood: float


def components_by_genre(points: Float64, genres: Bool, k: int, *, seed: int) -> Int64:
    """Shares k components out evenly; what is left goes to the genres whose films fall apart most.

    A genre whose films would be fewer than three a component passes on to the others. A film with several genres
    counts for a part in each.

    Args:
        points: Shape (n, d).
        genres: Shape (n, g).
        k: How many, at least one for each genre that has a film.
        seed: Of the k-means that says how much one more component would explain.

    Returns:
        The genre of each component, sorted, shape (k,).

    Raises:
        DataError: If k is too small.
    """
    films = (genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)).sum(axis=0)  # (g,)
    counts = (films > 0).astype(np.int64)
    if k < counts.sum():
        raise DataError(f"Each of {counts.sum()} genres needs a component of its own; found k = {k}.")
    while counts.sum() < k:
        roomy = films >= _FEWEST * (counts + 1)
        open_to = np.flatnonzero((films > 0) & (roomy | ~roomy.any()))
        left = k - int(counts.sum())
        if len(open_to) > left:
            gains = _gains(points, genres, np.repeat(np.arange(len(counts)), counts), open_to, seed)
            open_to = open_to[np.argsort(-gains, kind="stable")[:left]]
        counts[open_to] += 1
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
    """Expectation maximisation with one covariance for all components.

        x = mean + sum over the film's genres of effect_g + offset_z + noise,   z a component of one of its genres

    Within a genre all components are equally likely beforehand, so that none starves; genres are as likely as they
    turn out to be.

    Args:
        points: Shape (n, d); what is missing is 0, the mean.
        genres: Shape (n, g); a film without any may belong to every component.
        genre_of: From `components_by_genre`, shape (k,).
        seed: Of the starts.
        steps: How many.
        start: Memberships to go on from, shape (n, k); found within each genre when left out.
        starts: How many are tried for a few steps when none is given; the likeliest goes on.

    Source: for the short trials Biernacki, Celeux and Govaert 2003, Choosing starting values for the EM algorithm.
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
        tries = [fit_genre_mixture(points, genres, genre_of, seed=s, steps=_TRY, starts=1) for s in seeds]
        memberships = max(tries, key=lambda found: found.log_likelihood).memberships
    log_likelihood = -np.inf
    for step in range(steps):
        rest = centred - genres @ effects
        sizes = memberships.sum(axis=0)
        offsets = memberships.T @ rest / (sizes[:, None] + 1e-3)
        covariance = _shrunk((rest.T @ rest - (sizes[:, None] * offsets).T @ offsets) / len(rest), len(rest))
        logits = _logits(rest, offsets, covariance) + _log_prior(sizes, genre_of)
        memberships, log_likelihood = _softmax(np.where(allowed, logits, -np.inf))
        if step == steps - 1:  # it takes a third of a step, and nobody asks before the end
            log_likelihood -= _length(rest, covariance)
        effects = _regression(centred - memberships @ offsets, genres)
    return GenreMixture(genre_of, memberships, log_likelihood)


def discriminant(points: Float64, memberships: Float64) -> Float64:
    """Linear map after which directions that tell components apart count, and noise is alike in all of them.

    In the space where the covariance within components is the identity, let r be the variance between components
    along an axis; that axis is scaled by sqrt((r + f) / (1 + r + f)), the share of its variance that they explain, as a
    standard deviation. The floor f keeps some of what tells no component apart from another, genres beside the first
    among it.

    Args:
        points: Shape (n, d).
        memberships: Shape (n, k).

    Returns:
        Shape (d, d); `points @ map` has its most telling axis first.

    Source: Fisher's discriminant with soft classes; the weights are those of the posterior mean of a probabilistic
    linear discriminant analysis (Ioffe 2006), by their square root.
    """
    centred = points - points.mean(axis=0)
    sizes = memberships.sum(axis=0) + 1e-9
    means = memberships.T @ centred / sizes[:, None]
    between = (sizes[:, None] * means).T @ means / len(points)
    within = _shrunk(centred.T @ centred / len(points) - between, len(points))
    chance = len(sizes) / len(points)  # what means of so few films show without any difference
    between -= chance * within
    values, axes = np.linalg.eigh(within)
    whiten = axes / np.sqrt(values)
    ratios, turn = np.linalg.eigh(whiten.T @ between @ whiten)
    ratios = np.maximum(ratios[::-1], 0.0) + _FLOOR + chance
    return np.asarray(whiten @ turn[:, ::-1] * np.sqrt(ratios / (1 + ratios)))


def linear_scores(points: Float64, memberships: Float64) -> tuple[Float64, Float64]:
    """Log posteriors of components for films whose genres nobody knows, up to a constant: linear in the point.

    Args:
        points: Shape (n, d).
        memberships: Shape (n, k).

    Returns:
        Weights (k, d) and biases (k,); `points @ weights.T + biases` ranks components.
    """
    sizes = memberships.sum(axis=0) + 1e-9
    middle = points.mean(axis=0)
    means = memberships.T @ (points - middle) / sizes[:, None]
    total = (points - middle).T @ (points - middle)
    within = _shrunk((total - (sizes[:, None] * means).T @ means) / len(points), len(points))
    weights = cho_solve(cho_factor(within), means.T).T
    biases = np.log(sizes / sizes.sum()) - 0.5 * (weights * means).sum(axis=1) - weights @ middle
    return weights, biases


def _regression(points: Float64, genres: Bool) -> Float64:
    """Ridge regression on genres, shape (g, d)."""
    design = genres - genres.mean(axis=0)
    gram = design.T @ design + _RIDGE * np.eye(design.shape[1])
    return np.asarray(np.linalg.solve(gram, design.T @ points))


def _gains(points: Float64, genres: Bool, genre_of: Int64, asked: Int64, seed: int) -> Float64:
    """How much of the spread one more component of each genre asked about would explain, shape (a,).

    Films that are at home in another of their genres are left out of it; a mixture with the components so far says
    which those are.
    """
    found = fit_genre_mixture(points, genres, genre_of, seed=seed, steps=_LOOK, starts=1)
    centred = points - points.mean(axis=0)
    rest = centred - genres @ _regression(centred, genres)
    gains = []
    for genre in asked:
        count = int((genre_of == genre).sum())
        weights = found.memberships[:, genre_of == genre].sum(axis=1)
        films = np.flatnonzero(weights > 1 / 2)
        if len(films) <= count + 1:
            gains.append(0.0)
            continue
        few, more = (
            _clusters(rest[films], weights[films], c, max(2, count), seed).inertia_ for c in (count, count + 1)
        )
        gains.append(float(few - more))
    return np.array(gains)


def _start(rest: Float64, genres: Bool, genre_of: Int64, seed: int) -> Float64:
    """Memberships by k-means within each genre; a film of several genres counts for a part in each."""
    memberships = np.zeros((len(rest), len(genre_of)))
    shares = 1 / np.maximum(genres.sum(axis=1), 1)
    for genre in np.unique(genre_of):
        columns = np.flatnonzero(genre_of == genre)
        films = np.flatnonzero(genres[:, genre])
        if len(columns) == 1 or len(films) <= len(columns):
            labels = np.arange(len(films)) % len(columns)
        else:
            labels = _clusters(rest[films], shares[films], len(columns), max(2, len(columns) - 1), seed).labels_
        memberships[films, columns[labels]] = shares[films]
    return memberships


def _clusters(places: Float64, weights: Float64, count: int, n_axes: int, seed: int) -> KMeans:
    """k-means along the main axes of some films.

    Source: Kannan and Vempala 2009, Spectral Algorithms, on why the main axes hold the centres.
    """
    own = places - np.average(places, axis=0, weights=weights)
    _, axes = np.linalg.eigh((own * weights[:, None]).T @ own)
    main = own @ axes[:, ::-1][:, :n_axes]
    return KMeans(count, n_init=3, random_state=seed).fit(main, sample_weight=weights)


def _shrunk(covariance: Float64, n: int) -> Float64:
    """Half way towards a multiple of the identity, further where there are fewer films than dimensions.

    Noise alike in all directions is a strong guess, and what it costs in fit it more than gains in components that do
    not follow the accidents of a few films.
    """
    d = len(covariance)
    share = max(0.5, d / (d + n))
    level = max(float(np.trace(covariance)) / d, 1e-9)
    return np.asarray((1 - share) * covariance + share * level * np.eye(d))


def _logits(rest: Float64, offsets: Float64, covariance: Float64) -> Float64:
    """Log densities of normal distributions at `offsets`, less what is alike for all of them, shape (n, k)."""
    solved = cho_solve(cho_factor(covariance), offsets.T)  # (d, k)
    return np.asarray(rest @ solved - 0.5 * np.einsum("kd,dk->k", offsets, solved))


def _length(rest: Float64, covariance: Float64) -> float:
    """Half the mean squared length in the noise's own scale, and half its log determinant."""
    factor = cho_factor(covariance)
    determinant = float(np.log(np.diag(factor[0])).sum())
    moment = rest.T @ rest / len(rest)
    return 0.5 * float(np.trace(cho_solve(factor, moment))) + determinant


def _log_prior(sizes: Float64, genre_of: Int64) -> Float64:
    """As the genre's share, divided evenly among its components, shape (k,)."""
    counts = np.bincount(genre_of)
    share = np.bincount(genre_of, sizes) / np.maximum(counts, 1)
    return np.asarray(np.log((share[genre_of] + 1) / (sizes.sum() + len(sizes))))


def _softmax(logits: Float64) -> tuple[Float64, float]:
    """Rows as chances, and the mean log of their sums."""
    top = logits.max(axis=1, keepdims=True)
    chances = np.exp(logits - top)
    sums = chances.sum(axis=1, keepdims=True)
    return chances / sums, float((top + np.log(sums)).mean())
