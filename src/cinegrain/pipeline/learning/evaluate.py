"""Evaluates a run's genre model on held-out films."""

from dataclasses import asdict

import numpy as np

from cinegrain.metrics.calibration import reliability
from cinegrain.metrics.confusion import confusion
from cinegrain.metrics.intervals import genre_intervals
from cinegrain.metrics.multilabel import multilabel_scores
from cinegrain.pipeline.learning.evaluation_page import evaluation_document
from cinegrain.pipeline.learning.trained import Trained, load_trained
from cinegrain.report.document import document_html, document_markdown
from cinegrain.runs.artifacts import write_csv, write_json, write_text
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Watcher
from cinegrain.runs.provenance import provenance
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import most_telling
from cinegrain.training.calibrate import KINDS
from cinegrain.types import Bool, Float64, JsonObject

_SCORES = ("ap", "precision", "recall", "f1")
GENRE_COLUMNS = (
    *("genre", "n_positive", "threshold", "calibration"),
    *(f"{score}{end}" for score in _SCORES for end in ("", "_low", "_high")),
)
MISTAKE_COLUMNS = (
    "trailer_id",
    "title",
    "genre",
    "given",
    "probability",
    "threshold",
    "genres_given",
    "genres_decided",
)


def evaluate(run: Run, watcher: Watcher, *, n_mistakes: int = 24) -> JsonObject:
    """Scores the genre model on the test films and writes RUN/evaluation/.

    Args:
        run: A trained run.
        watcher: Receives progress.
        n_mistakes: Number of worst mistakes to show.

    Returns:
        Content of evaluation.json.

    Raises:
        CinegrainError: If the run is not trained, or the result cannot be written.
    """
    with watcher.stage("Evaluation") as on_step:
        trained = load_trained(run)
        on_step(1, 3, "scores and their intervals")
        figures = evaluation_figures(trained, n_mistakes=n_mistakes)
        on_step(2, 3, "pictures and pages")
        dataset = EmbeddingDataset(run.dataset)
        shown = dict.fromkeys(mistake["trailer_id"] for mistake in figures["mistakes"])
        pictures = {film: picture for film in shown if (picture := most_telling(dataset.scenes(film)))}
        document = evaluation_document(figures, pictures)
        folder = run.folder / "evaluation"
        write_csv(folder / "genres.csv", GENRE_COLUMNS, map(_flat, figures["genres"]))
        write_csv(folder / "confusion.csv", ("missed", *trained.data.genres), _confusion_rows(figures))
        write_csv(folder / "mistakes.csv", MISTAKE_COLUMNS, map(_mistake_row, figures["mistakes"]))
        write_text(folder / "evaluation.md", document_markdown(document))
        write_text(folder / "evaluation.html", document_html(document))
        write_json(folder / "evaluation.json", figures)
        on_step(3, 3, "evaluation.html")
    return figures


def evaluation_figures(trained: Trained, *, n_mistakes: int) -> JsonObject:
    """Content of evaluation.json.

    Args:
        trained: The model and its films.
        n_mistakes: Number of worst mistakes.
    """
    data, test, thresholds = trained.data, trained.split.test, trained.thresholds
    truth, raw = data.labels[test], trained.raw(test)
    probabilities = trained.calibration.apply(raw)
    scores = asdict(multilabel_scores(truth, probabilities, thresholds, data.genres))
    genres = []
    for j, row in enumerate(scores.pop("genres")):
        found = genre_intervals(truth[:, j], probabilities[:, j], thresholds[j])
        intervals = None if found is None else asdict(found)
        genres.append({**row, "calibration": trained.calibration.kinds[j], "intervals": intervals})
    confused = confusion(truth, probabilities >= thresholds)
    return {
        **scores,
        "n_films_by_part": {part: len(getattr(trained.split, part)) for part in ("train", "val", "test")},
        "genres": genres,
        "calibration": {
            "genres_by_kind": {k: list(trained.calibration.kinds).count(k) for k in KINDS},
            "uncalibrated": _reliability(truth, raw),
            "calibrated": _reliability(truth, probabilities),
        },
        "confusion": {
            "genres": list(data.genres),
            "counts": confused.counts.tolist(),
            "missed": confused.missed.tolist(),
            "shares": confused.rates.tolist(),
            "together": confused.cooccurrence.tolist(),
        },
        "mistakes": _mistakes(trained, truth, probabilities, n_mistakes),
        "provenance": {**vars(provenance(trained.card.provenance.seed)), "model": trained.card.key},
    }


def _reliability(truth: Bool, probabilities: Float64) -> JsonObject:
    found = reliability(truth, probabilities)
    filled = found.counts > 0
    return {
        "ece": found.ece,
        "said": found.predicted[filled].tolist(),
        "true": found.observed[filled].tolist(),
        "counts": found.counts[filled].tolist(),
    }


def _mistakes(trained: Trained, truth: Bool, probabilities: Float64, most: int) -> list[JsonObject]:
    """Wrong decisions about test films, most confident first."""
    data, thresholds = trained.data, trained.thresholds
    decided = probabilities >= thresholds
    surprise = np.where(truth, 1 - probabilities, probabilities)
    rows, columns = np.nonzero(decided != truth)
    order = np.argsort(-surprise[rows, columns], kind="stable")[:most]
    return [
        {
            "trailer_id": data.trailers[trained.split.test[i]].trailer_id,
            "title": data.trailers[trained.split.test[i]].title,
            "genre": data.genres[j],
            "given": bool(truth[i, j]),
            "probability": float(probabilities[i, j]),
            "threshold": float(thresholds[j]),
            "genres_given": [g for g, there in zip(data.genres, truth[i], strict=True) if there],
            "genres_decided": [g for g, there in zip(data.genres, decided[i], strict=True) if there],
        }
        for i, j in zip(rows[order], columns[order], strict=True)
    ]


def _flat(genre: JsonObject) -> JsonObject:
    row = {column: genre[column] for column in GENRE_COLUMNS if column in genre}
    for score in _SCORES:
        low, high = genre["intervals"][score] if genre["intervals"] else ("", "")
        row |= {f"{score}_low": low, f"{score}_high": high}
    return row


def _confusion_rows(figures: JsonObject) -> list[JsonObject]:
    found = figures["confusion"]
    names = found["genres"]
    return [
        {"missed": name, **dict(zip(names, row, strict=True))} for name, row in zip(names, found["counts"], strict=True)
    ]


def _mistake_row(mistake: JsonObject) -> JsonObject:
    return {key: "|".join(value) if isinstance(value, list) else value for key, value in mistake.items()}
