"""Decides what each film of the corpus is, before anything is drawn."""

from dataclasses import dataclass

import numpy as np

from cinegrain.errors import ConfigError
from cinegrain_demo.inventory import SUBGENRES, Subgenre
from cinegrain_demo.look import Look, draw_look
from cinegrain_demo.titles import MAX_TITLES, draw_titles

_FIRST_YEAR, _LAST_YEAR = 1968, 2024
_MAX_OTHER_GENRES = 2


@dataclass(frozen=True)
class CorpusSettings:
    """Size, length and seed of the demo corpus.

    Attributes:
        n_films: Number of films, at least one for each sub-genre.
        seed: Same seed, same films, on one machine.
        shortest_s: Lower end of the film lengths, seconds.
        longest_s: Upper end.

    Raises:
        ConfigError: If the numbers cannot make a corpus.
    """

    n_films: int = 96
    seed: int = 0
    shortest_s: float = 15.0
    longest_s: float = 25.0

    def __post_init__(self) -> None:
        if not len(SUBGENRES) <= self.n_films <= MAX_TITLES:
            raise ConfigError(
                f"expected n_films between {len(SUBGENRES)} (one for each planted sub-genre) and {MAX_TITLES}, "
                f"found {self.n_films}; choose a number in between"
            )
        if self.seed < 0:
            raise ConfigError(f"expected a seed of 0 or more, found {self.seed}; choose another")
        if not 2.0 <= self.shortest_s <= self.longest_s:
            raise ConfigError(
                f"expected 2 s <= shortest_s <= longest_s, found {self.shortest_s} and {self.longest_s}; "
                "set them in that order"
            )


@dataclass(frozen=True)
class FilmPlan:
    """Everything that decides one film. Rendering the same plan twice gives the same film."""

    film_id: str
    title: str
    year: int
    genres: tuple[str, ...]
    subgenre: str
    setting: str
    motion: str
    sound: str
    file_name: str
    seed: int
    look: Look


def plan_corpus(settings: CorpusSettings) -> tuple[FilmPlan, ...]:
    """Plan every film, in the shuffled order of the catalogue.

    Sub-genres occur equally often, up to one film. Looks, titles, years and seeds are drawn from streams of
    their own, which do not know the sub-genre.
    """
    order, labels, surface, looks, seeds = (
        np.random.default_rng(child) for child in np.random.SeedSequence(settings.seed).spawn(5)
    )
    dealt = [SUBGENRES[i % len(SUBGENRES)] for i in range(settings.n_films)]
    subgenres = [dealt[i] for i in order.permutation(settings.n_films)]
    titles = draw_titles(surface, settings.n_films)
    film_seeds = seeds.choice(2**31, size=settings.n_films, replace=False)
    plans = []
    for number, (subgenre, title, film_seed) in enumerate(zip(subgenres, titles, film_seeds, strict=True), 1):
        film_id = f"film-{number:04d}"
        plans.append(
            FilmPlan(
                film_id=film_id,
                title=title,
                year=int(surface.integers(_FIRST_YEAR, _LAST_YEAR + 1)),
                genres=_draw_genres(labels, subgenre),
                subgenre=subgenre.name,
                setting=subgenre.setting,
                motion=subgenre.motion,
                sound=subgenre.sound,
                file_name=f"{film_id}.mp4",
                seed=int(film_seed),
                look=draw_look(looks, shortest_s=settings.shortest_s, longest_s=settings.longest_s),
            )
        )
    return tuple(plans)


def _draw_genres(rng: np.random.Generator, subgenre: Subgenre) -> tuple[str, ...]:
    """The home genre and up to two others, sorted, so that their order does not tell which is home."""
    others = [genre for genre, chance in subgenre.others.items() if rng.random() < chance]
    return tuple(sorted([subgenre.home, *others[:_MAX_OTHER_GENRES]]))
