"""Recovery of the demo's planted sub-genres; the only reader of the ground truth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cinegrain.config import Settings
from cinegrain.discovery.clusterers import make_clusterer
from cinegrain.discovery.clustering import Clusterer, unit_rows
from cinegrain.discovery.kmeans import RESTARTS, kmeans_clusterer
from cinegrain.experts.registry import expert_names
from cinegrain.metrics.cluster_agreement import cluster_scores
from cinegrain.metrics.retrieval import retrieval_scores
from cinegrain.pipeline.learning.train import RunData, load_data
from cinegrain.runs.artifacts import read_csv, read_json, write_json
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.training.checkpoint import CoarseCard, FinetunedCard, load_model
from cinegrain.training.infer import encode_all
from cinegrain.types import Bool, Float64, JsonObject

_SEEDS = 5


def recover(run: Run, truth_file: Path, settings: Settings) -> list[JsonObject]:
    """Scores discovered sub-genres against the planted ones, beside k-means on plain vectors and on the genre model.

    Args:
        run: A finished run.
        truth_file: CSV with trailer_id and subgenre.
        settings: Settings of the run: clusterer, and the first of five seeds for means and standard deviations.

    Returns:
        One row per method, also written to recovery.json.
    """
    data = load_data(run, load_matched(run.catalog).trailers, expert_names(settings.extract.experts))
    planted = {row["trailer_id"]: row["subgenre"] for row in read_csv(truth_file)}
    truth = [planted[trailer_id] for trailer_id in data.trailer_ids]
    coarse, finetuned = load_model(run.coarse, CoarseCard)[0], load_model(run.finetuned, FinetunedCard)[0]
    plain, ours = kmeans_clusterer(RESTARTS), make_clusterer(settings.discover.clusterer)
    before = unit_rows(encode_all(coarse, data.arrays, data.everything).double().numpy())
    after = unit_rows(encode_all(finetuned, data.arrays, data.everything).double().numpy())
    n, k, seed = len(set(truth)), int(read_json(run.atlas)["k"]), settings.seed
    rows = [
        _row(
            "plain vectors of all experts",
            "true number",
            concatenated(data),
            n,
            truth,
            plain,
            data.labels,
            settings.seed,
        ),
        _row("coarse genre network", "true number", before, n, truth, plain, data.labels, seed),
        _row("after fine-tuning, k-means", "true number", after, n, truth, plain, data.labels, seed),
        _row("after fine-tuning", "true number", after, n, truth, ours, data.labels, seed),
        _row("after fine-tuning", "chosen", after, k, truth, ours, data.labels, seed),
    ]
    write_json(run.recovery, rows)
    return rows


def concatenated(data: RunData) -> Float64:
    """Baseline without training: standardised mean scene vectors of each expert, at unit length, concatenated.

    Returns:
        Unit rows, shape (n, sum of d_e).
    """
    blocks = []
    for name in data.arrays.experts:
        means = data.arrays.means(name).astype(np.float64)
        scaled = (means - np.nanmean(means, axis=0)) / np.maximum(np.nanstd(means, axis=0), 1e-6)
        blocks.append(unit_rows(np.nan_to_num(scaled)[:, None]))
    return unit_rows(np.concatenate(blocks, axis=1)[:, None])


def _row(
    method: str,
    how: str,
    points: Float64,
    k: int,
    truth: Sequence[str],
    cluster: Clusterer,
    genres: Bool,
    seed: int,
) -> JsonObject:
    scores = [
        cluster_scores(truth, cluster(points, k, seed=seed + i, genres=genres).labels.tolist()) for i in range(_SEEDS)
    ]
    row: JsonObject = {"method": method, "k": how, "n_clusters": k}
    for name in ("ari", "nmi", "accuracy"):
        values = [getattr(score, name) for score in scores]
        row[name], row[f"{name}_sd"] = float(np.mean(values)), float(np.std(values))
    found = retrieval_scores(points, np.array(truth)[:, None] == np.unique(truth))
    if found is not None:
        row["recall_at_1"], row["retrieval_map"] = found.recall_at[1], found.map
    return row
