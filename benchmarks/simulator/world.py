"""Everything that all simulated trailers share, drawn from the seed alone: means, studios, and maps to vectors."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cinegrain.types import MODALITIES, Bool, Float32, Float64, Int64, Modality
from simulator.genres import GENRES, affinities, draw_genre_set
from simulator.settings import SimulateSettings

N_SUB_GENRES = 4  # of each genre: two variants in each of two modes
_MAX_RANK = 32
_FAINT = 0.4  # of a genre's mean, in a mode that does not show it well
_BESIDE = 0.7  # weight of a genre that a film has beside its home genre
_CATALOGUE = 2000  # films from which the sets of genres are taken
_BIAS_MEAN, _BIAS_SPREAD = 0.2, 0.5


@dataclass(frozen=True, eq=False)
class ModeWorld:
    """One mode's hidden space of r directions, and its map to vectors of length d.

    Attributes:
        set_means: Hidden mean of each set of genres, shape (c, r).
        variant: Direction between the two variants of each genre, shape (g, r); zero where the mode does not tell its
            sub-genres apart.
        studios: Shape (t, r).
        project: Map to vectors, shape (r, d).
        bias: Shape (d,).
    """

    set_means: Float64
    variant: Float64
    studios: Float64
    project: Float32
    bias: Float32

    @property
    def rank(self) -> int:
        """Number of hidden directions."""
        return len(self.project)


@dataclass(frozen=True, eq=False)
class World:
    """The generating model.

    A film has a set of genres, one of which is its home. The home genre has four sub-genres: two of the four modes
    (its carriers) each come in two variants, so that each mode alone tells half, and only both tell all.

    Attributes:
        settings: What was asked for.
        genres: Names, sorted.
        sets: Sets of genres as column numbers, the home first.
        shares: How frequent each set is, shape (c,).
        carriers: Two modes for each genre, as positions in MODALITIES, shape (g, 2).
        modes: By modality.
    """

    settings: SimulateSettings
    genres: tuple[str, ...]
    sets: tuple[tuple[int, ...], ...]
    shares: Float64
    carriers: Int64
    modes: Mapping[Modality, ModeWorld]

    @cached_property
    def cumulative(self) -> Float64:
        """Running sum of the shares."""
        return np.cumsum(self.shares)

    @cached_property
    def homes(self) -> Int64:
        """Home genre of each set, shape (c,)."""
        return np.array([members[0] for members in self.sets], dtype=np.int64)

    @cached_property
    def membership(self) -> Bool:
        """Which set has which genre, shape (c, g)."""
        return np.array([[g in members for g in range(len(self.genres))] for members in self.sets])

    def sub_genre_name(self, home: int, variants: tuple[int, int]) -> str:
        """Name of a planted sub-genre; the genre's own where sub-genres are not planted."""
        if not self.settings.strengths.sub_genre:
            return self.genres[home]
        parts = [f"{MODALITIES[m]} {'AB'[v]}" for m, v in zip(self.carriers[home], variants, strict=True)]
        return f"{self.genres[home]}: {', '.join(parts)}"


def make_world(settings: SimulateSettings) -> World:
    """Draws the world of a seed; the number of trailers plays no part in it."""
    chosen = sorted(GENRES[: settings.genres], key=lambda genre: genre.name)
    names = tuple(genre.name for genre in chosen)
    rng = np.random.Generator(np.random.Philox(key=np.array([settings.seed, 2**64 - 1], dtype=np.uint64)))
    weights = np.array([genre.weight for genre in chosen])
    together = affinities(names)
    drawn = Counter(draw_genre_set(rng, weights, together) for _ in range(_CATALOGUE))
    homed = Counter[tuple[int, ...]]()
    for (home, *others), n in drawn.items():
        homed[home, *sorted(others)] += n
    sets = tuple(sorted(homed))
    shares = np.array([homed[members] for members in sets]) / _CATALOGUE
    pairs = [(a, b) for a in range(len(MODALITIES)) for b in range(a)]
    carriers = np.array([pairs[i % len(pairs)] for i in rng.permutation(len(names))], dtype=np.int64)
    modes: dict[Modality, ModeWorld] = {}
    for position, (mode, dimension) in enumerate(settings.dimensions.items()):
        salience = np.array([1.0 if mode in genre.shown_by else _FAINT for genre in chosen])
        carries = (carriers == position).any(axis=1)
        modes[mode] = _make_mode(rng, settings, dimension, salience, carries, sets)
    return World(settings, names, sets, shares, carriers, modes)


def _make_mode(
    rng: np.random.Generator,
    settings: SimulateSettings,
    dimension: int,
    salience: Float64,
    carries: Bool,
    sets: tuple[tuple[int, ...], ...],
) -> ModeWorld:
    strengths, rank = settings.strengths, min(_MAX_RANK, dimension // 2)
    means = strengths.genre * salience[:, None] * _unit(rng.normal(size=(len(salience), rank)))
    weights = np.zeros((len(sets), len(salience)))
    for row, members in zip(weights, sets, strict=True):
        row[list(members)] = _BESIDE
        row[members[0]] = 1.0
    variant = strengths.sub_genre * carries[:, None] * _unit(rng.normal(size=means.shape))
    studios = strengths.studio * _unit(rng.normal(size=(settings.studios, rank)))
    orthogonal = np.linalg.qr(rng.normal(size=(dimension, rank)))[0].T * np.sqrt(dimension)  # rows of mean square 1
    typical = strengths.genre**2 + strengths.studio**2 + rank * (strengths.trailer**2 + strengths.scene**2)
    bias = rng.normal(_BIAS_MEAN, _BIAS_SPREAD, size=dimension)
    project = (orthogonal / np.sqrt(typical)).astype(np.float32)
    return ModeWorld(weights @ means, variant, studios, project, bias.astype(np.float32))


def _unit(rows: Float64) -> Float64:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
