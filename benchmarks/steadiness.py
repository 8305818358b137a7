"""Do silent seconds change what a film is taken for?

    python benchmarks/steadiness.py --run RUN [--before TREE RUN] [--films FOLDER ...] [--json FILE]

RUN is a run of `make demo`. Each kind of harmless silence is put into some of its films and into openly licensed clips
(the folder `shared/data/clips` beside the checkout, or those of --films; said so if there are none), and the run is
asked about the films with and without it. --before names another checkout and a run that it has made, which are asked
the same in the same way. Needs the program ffmpeg.

flips    Of all films with silence, how many have another first genre than without. Re-encoding is the measure of how
         many would have one anyway.
cosine   Of a film's mean sound vector to that of the film without silence: median, and the tenth percentile.
alike    In half of the run's films two seconds are silenced, at a place drawn for each. Of the five films nearest by
         sound (centred cosine), the share that is in the same state; by chance it is a little under one half.
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve()
CLIPS = HERE.parents[2] / "shared" / "data" / "clips"
EXPERT = "audio_yamnet"
N_DEMO, FIRST_DEMO, DEMO_STEP = 8, 6, 11
N_NEAREST, SEED = 5, 0
ENCODE = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
COPY = ["-c:v", "copy", "-c:a", "aac"]

_CARD = "tpad=start_duration=4:start_mode=add:color={}"
VARIANTS: Mapping[str, Sequence[str]] = {
    "re-encoded": ["-af", "anull", *COPY],
    "first second silent": ["-af", "volume=0:enable='lt(t,1)'", *COPY],
    "pause of two seconds": ["-af", "volume=0:enable='between(t,3,5)'", *COPY],
    "room tone for two seconds": [
        *("-f", "lavfi", "-i", "anoisesrc=a=0.00087:c=pink:r=48000"),  # -66 dBFS
        *("-filter_complex", "[0:a]volume=0:enable='lt(t,2)'[a];[a][1:a]amix=duration=first:normalize=0[b]"),
        *("-map", "0:v", "-map", "[b]", *COPY),
    ],
    "fade in": ["-af", "afade=t=in:d=2", *COPY],
    "silent rating card": ["-vf", _CARD.format("darkgreen"), "-af", "adelay=4000:all=1", *ENCODE],
    "silent black leader": ["-vf", _CARD.format("black"), "-af", "adelay=4000:all=1", *ENCODE],
    "silent end card": ["-vf", "tpad=stop_duration=5:stop_mode=add:color=black", "-af", "apad=pad_dur=5", *ENCODE],
}
MEASURE = "re-encoded"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="a run of `make demo`")
    parser.add_argument("--before", type=Path, nargs=2, metavar=("TREE", "RUN"), help="another checkout and its run")
    parser.add_argument("--films", type=Path, nargs="*", default=[CLIPS], help="folders of further films")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--probe", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.probe:
        probe(json.loads(args.probe.read_text()))
        return
    if shutil.which("ffmpeg") is None:
        print("skipped: the program ffmpeg is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        films = choose_films(args.run, args.films)
        variants = make_variants(films, scratch)
        corpus, muted = mute_half(args.run, scratch)
        trees = {"after": (HERE.parents[1], args.run)} | ({"before": tuple(args.before)} if args.before else {})
        found = {
            name: figures(*ask(tree, run, films, variants, corpus, scratch), films, variants, corpus, muted)
            for name, (tree, run) in sorted(trees.items(), reverse=True)
        }
    result = {
        "films": [film.name for film in films],
        "n_variants": sum(kind != MEASURE for kind, _ in variants),
        "results": found,
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("av", "numpy", "onnxruntime")},
        "seed": SEED,
    }
    show(found)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


def choose_films(run: Path, folders: Iterable[Path]) -> list[Path]:
    """Some of the run's films, and all others that have a sound of at least six seconds."""
    films = corpus_of(run)[FIRST_DEMO::DEMO_STEP][:N_DEMO]
    for folder in folders:
        if not folder.is_dir():
            print(f"skipped: there is no folder {folder}")
            continue
        films += [path for path in sorted(folder.iterdir()) if sound_length_s(path) >= 6]
    return films


def corpus_of(run: Path) -> list[Path]:
    return sorted((run / "corpus" / "videos").glob("*.mp4"))


def sound_length_s(path: Path) -> float:
    """Length of a video's sound that is no silence; 0 where it has none."""
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio or not container.streams.video:
                return 0.0
            loud = max(
                (float(np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0)),
                default=0.0,
            )
            return (container.duration or 0) / 1e6 if loud > 0 else 0.0
    except (av.error.FFmpegError, ValueError):
        return 0.0


def make_variants(films: Sequence[Path], scratch: Path) -> dict[tuple[str, Path], Path]:
    made = {(kind, film): scratch / f"{film.stem} {kind}.mp4" for film in films for kind in VARIANTS}
    _encode([(film, VARIANTS[kind], path) for (kind, film), path in made.items()])
    return made


def mute_half(run: Path, scratch: Path) -> tuple[list[Path], NDArray[np.bool_]]:
    """The run's films, two seconds of every second one silenced; which those are."""
    rng = random.Random(SEED)
    plain = corpus_of(run)
    is_muted = np.arange(len(plain)) % 2 == 0
    np.random.default_rng(SEED).shuffle(is_muted)
    made, work = [], []
    for film, muted in zip(plain, is_muted, strict=True):
        start_s = rng.uniform(0.0, 16.0)
        silence = f"volume=0:enable='between(t,{start_s:.2f},{start_s + 2:.2f})'" if muted else "anull"
        made.append(scratch / f"half {film.name}")
        work.append((film, ["-af", silence, *COPY], made[-1]))
    _encode(work)
    return made, is_muted


