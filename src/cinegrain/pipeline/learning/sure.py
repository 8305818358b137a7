"""Makes predictions, and decides when to say "not sure". Needs no PyTorch."""

from collections.abc import Mapping, Sequence

import numpy as np

from cinegrain.explain.familiarity import Familiarity
from cinegrain.results import (
    GenreAnswer,
    Neighbour,
    Prediction,
    StrangenessAnswer,
    SubGenreAnswer,
    by_modality,
    missing_modalities,
)
from cinegrain.types import Concept, Float32

FAMILIARITY_FILE = "familiar.safetensors"


def make_prediction(
    genres: Sequence[GenreAnswer],
    modalities: Mapping[str, str],
    means: Mapping[str, Float32],
    familiarity: Familiarity | None,
    *,
    path: str,
    title: str,
    duration_s: float,
    n_scenes: int,
    flags: Sequence[str],
    sub_genre: SubGenreAnswer | None = None,
    concepts: Mapping[str, tuple[Concept, ...]] | None = None,
    neighbours: Sequence[Neighbour] = (),
) -> Prediction:
    """Makes a prediction; arguments as in `how_sure` and `Prediction`."""
    reasons, strangeness = how_sure(genres, modalities, means, familiarity)
    return Prediction(
        path=path,
        title=title,
        duration_s=duration_s,
        n_scenes=n_scenes,
        flags=tuple(flags),
        sure=not reasons,
        unsure_because=reasons,
        strangeness=strangeness,
        genres=tuple(sorted(genres, key=lambda genre: -genre.probability)),
        missing=missing_modalities(list(modalities.values()), _present(modalities, means)),
        sub_genre=sub_genre,
        concepts=concepts or {},
        neighbours=tuple(neighbours),
    )


def how_sure(
    genres: Sequence[GenreAnswer],
    modalities: Mapping[str, str],
    means: Mapping[str, Float32],
    familiarity: Familiarity | None,
) -> tuple[tuple[str, ...], StrangenessAnswer | None]:
    """Why an answer is unreliable, if it is, and how unlike the training films the film is.

    Args:
        genres: The answer.
        modalities: Modality of each expert.
        means: By expert, mean scene vector of the film, shape (1, d_e); NaN if absent.
        familiarity: Statistics of the training films, if stored.
    """
    reasons = []
    strangeness = None
    if familiarity is not None:
        found = familiarity.novelty(means)
        values = [float(x) if np.isfinite(x) else None for x in found.by_expert[0]]
        score = float(found.score[0]) if np.isfinite(found.score[0]) else None
        by_expert = dict(zip(familiarity.experts, values, strict=True))
        strangest = _strangest(modalities, by_expert)
        strangeness = StrangenessAnswer(score, familiarity.threshold, by_expert, strangest)
        if score is not None and score > familiarity.threshold:
            strange = [m for m, x in strangest.items() if x is not None and x > familiarity.threshold]
            reasons.append(f"unlike the training films ({', '.join(strange)})")
    if not any(genre.decided for genre in genres):
        reasons.append("no genre is likely enough")
    all_modalities = list(dict.fromkeys(modalities.values()))
    missing = missing_modalities(list(modalities.values()), _present(modalities, means))
    if len(all_modalities) > 1 and 2 * len(missing) >= len(all_modalities):
        there = [modality for modality in all_modalities if modality not in missing]
        reasons.append(f"based only on {' and '.join(there) or 'nothing'}")
    return tuple(reasons), strangeness


def _strangest(modalities: Mapping[str, str], by_expert: Mapping[str, float | None]) -> dict[str, float | None]:
    """Maximum novelty over the experts of each modality, or None."""
    known = {expert: value for expert, value in by_expert.items() if value is not None}
    found = by_modality(map(modalities.__getitem__, known), known.values(), max)
    return {modality: found.get(modality) for modality in map(modalities.__getitem__, by_expert)}


def _present(modalities: Mapping[str, str], means: Mapping[str, Float32]) -> list[bool]:
    return [not np.isnan(means[expert][0, 0]) for expert in modalities]
