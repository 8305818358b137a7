"""Which genres there are, how frequent they are, which modes show them, and which of them go together."""

from dataclasses import dataclass

import numpy as np

from cinegrain.types import Float64, Modality

_SIZES = (0.20, 0.35, 0.27, 0.12, 0.045, 0.015)  # chance of 1, 2, ... 6 genres; 2.5 on average


@dataclass(frozen=True)
class Genre:
    """A genre: how large it is beside the others, and the modes that show it well."""

    name: str
    weight: float
    shown_by: tuple[Modality, ...]


# Nineteen names of MMX-Trailer-20 as far as they are known, and Sport. Weights are relative; the shares come out
# near those of film catalogues.
GENRES = (
    Genre("Drama", 0.75, ("audio", "image")),
    Genre("Comedy", 0.48, ("audio", "image")),
    Genre("Thriller", 0.25, ("audio", "motion")),
    Genre("Action", 0.23, ("motion", "audio")),
    Genre("Romance", 0.19, ("audio", "image")),
    Genre("Adventure", 0.17, ("location", "motion")),
    Genre("Crime", 0.16, ("location", "image")),
    Genre("Horror", 0.14, ("audio", "location")),
    Genre("Family", 0.12, ("audio", "image")),
    Genre("Fantasy", 0.11, ("image", "location")),
    Genre("Science Fiction", 0.11, ("image", "location")),
    Genre("Mystery", 0.10, ("audio", "location")),
    Genre("Animation", 0.08, ("image", "motion")),
    Genre("Documentary", 0.09, ("audio", "motion")),
    Genre("History", 0.055, ("location", "image")),
    Genre("Music", 0.05, ("audio", "motion")),
    Genre("War", 0.04, ("location", "audio")),
    Genre("Sport", 0.04, ("motion", "location")),
    Genre("TV Movie", 0.04, ("image", "audio")),
    Genre("Western", 0.02, ("location", "image")),
)

# How many times likelier two genres are found together than by their sizes alone; everything else is 1.
_TOGETHER = {
    ("Action", "Adventure"): 3.0, ("Action", "Thriller"): 2.5, ("Action", "Science Fiction"): 2.5,
    ("Adventure", "Fantasy"): 3.0, ("Adventure", "Family"): 2.0, ("Adventure", "Animation"): 2.0,
    ("Animation", "Family"): 6.0, ("Animation", "Comedy"): 1.5, ("Comedy", "Romance"): 2.5, ("Comedy", "Family"): 2.0,
    ("Crime", "Drama"): 1.5, ("Crime", "Thriller"): 3.0, ("Documentary", "History"): 2.0, ("Documentary", "Music"): 4.0,
    ("Drama", "History"): 2.0, ("Drama", "Romance"): 1.8, ("Drama", "War"): 2.0, ("Drama", "Sport"): 2.0,
    ("Family", "Fantasy"): 2.0, ("Fantasy", "Science Fiction"): 1.5, ("History", "War"): 5.0,
    ("Horror", "Mystery"): 2.5, ("Horror", "Thriller"): 3.0, ("Mystery", "Thriller"): 3.0, ("Western", "Action"): 2.0,
    ("Animation", "Horror"): 0.1, ("Documentary", "Horror"): 0.05, ("Documentary", "Thriller"): 0.1,
    ("Documentary", "Romance"): 0.1, ("Documentary", "Drama"): 0.3, ("Documentary", "Fantasy"): 0.05,
    ("Family", "Horror"): 0.05, ("Family", "Thriller"): 0.15, ("Comedy", "Thriller"): 0.4, ("Romance", "War"): 0.6,
    ("Western", "Science Fiction"): 0.1, ("Romance", "Horror"): 0.2, ("Comedy", "War"): 0.3,
}  # fmt: skip


def draw_genre_set(rng: np.random.Generator, weights: Float64, together: Float64) -> tuple[int, ...]:
    """Genres of one film, the one it is at home in first; 1 to 6 of them.

    Args:
        rng: Source of chance.
        weights: Shape (g,).
        together: From `affinities`, shape (g, g).
    """
    size = min(1 + int(rng.choice(len(_SIZES), p=_SIZES)), len(weights))
    chosen: list[int] = []
    chance = weights.copy()
    for _ in range(size):
        picked = int(rng.choice(len(weights), p=chance / chance.sum()))
        chosen.append(picked)
        chance *= together[picked]
        chance[picked] = 0.0
    return tuple(chosen)


def affinities(names: tuple[str, ...]) -> Float64:
    """How many times likelier two genres are found together, shape (g, g), symmetric."""
    result = np.ones((len(names), len(names)))
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            result[i, j] = _TOGETHER.get((a, b), _TOGETHER.get((b, a), 1.0))
    return result
