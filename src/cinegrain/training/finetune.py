"""Fine-tuning of the genre model to an embedding for sub-genre discovery."""

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
    """Fine-tune by `settings.method`.

    Args:
        coarse: Trained genre model; not modified.
        arrays: Vectors of n films; contrastive fine-tuning uses all of them.
        labels: Genres, shape (n, g).
        labelled: Films whose genres may be used (the training films).
        settings: Fine-tuning settings.
        seed: Random seed.
        franchises: Films with equal numbers are no negatives, shape (n,).
        on_epoch: Called with (done, total, message).

    Raises:
        NothingToContrastError: If fewer than two films have two scenes and the method needs two views.
    """
    franchises = np.arange(len(labels)) if franchises is None else franchises
    with threads_for(len(labelled)):
        if settings.method == "mixture":
            return finetune_by_mixture(coarse, arrays, labels, labelled, settings, seed=seed, on_epoch=on_epoch)
        return finetune_by_contrast(
            coarse, arrays, labels, labelled, settings, franchises, seed=seed, on_epoch=on_epoch
        )
