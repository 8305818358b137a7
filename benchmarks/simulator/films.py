"""One simulated trailer: what it is, its hidden scenes, and the vectors that experts would give."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cinegrain.types import MODALITIES, Bool, Float32, Float64, Modality
from simulator.world import World

FEWEST_SCENES, MOST_SCENES = 10, 60
_MORE_SCENES, _SCENE_SPREAD = 16.0, 0.65  # median beyond the fewest, and spread of the logarithm
_MEDIAN_SCENE_S, _LENGTH_SPREAD = 3.0, 0.6
_FIRST_YEAR, _LAST_YEAR = 1960, 2024
_GRAIN = 0.3  # standard deviation, in every value of every vector, of what means nothing
_FACTS, _HIDDEN, _VECTORS = range(3)  # streams of chance that do not touch each other


@dataclass(frozen=True, eq=False)
class Film:
    """What a simulated trailer is.

    Attributes:
        number: Its number; with the seed, all that it depends on.
        genre_set: Row of the world's sets.
        variants: Of its home genre's two carrier modes, each 0 or 1.
        studio: Number of its studio.
        year: Of release.
        cuts_s: Scene limits from 0 on, shape (s + 1,), seconds.
        present: Which modes there are, in the order of MODALITIES.
        genres: As the catalogue says: with label noise.
        true_genres: As planted.
    """

    number: int
    genre_set: int
    variants: tuple[int, int]
    studio: int
    year: int
    cuts_s: Float64
    present: Bool
    genres: tuple[str, ...]
    true_genres: tuple[str, ...]

    @property
    def n_scenes(self) -> int:
        """Scenes of the trailer itself; the simulation may have pooled them."""
        return len(self.cuts_s) - 1


def draw_film(world: World, number: int) -> Film:
    """Decides what trailer `number` is, from the seed and its number alone."""
    settings, rng = world.settings, _chance(world, number, _FACTS)
    row = min(int(np.searchsorted(world.cumulative, rng.random(), side="right")), len(world.sets) - 1)
    variants = (int(rng.integers(2)), int(rng.integers(2)))
    studio, year = int(rng.integers(settings.studios)), int(rng.integers(_FIRST_YEAR, _LAST_YEAR + 1))
    extra = _MORE_SCENES * np.exp(_SCENE_SPREAD * rng.normal())
    n_scenes = int(min(FEWEST_SCENES + extra, MOST_SCENES))
    lengths = np.maximum(0.2, _MEDIAN_SCENE_S * np.exp(_LENGTH_SPREAD * rng.normal(size=n_scenes)))
    cuts = np.concatenate([[0.0], np.round(np.cumsum(lengths), 3)])
    present = rng.random(len(MODALITIES)) >= settings.missing
    spare = int(rng.integers(len(MODALITIES)))
    if not present.any():
        present[spare] = True
    members = world.membership[row]
    given = _noisy(rng, members, world, settings.label_noise)
    return Film(number, row, variants, studio, year, cuts, present, _names(world, given), _names(world, members))


def hidden_scenes(world: World, film: Film) -> dict[Modality, Float64]:
    """Where the scenes of a film lie in each mode's hidden space, shape (s, r); s is 1 if the corpus is pooled.

    Every mode gets them, also one that is missing from the film's vectors.
    """
    strengths, rng = world.settings.strengths, _chance(world, film.number, _HIDDEN)
    home = world.homes[film.genre_set]
    result: dict[Modality, Float64] = {}
    for position, (mode, own) in enumerate(world.modes.items()):
        middle = own.set_means[film.genre_set] + own.studios[film.studio]
        for carrier, variant in zip(world.carriers[home], film.variants, strict=True):
            if carrier == position:
                middle = middle + (2 * variant - 1) * own.variant[home]
        middle = middle + strengths.trailer * rng.normal(size=own.rank)
        if world.settings.pooled:
            spread, n = strengths.scene / np.sqrt(film.n_scenes), 1
        else:
            spread, n = strengths.scene, film.n_scenes
        result[mode] = middle + spread * rng.normal(size=(n, own.rank))
    return result


def scene_vectors(world: World, film: Film) -> Mapping[Modality, Float32]:
    """What each expert gives for the scenes, shape (s, d), never negative; modes that the film lacks are left out."""
    rng = _chance(world, film.number, _VECTORS)
    result: dict[Modality, Float32] = {}
    for (mode, hidden), present in zip(hidden_scenes(world, film).items(), film.present, strict=True):
        own = world.modes[mode]
        # Drawn for missing modes too, so that the others do not depend on which are missing.
        values = rng.standard_normal((len(hidden), own.project.shape[1]), dtype=np.float32)
        if present:
            values *= np.float32(_GRAIN)
            values += hidden.astype(np.float32) @ own.project
            values += own.bias
            result[mode] = np.maximum(values, 0, out=values)
    return result


def _chance(world: World, number: int, stream: int) -> np.random.Generator:
    """A generator that depends on nothing but the seed, the film's number and the stream."""
    key = np.array([world.settings.seed, number], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, stream], dtype=np.uint64)))


def _noisy(rng: np.random.Generator, members: Bool, world: World, rate: float) -> Bool:
    """Genres as a careless catalogue gives them: some are missing, and sometimes a wrong one is added."""
    lost, wrong = rng.random(len(members)) < rate, rng.random() < rate
    # A wrong genre is one of another film, so that frequent genres are the likelier mistake.
    other = world.sets[min(int(np.searchsorted(world.cumulative, rng.random())), len(world.sets) - 1)][0]
    given = members & ~lost
    if wrong:
        given[other] = True
    return given if given.any() else members


def _names(world: World, members: Bool) -> tuple[str, ...]:
    return tuple(name for name, there in zip(world.genres, members, strict=True) if there)
