"""Films of a run that are alike, and through what; needs no network."""

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
    """The nearest films of a run, with each modality's part in it.

    Args:
        atlas: The run's atlas.
        encoded: Gated vectors of the film asked about, shape (e, d).
        top_k: How many.
        modality: Compare by the experts of this modality alone.
        row: Row of the film if it is one of the run; it never comes back itself.

    Raises:
        StoreError: If the film lacks that modality.
    """
    corpus, modalities = atlas.encoded, list(atlas.found.modes)
    exclude = [] if row is None else [row]
    if modality is not None:
        keep = [i for i, name in enumerate(modalities) if name == modality]
        encoded, corpus, modalities = encoded[keep], corpus[:, keep], [modality] * len(keep)
        if not np.any(encoded):
            raise StoreError(f"This film has no {modality or 'such'} mode to compare by.")
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
    """A word that two films have, and how strongly each."""

    name: str
    scores: tuple[float, float]


@dataclass(frozen=True)
class WhyAlike:
    """What two films share.

    Attributes:
        score: Cosine similarity, -1..1.
        by_modality: Each modality's part of it; parts add up to it.
        cosines: Of each modality alone; None where a film lacks it.
        words: By modality, those that both have.
        genres: The catalogue's, those that both have.
    """

    score: float
    by_modality: ByModality
    cosines: Mapping[str, float | None]
    words: Mapping[str, tuple[SharedWord, ...]]
    genres: tuple[str, ...]


def why_alike(atlas: RunAtlas, first: int, second: int) -> WhyAlike:
    """What two films share.

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
    """Words of both lists, those first that are strong in both."""
    left, right = ({word.name: word.score for word in some} for some in words)
    both = sorted(left.keys() & right.keys(), key=lambda name: (-min(left[name], right[name]), name))
    return tuple(SharedWord(name, (left[name], right[name])) for name in both)
