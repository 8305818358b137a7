"""Clustering very many trailers: time, memory and agreement with what was planted, beside scikit-learn.

    python benchmarks/clustering.py [--json] [--quick] [--trailers 1000000] [--dimensions 64] [--groups 60]

Unit rows around random centres of unequal size are made in float32. Each way runs in a process of its own, on one
thread: the mixture under genres (the default; it alone is told genres, each of which holds a twentieth of the groups),
k-means (restarts on a sample, then all films assigned), the same films assigned to its centres, the repeats that
stability needs, and scikit-learn's mini-batch k-means. Memory is the peak of everything resident beyond what it was
with the rows made.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from cinegrain.types import Bool, Float32, Int64

SEED, NOISE, QUICK = 0, 0.16, 5_000
GENRES, SECOND = 20, 0.3  # number, and how often a film has a second one that its group knows nothing of
PARTS = ("genres", "kmeans", "assign", "repeats", "minibatch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    parser.add_argument("--quick", action="store_true", help="5,000 trailers")
    parser.add_argument("--trailers", type=int, default=0)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--groups", type=int, default=60)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    n = args.trailers or (QUICK if args.quick else 1_000_000)
    if args.part:
        with threadpool_limits(1):
            print(json.dumps(measured(args.part, n, args.dimensions, args.groups)))
        return
    for part in PARTS:
        asked = [
            f"--{name}={value}"
            for name, value in (("trailers", n), ("dimensions", args.dimensions), ("groups", args.groups))
        ]
        done = subprocess.run([sys.executable, __file__, f"--part={part}", *asked], capture_output=True, text=True)
        if done.returncode:
            print(f"{part}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            continue
        row = json.loads(done.stdout)
        if args.json:
            print(json.dumps(row), flush=True)
        else:
            print(
                f"{row['part']:14s} {row['trailers']:>9,} x {row['dimensions']}, k {row['groups']}: "
                f"{row['cpu_s']:8.1f} CPU s, {row['extra_mb']:7.0f} MB more, ARI {row['ari']:.3f}",
                flush=True,
            )


def planted(n: int, d: int, k: int) -> tuple[Float32, Int64]:
    """Unit rows around k centres, the largest group some five times the smallest."""
    rng = np.random.default_rng(SEED)
    centres = rng.standard_normal((k, d), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    shares = rng.uniform(0.2, 1.0, size=k)
    truth = rng.choice(k, size=n, p=shares / shares.sum())
    points = centres[truth]
    for start in range(0, n, 100_000):
        part = points[start : start + 100_000]
        part += np.float32(NOISE) * rng.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return points, truth


def measured(part: str, n: int, d: int, k: int) -> dict[str, Any]:
    """One way: its time, memory and agreement with what was planted."""
    points, truth = planted(n, d, k)
    run = prepared(part, points, k, truth)
    before, cpu, start = peak_mb(), time.process_time(), time.perf_counter()
    labels = run()
    return {
        "part": part,
        "trailers": n,
        "dimensions": d,
        "groups": k,
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.perf_counter() - start, 2),
        "extra_mb": round(peak_mb() - before),
        "rows_mb": round(points.nbytes / 1e6),
        "ari": round(float(adjusted_rand_score(truth, labels)), 4),
        "seed": SEED,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}",
    }


def genres_of(truth: Int64) -> Bool:
    """Genres of films, shape (n, 20): that of their group, and sometimes one more."""
    rng = np.random.default_rng(SEED)
    genres = (truth % GENRES)[:, None] == np.arange(GENRES)
    second = np.flatnonzero(rng.random(len(truth)) < SECOND)
    genres[second, rng.integers(GENRES, size=len(second))] = True
    return np.asarray(genres)


def prepared(part: str, points: Float32, k: int, truth: Int64) -> Callable[[], Int64]:
    """What is timed, with its imports done; the truth is there for genres alone."""
    if part == "minibatch":
        from sklearn.cluster import MiniBatchKMeans

        return lambda: np.asarray(MiniBatchKMeans(k, n_init=3, random_state=SEED).fit_predict(points), dtype=np.int64)
    from cinegrain.discovery.clusterers import make_clusterer
    from cinegrain.discovery.stability import repeat_search, stability

    cluster = make_clusterer("genres" if part == "genres" else "kmeans")
    rows: Any = points
    if part == "genres":
        genres = genres_of(truth)
        return lambda: cluster(rows, k, seed=SEED, genres=genres).labels
    if part == "assign":
        found = cluster(rows[:20_000], k, seed=SEED)
        return lambda: found.assign(rows)
    if part == "repeats":
        labels = cluster(rows, k, seed=SEED).labels

        def repeated() -> Int64:
            n = 10 if len(rows) > QUICK else 2
            stability(labels, repeat_search(rows, k, cluster, seed=SEED, n_seeds=n, n_subsamples=n))
            return labels

        return repeated
    return lambda: cluster(rows, k, seed=SEED).labels


def peak_mb() -> float:
    """Most memory that was resident so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
