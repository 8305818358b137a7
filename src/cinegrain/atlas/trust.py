"""Verdicts on the sub-genres of an atlas."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cinegrain.atlas.cards import Atlas, SubGenre, background
from cinegrain.discovery.confounders import Values, measure_confounders
from cinegrain.discovery.structure import GenreStructure
from cinegrain.discovery.verdict import judge
from cinegrain.types import Bool

_PARENT_SHARE = 0.5


def with_verdicts(
    atlas: Atlas,
    labels: Bool,
    genres: Sequence[str],
    structures: Sequence[GenreStructure],
    confounders: Mapping[str, Values],
    *,
    seed: int,
) -> Atlas:
    """The same atlas with a verdict on each card.

    Args:
        atlas: k sub-genres of n films.
        labels: Genres, shape (n, g).
        genres: Names, length g.
        structures: Test of finer structure in each genre.
        confounders: Variables that should not define a sub-genre, n values each.
        seed: Random seed of the tests.
    """
    groups = [atlas.clustering.labels == i for i in range(len(atlas.subgenres))]
    beside = [
        background(inside, labels, genres, card.parents) for inside, card in zip(groups, atlas.subgenres, strict=True)
    ]
    tested = measure_confounders(groups, beside, confounders, seed=seed)
    structure_of = {structure.genre: structure for structure in structures}
    column = {genre: j for j, genre in enumerate(genres)}
    cards = []
    for card, inside, found in zip(atlas.subgenres, groups, tested, strict=True):
        genre = _main(card)
        whole = labels[:, column[genre]] if genre else np.zeros(len(labels), dtype=bool)
        verdict = judge(
            size=card.size,
            seeds=card.stability if card.stability is not None else 0.0,
            subsamples=card.stability_subsamples if card.stability_subsamples is not None else 0.0,
            nuisances=found,
            genre=genre,
            overlap=float((inside & whole).sum() / max((inside | whole).sum(), 1)),
            structure=structure_of.get(genre),
        )
        cards.append(replace(card, verdict=verdict))
    return replace(atlas, subgenres=tuple(cards))


def _main(card: SubGenre) -> str:
    """The genre of at least half of the films, or ""."""
    return next((parent.genre for parent in card.parents if parent.share >= _PARENT_SHARE), "")
