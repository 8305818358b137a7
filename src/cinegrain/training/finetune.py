"""From the coarse network to the embedding in which sub-genres are looked for, in one of two ways."""

import numpy as np

from cinegrain.models.genre_model import GenreModel
from cinegrain.settings import FinetuneSettings
from cinegrain.training.arrays import TrailerArrays
from cinegrain.training.contrast import finetune_by_contrast
from cinegrain.training.finetuned import Finetuned, OnEpoch
from cinegrain.training.mixture import finetune_by_mixture
from cinegrain.training.threads import threads_for
from cinegrain.types import Bool, Int64


def finetune(
    coarse: GenreModel,
    arrays: TrailerArrays,
    labels: Bool,
    labelled: Int64,
    settings: FinetuneSettings,
    *,
    seed: int,
    franchises: Int64 | None = None,
    on_epoch: OnEpoch | None = None,
) -> Finetuned:
    """Fine-tunes by the method that the settings name.

    Args:
        coarse: The trained network; left as it is.
        arrays: Vectors of n films. The contrast learns from all of them, and from genres of the labelled ones only.
        labels: Genres, shape (n, g).
        labelled: Films whose genres may be used (the training films).
        settings: How.
        seed: Of all chance.
        franchises: A number for each film, shape (n,); films that share one never push each other away.
        on_epoch: Called with (done, total, a line to show).

    Raises:
        NothingToContrastError: If fewer than two films have two scenes, and the method needs views.
    """
    franchises = np.arange(len(labels)) if franchises is None else franchises
    with threads_for(len(labelled)):
        if settings.method == "mixture":
            return finetune_by_mixture(coarse, arrays, labels, labelled, settings, seed=seed, on_epoch=on_epoch)
        return finetune_by_contrast(
            coarse, arrays, labels, labelled, settings, franchises, seed=seed, on_epoch=on_epoch
        )
