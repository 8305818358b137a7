"""A trained run from planted vectors: two modes that tell the genres and one of pure noise. Quick: nothing decoded."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from cinegrain.config import Settings, load_settings, save_settings
from cinegrain.pipeline.import_vectors import VectorOptions, fill_dataset
from cinegrain.pipeline.learning.train import load_data, train
from cinegrain.readers.choose import open_vectors
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import ModelSettings, TrainSettings

GENRES = ("Comedy", "Horror", "War")
NOISE = "motion"


def planted_run(folder: Path, *, n: int = 200, fusion: str = "gating", shuffled: bool = False, seed: int = 0) -> Run:
    """Films of one or two of three genres.

    Args:
        folder: Where to.
        n: Films.
        fusion: Of the model.
        shuffled: Labels drawn without a look at the vectors.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    main = rng.integers(0, 3, n)
    labels = np.eye(3, dtype=bool)[main] | (rng.random((n, 3)) < 0.15)
    shown = labels if not shuffled else labels[rng.permutation(n)]
    image = shown @ rng.normal(size=(3, 8)) * 1.5 + rng.normal(size=(n, 8))
    sound = shown @ rng.normal(size=(3, 6)) * 1.5 + rng.normal(size=(n, 6))
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "v.npz",
        itemId=np.arange(n),
        image=image.astype(np.float32),
        audio=sound.astype(np.float32),
        motion=rng.normal(size=(n, 8)).astype(np.float32),
    )
    with (folder / "films.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["itemId", "title", "genres"])
        writer.writerows(
            [i, f"Film <{i}>", "|".join(g for g, has in zip(GENRES, labels[i], strict=True) if has)] for i in range(n)
        )
    run = Run.open(folder / "run", create=True)
    fill_dataset(run, open_vectors(folder / "v.npz", folder / "films.csv"), Settings(), Silent(), VectorOptions())
    settings = replace(
        load_settings(run.settings),
        model=ModelSettings(fusion=fusion, hidden_dim=8, ensemble_size=2, dropout=0.1),
        train=TrainSettings(epochs=25, learning_rate=5e-3),
    )
    save_settings(settings, run.folder)
    data = load_data(run, load_matched(run.catalog).trailers, tuple(settings.extract.experts.split(",")))
    train(run, data, settings, Silent())
    return run
