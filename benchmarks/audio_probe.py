"""Does an audio expert carry signal? A linear probe over its vectors on ESC-10, beside plain log-mel statistics.

    python benchmarks/audio_probe.py [--folder ESC10] [--json]

The folder holds meta.csv (file, fine, fold) and audio/. For each fold a logistic regression is fitted on the other
folds; its strength is chosen on one of those, never on the fold that is scored. Mean and deviation are over folds.
"""

import argparse
import csv
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cinegrain.experts.registry import load_networks
from cinegrain.experts.yamnet import log_mel_patches
from cinegrain.types import SOUND_RATE_HZ, Float32, Scene
from cinegrain.urls import cache_folder

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "esc10"
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=DEFAULT)
    parser.add_argument("--expert", default="audio_yamnet")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    if not (args.folder / "meta.csv").is_file():
        print(f"skipped: {args.folder} holds no meta.csv")
        return
    with (args.folder / "meta.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sounds = [read(find(args.folder, row["file"])) for row in rows]
    labels = np.array([row["fine"] for row in rows])
    folds = np.array([row["fold"] for row in rows])
    (network,) = load_networks([args.expert], cache_folder())
    vectors = np.stack([embed(network, sound, args.expert) for sound in sounds])
    results = {
        args.expert: probe(vectors, labels, folds),
        "log-mel": probe(np.stack(list(map(mel, sounds))), labels, folds),
    }
    if args.json:
        data = {"data": "ESC-10, folds " + ", ".join(sorted(set(folds))), "n": len(rows)}
        versions = {name: version(name) for name in ("av", "numpy", "onnxruntime", "scikit-learn")}
        print(json.dumps({**data, "accuracy": results, "python": platform.python_version(), "versions": versions}))
        return
    for name, found in results.items():
        print(f"{name:<20}{found['mean']:.3f} ± {found['deviation']:.3f}  by fold {found['by_fold']}")


def find(folder: Path, name: str) -> Path:
    """Where a file lies: as named, or in audio/."""
    return folder / name if (folder / name).is_file() else folder / "audio" / name


def read(path: Path) -> Float32:
    """Mono at 16 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)
    parts = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def embed(network: Any, sound: Float32, expert: str) -> Float32:
    """The expert's vector of one sound."""
    nothing = np.zeros(0)
    scene = Scene(
        0,
        0.0,
        len(sound) / SOUND_RATE_HZ,
        np.zeros((0, 1, 1, 3), np.uint8),
        nothing,
        np.zeros((0, 1, 1), np.uint8),
        nothing,
        sound,
    )
    vector: Float32 = network.embed([scene])[expert][0].vector
    return vector


def mel(sound: Float32) -> Float32:
    """Mean and deviation of log-mel bands over time."""
    bands = log_mel_patches(sound)[:, 0].reshape(-1, 64)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0)])


def probe(vectors: Float32, labels: np.ndarray, folds: np.ndarray) -> dict[str, Any]:
    """Accuracy of logistic regression by fold."""
    names = sorted(set(folds))
    scores = []
    for i, fold in enumerate(names):
        choose = names[(i + 1) % len(names)]
        test, val = folds == fold, folds == choose
        best = max(STRENGTHS, key=lambda c: fit(vectors, labels, ~test & ~val, c).score(vectors[val], labels[val]))
        scores.append(float(fit(vectors, labels, ~test, best).score(vectors[test], labels[test])))
    return {
        "mean": float(np.mean(scores)),
        "deviation": float(np.std(scores)),
        "by_fold": [round(s, 3) for s in scores],
    }


def fit(vectors: Float32, labels: np.ndarray, rows: np.ndarray, strength: float) -> Any:
    """A fitted probe."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=3000))
    return model.fit(vectors[rows], labels[rows])


if __name__ == "__main__":
    main()
