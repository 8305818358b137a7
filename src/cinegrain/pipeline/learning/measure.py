"""Metrics of a run: scores on held-out films before and after fine-tuning, and the influence of experts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from cinegrain.discovery.choose_k import KChoice
from cinegrain.discovery.clustering import unit_rows
from cinegrain.errors import DataError
from cinegrain.explain.influence import Influence, influence_by_genre
from cinegrain.metrics.calibration import reliability
from cinegrain.metrics.linear_probe import linear_probe_map
from cinegrain.metrics.multilabel import MultilabelScores, best_thresholds, multilabel_scores
from cinegrain.metrics.retrieval import RetrievalScores, retrieval_scores
from cinegrain.models.genre_model import GenreModel
from cinegrain.pipeline.learning.train import RunData
from cinegrain.results import by_modality
from cinegrain.runs.provenance import Provenance, provenance
from cinegrain.training.calibrate import fit_calibration
from cinegrain.training.checkpoint import CoarseCard, FinetunedCard
from cinegrain.training.coarse import Epoch
from cinegrain.training.infer import encode_all, predict_genres
from cinegrain.types import Int64

Parts: TypeAlias = dict[str, Int64]


@dataclass(frozen=True)
class SaidAndTrue:
    """Mean probability of each non-empty bin, and the fraction of positives in it."""

    said: tuple[float, ...]
    true: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ModelScores(MultilabelScores):
    """Scores on test films, with calibration."""

    ece: float | None = None
    ece_uncalibrated: float | None = None
    reliability: Mapping[str, SaidAndTrue] | None = None


@dataclass(frozen=True)
class EmbeddingScores:
    """Genre information in an embedding: linear probe and retrieval."""

    linear_probe_map: float | None
    films_sharing_a_genre: RetrievalScores | None


@dataclass(frozen=True)
class History:
    """Figures of every epoch of training and fine-tuning."""

    coarse: tuple[Epoch, ...]
    finetuned: tuple[Mapping[str, float | None], ...]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Content of metrics.json.

    Attributes:
        n_films: Number of films.
        n_labelled: Number of films with a learned genre.
        n_genres: Number of learned genres.
        films_by_genre: Number of films of each genre.
        genres_left_out: Genres with too few films, with their numbers.
        split: Numbers of training, validation and test films.
        coarse: Scores of the genre model.
        finetuned: Scores after fine-tuning.
        influence: By genre and modality: mean over films of the genre minus that over others, in logits.
        influence_by_expert: The same by genre and expert.
        embedding: Scores of both embeddings.
        history: Figures of all epochs.
        best_epoch: Epoch of the genre model that was kept, from 0.
        choice_of_k: How the number of sub-genres was chosen.
        provenance: Seed and versions.
    """

    n_films: int
    n_labelled: int
    n_genres: int
    films_by_genre: Mapping[str, int]
    genres_left_out: Mapping[str, int]
    split: Mapping[str, int]
    coarse: ModelScores
    finetuned: ModelScores
    influence: Mapping[str, Mapping[str, float]]
    influence_by_expert: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    embedding: Mapping[str, EmbeddingScores]
    history: History
    best_epoch: int
    choice_of_k: KChoice
    provenance: Provenance


def measure(
    data: RunData,
    coarse: tuple[GenreModel, CoarseCard],
    finetuned: tuple[GenreModel, FinetunedCard],
    influence: Influence,
    choice: KChoice,
    seed: int,
) -> Metrics:
    """Computes all metrics.

    Args:
        data: n films.
        coarse: The genre model and its card.
        finetuned: The fine-tuned model and its card.
        influence: Influence of experts on the calibrated logits of all films.
        choice: How the number of sub-genres was chosen.
        seed: Seed of the run.

    Raises:
        DataError: If the held-out films are no longer in the run.
    """
    card = coarse[1]
    position = {trailer.trailer_id: i for i, trailer in enumerate(data.trailers)}
    parts = {
        part: np.array([position[t] for t in ids if t in position], dtype=np.int64) for part, ids in card.split.items()
    }
    if not len(parts["test"]) or not len(parts["val"]):
        raise DataError("The held-out films are no longer in the run. Train again with `cinegrain train`.")
    by_genre = influence_by_genre(influence, data.labels)  # (e, g)
    return Metrics(
        n_films=len(data.trailers),
        n_labelled=len(data.labelled),
        n_genres=len(data.genres),
        films_by_genre=dict(zip(data.genres, data.labels.sum(axis=0).tolist(), strict=True)),
        genres_left_out=data.left_out,
        split={part: len(ids) for part, ids in card.split.items()},
        coarse=_scores(coarse[0], data, parts),
        finetuned=_scores(finetuned[0], data, parts),
        influence={genre: by_modality(data.modes, by_genre[:, j].tolist()) for j, genre in enumerate(data.genres)},
        influence_by_expert={
            genre: dict(zip(data.arrays.experts, by_genre[:, j].tolist(), strict=True))
            for j, genre in enumerate(data.genres)
        },
        embedding={
            "coarse": _embedding_scores(coarse[0], data, parts),
            "finetuned": _embedding_scores(finetuned[0], data, parts),
        },
        history=History(card.history, finetuned[1].history),
        best_epoch=card.best_epoch,
        choice_of_k=choice,
        provenance=provenance(seed),
    )


def _scores(model: GenreModel, data: RunData, parts: Parts) -> ModelScores:
    """Scores on test films; calibration and thresholds come from validation films."""
    train, val, test = parts["train"], parts["val"], parts["test"]
    raw_val, raw_test = (predict_genres(model, data.arrays, part) for part in (val, test))
    calibration = fit_calibration(data.labels[val], raw_val, data.labels[train])
    thresholds = best_thresholds(data.labels[val], calibration.apply(raw_val))
    truth, on_test = data.labels[test], calibration.apply(raw_test)
    scores = multilabel_scores(truth, on_test, thresholds, data.genres)
    said = {"the network's own": reliability(truth, raw_test), "calibrated": reliability(truth, on_test)}
    return ModelScores(
        **vars(scores),
        ece=said["calibrated"].ece,
        ece_uncalibrated=said["the network's own"].ece,
        reliability={
            name: SaidAndTrue(*(tuple(bins[found.counts > 0].tolist()) for bins in (found.predicted, found.observed)))
            for name, found in said.items()
        },
    )


def _embedding_scores(model: GenreModel, data: RunData, parts: Parts) -> EmbeddingScores:
    points = unit_rows(encode_all(model, data.arrays, data.everything).double().numpy())
    train, val, test = ((points[rows], data.labels[rows]) for rows in (parts["train"], parts["val"], parts["test"]))
    labelled = data.labelled
    found = retrieval_scores(points[labelled], data.labels[labelled])
    return EmbeddingScores(linear_probe_map(train, val, test), found)
