"""Whether a film is like anything a model was trained on. Imports nothing that needs PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from cinegrain.errors import StoreError
from cinegrain.types import Float32, Float64, Int64

MAX_FILMS = 2_000
"""Training films kept to compare with; more are drawn from at random."""
MAX_JUDGED = 5_000
"""Validation films that are judged to learn what is usual; more are drawn from at random."""
QUANTILE = 0.95
"""Share of the validation films that count as familiar."""
_NEAREST = 3
_MIN_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class _Expert:
    """One expert: its scaling, films to compare with (m, d), and the distances that validation films have."""

    mean: Float32
    scale: Float32
    films: Float32
    usual: float
    spread: float


@dataclass(frozen=True, eq=False)
class Novelty:
    """How strange n films are.

    Attributes:
        score: The strangest expert's, shape (n,); NaN for a film without any.
        by_expert: In deviations above the usual distance to training films, shape (n, e); NaN where absent.
    """

    score: Float64
    by_expert: Float64


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Judges films by the cosine distance of each expert's vector to the nearest training films.

    A film is as strange as its strangest expert; it is called strange above the `threshold`, which a share QUANTILE of
    the validation films does not reach.
    """

    experts: Mapping[str, _Expert]
    threshold: float

    def judge(self, means: Mapping[str, Float32]) -> Novelty:
        """How strange films are.

        Args:
            means: By expert, mean vector of each film's scenes, shape (n, d_e); NaN where the film lacks it.
        """
        distances = np.column_stack([(_distance(m, means[k]) - m.usual) / m.spread for k, m in self.experts.items()])
        filled = np.where(np.isnan(distances), -np.inf, distances).max(axis=1)
        return Novelty(np.where(np.isneginf(filled), np.nan, filled), distances)

    def to_bytes(self) -> bytes:
        """As safetensors."""
        arrays = {"threshold": np.array([self.threshold])}
        for name, expert in self.experts.items():
            arrays |= {
                f"{name}/mean": expert.mean,
                f"{name}/scale": expert.scale,
                f"{name}/films": expert.films.astype(np.float16),
                f"{name}/usual": np.array([expert.usual, expert.spread]),
            }
        return bytes(save(arrays))

    @classmethod
    def from_bytes(cls, content: bytes, experts: tuple[str, ...]) -> "Familiarity":
        """From `to_bytes`.

        Raises:
            StoreError: If it is damaged or for other experts.
        """
        try:
            arrays = load(content)
            known = {
                name: _Expert(
                    arrays[f"{name}/mean"],
                    arrays[f"{name}/scale"],
                    arrays[f"{name}/films"].astype(np.float32),
                    *map(float, arrays[f"{name}/usual"]),
                )
                for name in experts
            }
            return cls(known, float(arrays["threshold"][0]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise StoreError(f"The model's training films are damaged: {error!r}. Train or export it again.") from error


def films_to_compare(train: Int64, val: Int64, *, seed: int = 0) -> tuple[Int64, Int64]:
    """The training and the validation films that `fit_familiarity` looks at, sorted; it needs no others' means."""
    chance = np.random.default_rng(seed)
    kept, judged = chance.permutation(train)[:MAX_FILMS], chance.permutation(val)[:MAX_JUDGED]
    return np.sort(kept), np.sort(judged)


def fit_familiarity(means: Mapping[str, Float32], train: Int64, val: Int64, *, seed: int = 0) -> Familiarity:
    """Learns what is usual.

    Args:
        means: By expert, mean vector of each film's scenes, shape (n, d_e); NaN where the film lacks it.
        train: Rows of the training films.
        val: Rows of films that did not train: how far from the training films an ordinary film is.
        seed: Of the choice of films to keep.

    Source: nearest neighbours as in Sun et al. 2022, Out-of-Distribution Detection with Deep Nearest Neighbors,
    arXiv:2204.06507, on each expert's own vectors.
    """
    kept, val = films_to_compare(train, val, seed=seed)
    experts = {}
    for name, vectors in means.items():
        there = vectors[kept][~np.isnan(vectors[kept, 0])]
        if not len(there):
            there = np.zeros((1, vectors.shape[1]), dtype=np.float32)
        mean, scale = there.mean(axis=0), 1 / np.maximum(there.std(axis=0), _MIN_SPREAD)
        films = _unit((there - mean) * scale).astype(np.float16).astype(np.float32)  # as they are kept on disk
        found = _distance(_Expert(mean, scale, films, 0.0, 1.0), vectors[val])
        found = found[~np.isnan(found)]
        usual, spread = (float(found.mean()), float(found.std())) if len(found) else (0.0, 1.0)
        experts[name] = _Expert(mean, scale, films, usual, max(spread, _MIN_SPREAD))
    result = Familiarity(experts, 0.0)
    scores = result.judge({name: vectors[val] for name, vectors in means.items()}).score
    scores = scores[~np.isnan(scores)]
    return Familiarity(experts, float(np.quantile(scores, QUANTILE)) if len(scores) else float("inf"))


def _distance(expert: _Expert, vectors: Float32) -> Float64:
    """Mean cosine distance to the nearest training films, shape (n,); NaN where absent."""
    near = min(_NEAREST, len(expert.films))
    cosine = _unit((vectors - expert.mean) * expert.scale) @ expert.films.T
    best = np.partition(cosine, -near, axis=1)[:, -near:]  # NaN sorts last, and stays NaN
    return np.asarray(1 - best.mean(axis=1), dtype=np.float64)


def _unit(x: Float32) -> Float32:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), dtype=np.float32)
