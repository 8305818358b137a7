"""All figures of a run: genre scores on held-out films before and after fine-tuning, and the influence of experts."""

from dataclasses import asdict
from typing import TypeAlias

import numpy as np

from cinegrain.discovery.clustering import unit_rows
from cinegrain.errors import DataError
from cinegrain.explain.influence import Influence, influence_by_genre
from cinegrain.metrics.calibration import reliability
from cinegrain.metrics.linear_probe import linear_probe_map
from cinegrain.metrics.multilabel import best_thresholds, multilabel_scores
from cinegrain.metrics.retrieval import retrieval_scores
from cinegrain.models.genre_model import GenreModel
from cinegrain.pipeline.learning.train import RunData
from cinegrain.results import by_modality
from cinegrain.training.calibrate import fit_calibration
from cinegrain.training.infer import encode_all, predict_genres
from cinegrain.types import Int64, JsonObject

Parts: TypeAlias = dict[str, Int64]
ModelAndCard: TypeAlias = tuple[GenreModel, JsonObject]


def measure(data: RunData, coarse: ModelAndCard, finetuned: ModelAndCard, influence: Influence) -> JsonObject:
    """Plain data for metrics.json.

    Args:
        data: n films.
        coarse: The genre model and its card.
        finetuned: The fine-tuned model and its card.
        influence: Of experts on all films, on the calibrated logits.

    Raises:
        DataError: If the films held back are no longer in the run.
    """
    card = coarse[1]
    position = {trailer.trailer_id: i for i, trailer in enumerate(data.trailers)}
    parts = {
        part: np.array([position[t] for t in ids if t in position], dtype=np.int64)
        for part, ids in card["split"].items()
    }
    if not len(parts["test"]) or not len(parts["val"]):
        raise DataError("The films held back are no longer in the run. Train again with `cinegrain train`.")
    by_genre = influence_by_genre(influence, data.labels)  # (e, g)
    return {
        "n_films": len(data.trailers),
        "n_labelled": len(data.labelled),
        "n_genres": len(data.genres),
        "films_by_genre": dict(zip(data.genres, data.labels.sum(axis=0).tolist(), strict=True)),
        "genres_left_out": data.left_out,
        "split": {part: len(ids) for part, ids in card["split"].items()},
        "coarse": _scores(coarse[0], data, parts),
        "finetuned": _scores(finetuned[0], data, parts),
        "influence": {genre: by_modality(data.modes, by_genre[:, j].tolist()) for j, genre in enumerate(data.genres)},
        "influence_by_expert": {
            genre: dict(zip(data.arrays.experts, by_genre[:, j].tolist(), strict=True))
            for j, genre in enumerate(data.genres)
        },
        "embedding": {
            "coarse": _embedding_scores(coarse[0], data, parts),
            "finetuned": _embedding_scores(finetuned[0], data, parts),
        },
        "history": {"coarse": card["history"], "finetuned": finetuned[1]["history"]},
        "best_epoch": card["best_epoch"],
    }


def _scores(model: GenreModel, data: RunData, parts: Parts) -> JsonObject:
    """Scores on test films; calibration and thresholds come from validation films."""
    train, val, test = parts["train"], parts["val"], parts["test"]
    raw_val, raw_test = (predict_genres(model, data.arrays, part) for part in (val, test))
    calibration = fit_calibration(data.labels[val], raw_val, data.labels[train])
    thresholds = best_thresholds(data.labels[val], calibration.apply(raw_val))
    truth, on_test = data.labels[test], calibration.apply(raw_test)
    scores = asdict(multilabel_scores(truth, on_test, thresholds, data.genres))
    said = {"the network's own": reliability(truth, raw_test), "calibrated": reliability(truth, on_test)}
    return {
        **scores,
        "ece": said["calibrated"].ece,
        "ece_uncalibrated": said["the network's own"].ece,
        "reliability": {
            name: {
                "said": found.predicted[found.counts > 0].tolist(),
                "true": found.observed[found.counts > 0].tolist(),
            }
            for name, found in said.items()
        },
    }


def _embedding_scores(model: GenreModel, data: RunData, parts: Parts) -> JsonObject:
    """What the trailer embedding itself still knows of the genres: a linear probe, and whom films stand next to."""
    points = unit_rows(encode_all(model, data.arrays, data.everything).double().numpy())
    train, val, test = ((points[rows], data.labels[rows]) for rows in (parts["train"], parts["val"], parts["test"]))
    labelled = data.labelled
    found = retrieval_scores(points[labelled], data.labels[labelled])
    return {
        "linear_probe_map": linear_probe_map(train, val, test),
        "films_sharing_a_genre": None if found is None else asdict(found),
    }
