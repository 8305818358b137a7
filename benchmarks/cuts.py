"""Both cut detectors on rendered films whose cuts are known, as rendered and with every cut made a dissolve.

    python benchmarks/cuts.py [--films 16] [--json]

A cut counts as found if one is told within a quarter of a second (of a dissolve: within its length) of the true
one; each told cut can find one true one. The films are rendered by the demo: hard cuts, some fades through black. In
the second set their longer shots pass into each other over 0.8 s. CPU seconds are process time on one thread.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from cinegrain.experts.runtime import Runtime
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.pipeline.extraction.embed import find_cuts, load_cut_finder
from cinegrain.settings import CUTS_BY_CHANGE, CUTS_BY_NETWORK, MediaSettings
from cinegrain.types import UInt8
from cinegrain.urls import cache_folder
from cinegrain_demo.camera import MOTION_STYLES
from cinegrain_demo.film import _plan_cuts, film_frames
from cinegrain_demo.inventory import SUBGENRES
from cinegrain_demo.plan import CorpusSettings, FilmPlan, plan_corpus

DISSOLVE_S, CUT_SLACK_S = 0.8, 0.25
SHORTEST_S, LONGEST_S = 8.0, 10.0


@dataclass
class Score:
    """Counts over films, and how far found cuts are from the true ones."""

    n_true: int = 0
    n_told: int = 0
    n_found: int = 0
    film_s: float = 0.0
    cpu_s: float = 0.0
    off_s: float = 0.0

    def as_json(self) -> dict[str, float]:
        return {
            "true": self.n_true,
            "told": self.n_told,
            "precision": round(self.n_found / max(1, self.n_told), 3),
            "recall": round(self.n_found / max(1, self.n_true), 3),
            "mean_off_s": round(self.off_s / max(1, self.n_found), 3),
            "cpu_s_per_film_s": round(self.cpu_s / self.film_s, 3),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--films", type=int, default=len(SUBGENRES), help="how many films, at least one a sub-genre")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    result: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind in ("as rendered", "dissolves"):
            scores = {detector: Score() for detector in (CUTS_BY_CHANGE, CUTS_BY_NETWORK)}
            for plan in plan_corpus(
                CorpusSettings(n_films=args.films, shortest_s=SHORTEST_S, longest_s=LONGEST_S, seed=1)
            ):
                path = Path(scratch) / "film.mp4"
                true_s, film_s = write(plan, path, dissolve=kind == "dissolves")
                if not film_s:
                    continue
                for detector, score in scores.items():
                    measure(path, true_s, film_s, detector, score, DISSOLVE_S if kind == "dissolves" else CUT_SLACK_S)
            result[kind] = {detector: score.as_json() for detector, score in scores.items()}
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        for kind, by_detector in result.items():
            for detector, row in by_detector.items():
                print(f"{kind:12} {detector:12} {row}")


def write(plan: FilmPlan, path: Path, *, dissolve: bool) -> tuple[list[float], float]:
    """Writes the film and gives its true cuts and its length in seconds."""
    rng = np.random.default_rng(np.random.SeedSequence([plan.seed, 1]).spawn(3)[0])  # as film_frames draws them
    shots = _plan_cuts(rng, MOTION_STYLES[plan.motion], plan.look.n_frames)
    fps = float(plan.look.frame_rate)
    if not dissolve:
        n = encode(film_frames(plan), plan.look.frame_rate, path)
        return [shot.first / fps for shot in shots[1:]], n / fps
    pictures = list(film_frames(plan))
    half = round(DISSOLVE_S * fps / 2)
    long = [pictures[shot.first : shot.last] for shot in shots if shot.last - shot.first >= 4 * half]
    if not long:
        return [], 0.0
    joined, middles = dissolved(long, half)
    return [middle / fps for middle in middles], encode(joined, plan.look.frame_rate, path) / fps


def dissolved(shots: Sequence[list[UInt8]], half: int) -> tuple[list[UInt8], list[int]]:
    """Shots that pass into each other over `2 * half` pictures, and where the middles of that are."""
    joined: list[UInt8] = []
    middles = []
    for shot in shots:
        n = min(2 * half, len(joined))
        weights = (np.arange(n) + 0.5) / max(1, n)
        before = joined[len(joined) - n :]
        mixed = [
            cv2.addWeighted(a, 1 - float(w), b, float(w), 0.0)
            for a, b, w in zip(before, shot[:n], weights, strict=True)
        ]
        if n:
            middles.append(len(joined) - half)
        joined = [*joined[: len(joined) - n], *mixed, *shot[n:]]
    return joined, middles


def encode(frames: Iterable[UInt8], rate: Fraction, path: Path) -> int:
    """H.264 without sound; gives the number of pictures."""
    n = 0
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"preset": "superfast", "crf": "26"})
        for picture in frames:
            if n == 0:
                video.height, video.width = picture.shape[:2]
                video.pix_fmt = "yuv420p"
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            n += 1
        container.mux(video.encode(None))
    return n


def measure(path: Path, true_s: list[float], film_s: float, detector: str, score: Score, slack_s: float) -> None:
    settings = MediaSettings(cut_detector=detector, min_scene_s=0.0)
    finder = load_cut_finder(settings, cache_folder(), Runtime())
    started = time.process_time()
    cuts_s = None if finder is None else find_cuts(path, settings, finder)
    with TrailerReader(path, settings, cuts_s=cuts_s) as reader:
        told_s = [scene.start_s for scene in reader.scenes()][1:]
    score.cpu_s += time.process_time() - started
    score.film_s += film_s
    score.n_true += len(true_s)
    score.n_told += len(told_s)
    left = list(told_s)
    for cut_s in true_s:
        nearest = min(left, key=lambda told: abs(told - cut_s), default=None)
        if nearest is not None and abs(nearest - cut_s) <= slack_s:
            left.remove(nearest)
            score.n_found += 1
            score.off_s += abs(nearest - cut_s)


if __name__ == "__main__":
    main()
