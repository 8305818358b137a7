"""A film's answer put together, with when to say "not sure". Imports nothing that needs PyTorch."""

from collections.abc import Mapping, Sequence

import numpy as np

from cinegrain.explain.familiarity import Familiarity
from cinegrain.results import (
    GenreAnswer,
    Neighbour,
    Prediction,
    StrangenessAnswer,
    SubGenreAnswer,
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
    """Puts a film's answer together; arguments as for `how_sure`, the rest as in `Prediction`."""
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
        concepts=concepts,
        neighbours=tuple(neighbours),
    )


def how_sure(
    genres: Sequence[GenreAnswer],
    modalities: Mapping[str, str],
    means: Mapping[str, Float32],
    familiarity: Familiarity | None,
) -> tuple[tuple[str, ...], StrangenessAnswer | None]:
    """Why an answer cannot be relied on, if so, and how unlike the training films the film is.

    Args:
        genres: The answer.
        modalities: Modality of each expert.
        means: By expert, mean vector of the film's scenes, shape (1, d_e); NaN where absent.
        familiarity: What the model was trained on; None if that was not kept.
    """
    reasons = []
    strangeness = None
    if familiarity is not None:
        found = familiarity.novelty(means)
        values = [float(x) if np.isfinite(x) else None for x in found.by_expert[0]]
        score = float(found.score[0]) if np.isfinite(found.score[0]) else None
        by_expert = dict(zip(familiarity.experts, values, strict=True))
        strangeness = StrangenessAnswer(score, familiarity.threshold, by_expert, modalities)
        if score is not None and score > familiarity.threshold:
            strange = [m for m, x in strangeness.by_modality.items() if x is not None and x > familiarity.threshold]
            reasons.append(f"unlike the films it learned from ({', '.join(strange)})")
    if not any(genre.decided for genre in genres):
        reasons.append("no genre is likely enough")
    all_modalities = list(dict.fromkeys(modalities.values()))
    missing = missing_modalities(list(modalities.values()), _present(modalities, means))
    if len(all_modalities) > 1 and 2 * len(missing) >= len(all_modalities):
        there = [modality for modality in all_modalities if modality not in missing]
        reasons.append(f"there is only {' and '.join(there) or 'nothing'} to go by")
    return tuple(reasons), strangeness


def _present(modalities: Mapping[str, str], means: Mapping[str, Float32]) -> list[bool]:
    return [not np.isnan(means[expert][0, 0]) for expert in modalities]
