"""A run's genre model with its films."""

from dataclasses import dataclass

import numpy as np

from cinegrain.errors import DataError
from cinegrain.models.genre_model import GenreModel
from cinegrain.pipeline.learning.train import RunData, load_data
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.training.calibrate import Calibration
from cinegrain.training.checkpoint import CoarseCard, load_model
from cinegrain.training.infer import predict_genres
from cinegrain.training.split import Split
from cinegrain.types import Float64, Int64


@dataclass(frozen=True, eq=False)
class Trained:
    """A genre model and its data.

    Attributes:
        run: The run.
        model: The network.
        card: Its card.
        calibration: Calibration of its probabilities.
        data: All films.
        split: Rows of training, validation and test films.
    """

    run: Run
    model: GenreModel
    card: CoarseCard
    calibration: Calibration
    data: RunData
    split: Split

    @property
    def thresholds(self) -> Float64:
        """Decision thresholds of the calibrated probabilities, shape (g,)."""
        return np.array(self.card.thresholds)

    def raw(self, films: Int64) -> Float64:
        """Uncalibrated probabilities, shape (n, g)."""
        return predict_genres(self.model, self.data.arrays, films)


def load_trained(run: Run) -> Trained:
    """Loads the genre model of a run.

    Raises:
        StoreError: If there is no genre model or no dataset.
        DataError: If the films changed since it was trained.
    """
    model, card = load_model(run.coarse, CoarseCard)
    data = load_data(run, load_matched(run.catalog).trailers, model.spec.experts)
    if data.genres != model.spec.genres:
        raise DataError("The run's genres changed since its model was trained. Run `cinegrain train` again.")
    row = {trailer.trailer_id: i for i, trailer in enumerate(data.trailers)}
    parts = [np.array([row[t] for t in card.split[p] if t in row], dtype=np.int64) for p in ("train", "val", "test")]
    if not all(map(len, parts)):
        raise DataError("The held-out films are no longer in the run. Train again with `cinegrain train`.")
    return Trained(run, model, card, Calibration.from_stored(card.calibration, len(data.genres)), data, Split(*parts))