def _encode(work: Sequence[tuple[Path, Sequence[str], Path]]) -> None:
    def one(item: tuple[Path, Sequence[str], Path]) -> None:
        film, options, out = item
        codec = ["libx264" if o == "copy" and film.suffix != ".mp4" else o for o in options]
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(film), *codec, str(out)]
        subprocess.run(command, check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, work))


def ask(
    tree: Path,
    run: Path,
    films: Sequence[Path],
    variants: Mapping[tuple[str, Path], Path],
    corpus: Sequence[Path],
    scratch: Path,
) -> tuple[dict[str, str], dict[str, NDArray[np.float64]]]:
    """First genre and mean sound vector of every file, as a checkout and its run have them."""
    asked = [str(path.resolve()) for path in [*films, *variants.values()]]
    environment = {**os.environ, "PYTHONPATH": str(tree.resolve() / "src")}
    answers = scratch / f"answers-{len(list(scratch.glob('answers-*')))}.jsonl"
    command = [sys.executable, "-m", "cinegrain", "predict", str(run), *asked, "--out", str(answers)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    lines = map(json.loads, answers.read_text(encoding="utf-8").splitlines())
    genres = {answer["path"]: answer["genres"][0]["name"] for answer in lines}
    jobs, out = scratch / "jobs.json", scratch / "vectors.npz"
    jobs.write_text(json.dumps({"files": [*asked, *map(str, corpus)], "out": str(out)}))
    subprocess.run([sys.executable, str(HERE), "--run", str(run), "--probe", str(jobs)], check=True, env=environment)
    with np.load(out) as stored:
        return genres, {name: stored[name] for name in stored.files}


def probe(jobs: Mapping[str, Any]) -> None:
    """In the checkout that is asked: each film's mean over its scenes' sound vectors."""
    from cinegrain.experts.registry import load_networks
    from cinegrain.pipeline.extraction.embed import Embedder, Job
    from cinegrain.settings import MediaSettings
    from cinegrain.urls import cache_folder

    embedder = Embedder(load_networks([EXPERT], cache_folder()), [EXPERT], MediaSettings())
    means: dict[str, Any] = {}
    for name in jobs["files"]:
        column = embedder.one(Job(name, Path(name))).embeddings[EXPERT]
        means[name] = np.mean([e.vector for e in column if e is not None], axis=0, dtype=np.float64)
    np.savez(jobs["out"], **means)


def figures(
    genres: Mapping[str, str],
    vectors: Mapping[str, NDArray[np.float64]],
    films: Sequence[Path],
    variants: Mapping[tuple[str, Path], Path],
    corpus: Sequence[Path],
    is_muted: NDArray[np.bool_],
) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for kind in VARIANTS:
        pairs = [(str(film.resolve()), str(variants[kind, film].resolve())) for film in films]
        likeness = [cosine(vectors[a], vectors[b]) for a, b in pairs]
        kinds[kind] = {
            "flips": sum(genres[a] != genres[b] for a, b in pairs),
            "of": len(pairs),
            "cosine": [round(value, 4) for value in likeness],
        }
    silent = [kinds[kind] for kind in VARIANTS if kind != MEASURE]
    everything = np.concatenate([kind["cosine"] for kind in silent])
    return {
        "flips": sum(kind["flips"] for kind in silent),
        "of": sum(kind["of"] for kind in silent),
        "median_cosine": round(float(np.median(everything)), 4),
        "tenth_percentile_cosine": round(float(np.percentile(everything, 10)), 4),
        "alike": share_alike(np.stack([vectors[str(path)] for path in corpus]), is_muted),
        "alike_by_chance": round(float((len(corpus) / 2 - 1) / (len(corpus) - 1)), 3),
        "kinds": kinds,
    }


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def share_alike(vectors: NDArray[np.float64], is_muted: NDArray[np.bool_]) -> float:
    """Of the nearest films by centred cosine, the share in the same state."""
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    likeness = centred @ centred.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1)[:, :N_NEAREST]
    return round(float((is_muted[nearest] == is_muted[:, None]).mean()), 3)


def show(found: Mapping[str, Any]) -> None:
    print(f"{'':<28}" + "".join(f"{name:>24}" for name in found))
    print(f"{'':<28}" + f"{'flips   median cosine':>24}" * len(found))
    for kind in VARIANTS:
        row = [result["kinds"][kind] for result in found.values()]
        print(f"{kind:<28}" + "".join(f"{r['flips']:>6} of {r['of']:<3} {np.median(r['cosine']):>9.3f}" for r in row))
    print(f"{'all but re-encoded':<28}", end="")
    print("".join(f"{r['flips']:>6} of {r['of']:<3} {r['median_cosine']:>9.3f}" for r in found.values()))
    for name, result in found.items():
        print(
            f"{name}: of the {N_NEAREST} nearest by sound {result['alike']:.0%} are in the same state "
            f"({result['alike_by_chance']:.0%} by chance); tenth percentile of cosines "
            f"{result['tenth_percentile_cosine']:.3f}"
        )


if __name__ == "__main__":
    main()
