"""Does a film of a kind never seen stand out? Each genre in turn is left out of training altogether.

For a run (made by `cinegrain run`, `demo` or `run --vectors`): AUROC of each score for the films of the genre left out,
against held-out films of the others. 0.5 is chance. `strangeness` is what `cinegrain predict` uses.

    python benchmarks/strangeness.py RUN [--epochs 40] [--json]
"""

import argparse
import json
import os
import platform
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.metrics import roc_auc_score

from cinegrain.config import load_settings
from cinegrain.explain.familiarity import fit_familiarity
from cinegrain.models.genre_model import ModelSpec
from cinegrain.pipeline.learning.train import RunData, load_data
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.provenance import provenance
from cinegrain.settings import ModelSettings, SplitSettings, TrainSettings
from cinegrain.training.coarse import train_coarse
from cinegrain.training.infer import predict_genres
from cinegrain.training.split import Split, split_by_title
from cinegrain.types import Float64


def scores(data: RunData, left_out: int, epochs: int) -> tuple[dict[str, Float64], Split]:
    """Scores of all films by a model that has seen no film of one genre; and its split."""
    kept = np.flatnonzero(~data.labels[:, left_out] & data.labels.any(axis=1))
    labels = np.delete(data.labels, left_out, axis=1)
    local = split_by_title([data.trailers[i].title for i in kept], labels[kept], SplitSettings(), seed=0)
    split = Split(kept[local.train], kept[local.val], kept[local.test])
    genres = tuple(np.delete(np.array(data.genres), left_out).tolist())
    spec = ModelSpec(data.arrays.dimensions, data.modalities, genres, ModelSettings())
    result = train_coarse(data.arrays, labels, split, spec, TrainSettings(epochs=epochs), seed=0)
    p = predict_genres(result.model, data.arrays, data.everything)
    means = {name: data.arrays.means(name) for name in data.arrays.experts}
    judged = fit_familiarity(means, split.train, split.val).novelty(means)
    # log(1 + exp(logit)) = -log(1 - p): the joint energy of Wang et al. 2021, arXiv:2109.14162
    energy = np.log1p(-np.clip(p, 0, 1 - 1e-7)).sum(axis=1)
    return {"strangeness": judged.score, "energy": energy, "no likely genre": -p.max(axis=1)}, split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    run = Run.open(asked.run)
    experts = tuple(load_settings(run.settings).extract.experts.split(","))
    if len(experts) == 1:
        from cinegrain.experts.registry import expert_names

        experts = expert_names(experts[0])
    data = load_data(run, load_matched(run.catalog).trailers, experts)
    rows = []
    for j, genre in enumerate(data.genres):
        found, split = scores(data, j, asked.epochs)
        strange = np.flatnonzero(data.labels[:, j])
        truth = np.r_[np.ones(len(strange)), np.zeros(len(split.test))]
        films = np.r_[strange, split.test]
        auroc = {name: float(roc_auc_score(truth, values[films])) for name, values in found.items()}
        rows.append({"left_out": genre, "n_strange": len(strange), "n_usual": len(split.test), **auroc})
        if not asked.json:
            print(f"{genre:<20}" + "".join(f"{name} {value:.2f}   " for name, value in auroc.items()), flush=True)
    names = ("strangeness", "energy", "no likely genre")
    mean = {name: float(np.mean([row[name] for row in rows])) for name in names}
    if asked.json:
        about = {"machine": platform.processor() or platform.machine(), **provenance(0)}
        print(json.dumps({"rows": rows, "mean_auroc": mean, **about}, indent=2))
    else:
        print("mean                " + "".join(f"{name} {value:.2f}   " for name, value in mean.items()))


if __name__ == "__main__":
    main()
