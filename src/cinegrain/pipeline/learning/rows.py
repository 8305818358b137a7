"""Rows of trailers.json."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cinegrain.atlas.cards import Atlas
from cinegrain.discovery.clustering import unit_rows
from cinegrain.explain.influence import Influence, expert_influence
from cinegrain.explain.neighbours import nearest_of_each
from cinegrain.models.genre_model import GenreModel
from cinegrain.naming.trailer_words import best_words
from cinegrain.pipeline.learning.train import RunData
from cinegrain.results import Film, Membership, NearFilm, NearSubGenre, genre_answers, missing_modalities
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.calibrate import Calibration
from cinegrain.training.checkpoint import CoarseCard
from cinegrain.training.infer import predict_genres
from cinegrain.types import Float64

N_WORDS = 8
_N_NEIGHBOURS = 5
_N_MEMBERSHIPS, _LEAST_MEMBERSHIP = 3, 0.05
_INFLUENCE_BATCH = 64


@dataclass(frozen=True, eq=False)
class Found:
    """Result of discovery.

    Attributes:
        atlas: The sub-genres.
        encoded: Trailer embeddings by expert, shape (n, e, d).
        layout: Positions on the map, shape (n, 2).
        layout_before: Positions by the genre model, before fine-tuning.
        concepts: Strength of concepts: trailer_id -> modality -> concept -> 0..1.
    """

    atlas: Atlas
    encoded: Float64
    layout: Float64
    layout_before: Float64
    concepts: Mapping[str, Mapping[str, Mapping[str, float]]]


def trailer_rows(
    data: RunData, dataset: EmbeddingDataset, model: GenreModel, card: CoarseCard, found: Found
) -> tuple[list[Film], Influence]:
    """One row per trailer, in the order of the data, and the influence of experts on the calibrated logits.

    Args:
        data: n films.
        dataset: Their dataset.
        model: The genre model.
        card: Its card.
        found: Result of discovery.
    """
    calibration = Calibration.from_stored(card.calibration, len(data.genres))
    influence = calibrated_influence(_influence(model, data), calibration)
    probabilities = calibration.apply(predict_genres(model, data.arrays, data.everything))
    records = {record.trailer_id: record for record in dataset.trailers}
    present = np.stack([np.diff(a.offsets) > 0 for a in data.arrays.experts.values()], axis=1)
    part_of = {trailer_id: part for part, ids in card.split.items() for trailer_id in ids}
    points = unit_rows(found.encoded)
    near, alike = nearest_of_each(points, top_k=_N_NEIGHBOURS)
    distances = 1 - points @ found.atlas.clustering.centroids.T
    memberships = found.atlas.clustering.membership_of_own(points)
    modality_of = model.spec.modality_of
    rows = []
    for i, trailer in enumerate(data.trailers):
        cluster = int(found.atlas.clustering.labels[i])
        subgenre, record = found.atlas.subgenres[cluster], records[trailer.trailer_id]
        rows.append(
            Film(
                trailer_id=trailer.trailer_id,
                title=trailer.title,
                year=trailer.year,
                catalog_genres=trailer.genres,
                split=part_of.get(trailer.trailer_id, "unlabelled"),
                duration_s=record.duration_s,
                n_scenes=record.n_scenes,
                flags=record.flags,
                missing=missing_modalities(data.modes, present[i].tolist()),
                predicted=genre_answers(
                    model.spec.genres, modality_of, probabilities[i], card.thresholds, influence.values[i]
                ),
                sub_genre=NearSubGenre(subgenre.id, subgenre.name, float(distances[i, cluster])),
                memberships=_likely(memberships[i], found.atlas),
                concepts={
                    mode: tuple(best_words(words, N_WORDS))
                    for mode, words in found.concepts.get(trailer.trailer_id, {}).items()
                },
                neighbours=tuple(
                    NearFilm(data.trailers[row].trailer_id, score)
                    for row, score in zip(near[i].tolist(), alike[i].tolist(), strict=True)
                ),
                map=_place(found.layout[i]),
                map_before=_place(found.layout_before[i]),
            )
        )
    return rows, influence


def _place(layout: Float64) -> tuple[float, float]:
    return float(layout[0]), float(layout[1])


def _likely(membership: Float64, atlas: Atlas) -> tuple[Membership, ...]:
    """The most likely sub-genres of a film, at most three."""
    best = np.argsort(-membership, kind="stable")[:_N_MEMBERSHIPS]
    return tuple(
        Membership(atlas.subgenres[c].id, round(float(membership[c]), 4))
        for c in best
        if membership[c] >= _LEAST_MEMBERSHIP
    )


def calibrated_influence(influence: Influence, calibration: Calibration) -> Influence:
    """Influence on the calibrated logits."""
    return Influence(
        calibration.scale(influence.values),
        calibration.scale(influence.full) + calibration.offsets,
        calibration.scale(influence.empty) + calibration.offsets,
    )


def _influence(model: GenreModel, data: RunData) -> Influence:
    rows = data.everything
    parts = [
        expert_influence(model, data.arrays.batch(rows[i : i + _INFLUENCE_BATCH]))
        for i in range(0, len(rows), _INFLUENCE_BATCH)
    ]
    return Influence(np.concatenate([p.values for p in parts]), np.concatenate([p.full for p in parts]), parts[0].empty)
