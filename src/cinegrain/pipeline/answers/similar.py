"""Similar films of a run and the reasons; needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.atlas.run_atlas import RunAtlas
from cinegrain.errors import StoreError
from cinegrain.explain.neighbours import expert_contributions, nearest
from cinegrain.results import ByModality, Neighbour, by_modality
from cinegrain.types import Concept, Float64


def similar_films(
    atlas: RunAtlas, encoded: Float64, *, top_k: int, modality: str | None = None, row: int | None = None
) -> tuple[Neighbour, ...]:
    """The most similar films of a run, with each modality's contribution.

    Args:
        atlas: The run's atlas.
        encoded: Trailer embedding of the film by expert, shape (e, d).
        top_k: Number of films.
        modality: Compare by this modality alone.
        row: Row of the film if it is one of the run; it is left out of the result.

    Raises:
        StoreError: If the film lacks that modality.
    """
    corpus, modalities = atlas.encoded, list(atlas.found.modes)
    exclude = [] if row is None else [row]
    if modality is not None:
        keep = [i for i, name in enumerate(modalities) if name == modality]
        encoded, corpus, modalities = encoded[keep], corpus[:, keep], [modality] * len(keep)
        if not np.any(encoded):
            raise StoreError(f"This film has no {modality or 'vectors'} to compare by.")
        exclude += np.flatnonzero(~corpus.any(axis=(1, 2))).tolist()
    return tuple(
        Neighbour(
            atlas.trailer_ids[near.row],
            near.score,
            atlas.rows[near.row].title,
            atlas.rows[near.row].catalog_genres,
            by_modality(modalities, near.parts),
        )
        for near in nearest(encoded, corpus, top_k=top_k, exclude=exclude)
    )


@dataclass(frozen=True)
class SharedWord:
    """A concept of two films, with its strength in each."""

    name: str
    scores: tuple[float, float]


@dataclass(frozen=True)
class WhyAlike:
    """Why two films are similar.

    Attributes:
        score: Cosine similarity, -1..1.
        by_modality: Contribution of each modality; they sum to the score.
        cosines: Cosine of each modality alone; None if a film lacks it.
        words: Common concepts by modality.
        genres: Common genres of the catalogue.
    """

    score: float
    by_modality: ByModality
    cosines: Mapping[str, float | None]
    words: Mapping[str, tuple[SharedWord, ...]]
    genres: tuple[str, ...]


def why_alike(atlas: RunAtlas, first: int, second: int) -> WhyAlike:
    """Why two films are similar.

    Args:
        atlas: The run's atlas.
        first: Row of one film.
        second: Row of the other.
    """
    modes, a, b = atlas.found.modes, atlas.encoded[first], atlas.encoded[second]
    parts = expert_contributions(a, b[None])[0]
    cosines = {}
    for mode in dict.fromkeys(modes):
        own = [i for i, name in enumerate(modes) if name == mode]
        cosines[mode] = _cosine(a[own].ravel(), b[own].ravel())
    one, other = atlas.rows[first], atlas.rows[second]
    return WhyAlike(
        float(parts.sum()),
        by_modality(modes, parts.tolist()),
        cosines,
        {mode: _shared(one.concepts.get(mode, ()), other.concepts.get(mode, ())) for mode in cosines},
        tuple(genre for genre in one.catalog_genres if genre in other.catalog_genres),
    )


def _cosine(a: Float64, b: Float64) -> float | None:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else None


def _shared(*words: Sequence[Concept]) -> tuple[SharedWord, ...]:
    """Concepts in both lists, strongest in both first."""
    left, right = ({word.name: word.score for word in some} for some in words)
    both = sorted(left.keys() & right.keys(), key=lambda name: (-min(left[name], right[name]), name))
    return tuple(SharedWord(name, (left[name], right[name])) for name in both)
