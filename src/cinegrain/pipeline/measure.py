"""All figures of a run: genre scores on held-out films before and after fine-tuning, and the influence of modes."""

from dataclasses import asdict
from typing import TypeAlias

import numpy as np

from cinegrain.errors import DataError
from cinegrain.explain.influence import Influence, influence_by_genre
from cinegrain.metrics.multilabel import MultilabelScores, best_thresholds, multilabel_scores
from cinegrain.models.genre_model import GenreModel
from cinegrain.pipeline.train import RunData
from cinegrain.training.infer import encode_all, genre_probabilities
from cinegrain.types import Int64, JsonObject

ModelAndCard: TypeAlias = tuple[GenreModel, JsonObject]


def measure(data: RunData, coarse: ModelAndCard, finetuned: ModelAndCard, influence: Influence) -> JsonObject:
    """Plain data for metrics.json.

    Args:
        data: n films.
        coarse: The genre model and its card.
        finetuned: The fine-tuned model and its card.
        influence: Of modes on all films.

    Raises:
        DataError: If the films held back are no longer in the run.
    """
    card = coarse[1]
    position = {trailer.trailer_id: i for i, trailer in enumerate(data.trailers)}
    test, val = (
        np.array([position[t] for t in card["split"][part] if t in position], dtype=np.int64)
        for part in ("test", "val")
    )
    if not len(test) or not len(val):
        raise DataError("The films held back are no longer in the run. Train again with `cinegrain train`.")
    by_genre = influence_by_genre(influence, data.labels)  # (e, g)
    return {
        "n_films": len(data.trailers),
        "n_labelled": len(data.labelled),
        "n_genres": len(data.genres),
        "films_by_genre": dict(zip(data.genres, data.labels.sum(axis=0).tolist(), strict=True)),
        "genres_left_out": data.left_out,
        "split": {part: len(ids) for part, ids in card["split"].items()},
        "coarse": asdict(_scores(coarse[0], data, val, test)),
        "finetuned": asdict(_scores(finetuned[0], data, val, test)),
        "influence": {
            genre: dict(zip(data.modes, by_genre[:, j].tolist(), strict=True)) for j, genre in enumerate(data.genres)
        },
        "history": {"coarse": card["history"], "finetuned": finetuned[1]["history"]},
        "best_epoch": card["best_epoch"],
    }


def _scores(model: GenreModel, data: RunData, val: Int64, test: Int64) -> MultilabelScores:
    """Scores on test films at thresholds from validation films."""
    on_val, on_test = (genre_probabilities(model, encode_all(model, data.arrays, part)) for part in (val, test))
    return multilabel_scores(data.labels[test], on_test, best_thresholds(data.labels[val], on_val), data.genres)
