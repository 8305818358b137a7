"""Search by weighted experts at two sizes: every trailer is compared.

    python benchmarks/search.py [--json] [--quick] [--trailers 100000 1000000] [--queries 100]

Data: pooled trailers of the simulator's world "medium" (20 genres, their sub-genres, 40 studios), drawn in bulk, at a
sixteenth of the paper's dimensions, each at least 8: audio 8, location 128, motion 32, image 128, together 296 numbers
a trailer; 3 % lack a mode. Genres are one more such space, of 20 numbers. Queries
are trailers of the same world that are not in the corpus, under four weightings.
Time is the median over queries; the vectors are in memory.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cinegrain.search.criteria import ALIKE, GENRES
from cinegrain.search.spaces import ExpertSpace, Part, search
from cinegrain.types import Bool, Float32
from simulator.settings import SimulateSettings
from simulator.world import World, make_world

TOP_K, GRAIN, BLOCK = 10, 0.3, 20_000
WEIGHTINGS: dict[str, dict[str, float]] = {
    "as --like": dict(ALIKE),
    "all alike": {"audio": 1.0, "location": 1.0, "motion": 1.0, "image": 1.0},
    "audio 2, image 1": {"audio": 2.0, "image": 1.0},
    "image alone": {"image": 1.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print one object a row")
    parser.add_argument("--quick", action="store_true", help="20,000 trailers")
    parser.add_argument("--trailers", type=int, nargs="+")
    parser.add_argument("--queries", type=int, default=100)
    args = parser.parse_args()
    for n in args.trailers or ([20_000] if args.quick else [100_000, 1_000_000]):
        for row in measure(n, args.queries):
            print(json.dumps(row) if args.json else line(row), flush=True)


def line(row: Mapping[str, Any]) -> str:
    return f"{row['trailers']:>9,} {row['weights']:<18} {row['ms_a_query']:8.2f} ms a query"


def measure(n: int, n_queries: int) -> list[dict[str, Any]]:
    world = make_world(SimulateSettings(trailers=n, pooled=True, scale_dimensions=0.0625))
    vectors, present = draw(world, n + n_queries, seed=1)
    spaces: dict[str, ExpertSpace] = {}
    asked: dict[str, list[Float32 | None]] = {}
    for mode in list(vectors):
        whole, there = vectors.pop(mode), present[mode][:n]
        spaces[mode] = ExpertSpace.measure(whole[:n][there], there)
        asked[mode] = [spaces[mode].direction(vector) for vector in whole[n:]]
    rows = []
    for name, weights in WEIGHTINGS.items():
        queries = [
            {m: Part(d, w) for m, w in weights.items() if (d := asked[m][i]) is not None} for i in range(n_queries)
        ]
        with threadpool_limits(1):
            ms = median_ms(spaces, queries)
        rows.append(
            {
                "trailers": n,
                "dimensions": {mode: space.vectors.shape[1] for mode, space in spaces.items()},
                "queries": n_queries,
                "threads": 1,
                "machine": {"processor": processor(), "numpy": np.__version__},
                "weights": name,
                "ms_a_query": ms,
            }
        )
    return rows


def median_ms(spaces: Mapping[str, ExpertSpace], queries: list[dict[str, Part]]) -> float:
    spent = []
    for query in queries:
        started = time.perf_counter()
        search(spaces, query, top_k=TOP_K)
        spent.append(time.perf_counter() - started)
    return round(1000 * float(np.median(spent)), 3)


def draw(world: World, n: int, *, seed: int) -> tuple[dict[str, Float32], dict[str, Bool]]:
    """Pooled vectors of n trailers by mode, shape (n, d), their genres, and which have them; the simulator in bulk."""
    settings, strengths = world.settings, world.settings.strengths
    vectors: dict[str, Float32] = {
        mode: np.empty((n, own.project.shape[1]), np.float32) for mode, own in world.modes.items()
    }
    present: dict[str, Bool] = {mode: np.empty(n, bool) for mode in world.modes}
    genres = world.membership.astype(np.float32)
    vectors[GENRES], present[GENRES] = np.empty((n, len(world.genres)), np.float32), np.ones(n, bool)
    for number, start in enumerate(range(0, n, BLOCK)):
        rng = np.random.default_rng([seed, number])
        b = min(BLOCK, n - start)
        sets = np.minimum(np.searchsorted(world.cumulative, rng.random(b), side="right"), len(world.sets) - 1)
        variants, studio = rng.integers(2, size=(b, 2)), rng.integers(settings.studios, size=b)
        scenes = np.minimum(10 + 16 * np.exp(0.65 * rng.normal(size=b)), 60)
        home = world.homes[sets]
        vectors[GENRES][start : start + b] = genres[sets]
        for position, (mode, own) in enumerate(world.modes.items()):
            hidden = own.set_means[sets] + own.studios[studio]
            for place in (0, 1):
                carries = world.carriers[home, place] == position
                hidden += (carries * (2 * variants[:, place] - 1))[:, None] * own.variant[home]
            spread = np.sqrt(strengths.trailer**2 + strengths.scene**2 / scenes)
            hidden += spread[:, None] * rng.normal(size=hidden.shape)
            values = np.float32(GRAIN) * rng.standard_normal((b, own.project.shape[1]), dtype=np.float32)
            values += hidden.astype(np.float32) @ own.project + own.bias
            vectors[mode][start : start + b] = np.maximum(values, 0)
            present[mode][start : start + b] = rng.random(b) >= settings.missing
    return vectors, present


def processor() -> str:
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        found = next((row.split(":")[1].strip() for row in file if row.startswith("model name")), platform.machine())
    return f"{found}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
