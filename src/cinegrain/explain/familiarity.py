"""Novelty: whether a film resembles the training films. Imports no PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from cinegrain.errors import StoreError
from cinegrain.types import Float32, Float64, Int64

MAX_FILMS = 2_000
"""Training films to compare with; a random sample of more."""
MAX_VAL_FILMS = 5_000
"""Validation films to fit the distribution of distances to; a random sample of more."""
QUANTILE = 0.95
"""Fraction of the validation films below the novelty threshold."""
_NEAREST = 3
_MIN_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class _Expert:
    """An expert's scaling, training films (m, d), and mean and standard deviation of the validation distances."""

    mean: Float32
    scale: Float32
    films: Float32
    usual: float
    spread: float


@dataclass(frozen=True, eq=False)
class Novelty:
    """Novelty of n films.

    Attributes:
        score: Maximum over experts, shape (n,); NaN for a film without any.
        by_expert: Distance to the training films, standardised on the validation films, shape (n, e); NaN where absent.
    """

    score: Float64
    by_expert: Float64


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Novelty of films by the cosine distance of each expert's vector to the nearest training films.

    A film is novel if its score exceeds `threshold`, the QUANTILE of the validation films.
    """

    experts: Mapping[str, _Expert]
    threshold: float

    def novelty(self, means: Mapping[str, Float32]) -> Novelty:
        """Novelty of films from their scene means by expert, shape (n, d_e); NaN where absent."""
        distances = np.column_stack([(_distance(m, means[k]) - m.usual) / m.spread for k, m in self.experts.items()])
        filled = np.where(np.isnan(distances), -np.inf, distances).max(axis=1)
        return Novelty(np.where(np.isneginf(filled), np.nan, filled), distances)

    def to_bytes(self) -> bytes:
        """Serialise as safetensors."""
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
        """Read the output of `to_bytes`.

        Raises:
            StoreError: If it is damaged or for other experts.
        """
        try:
            arrays = load(content)
            loaded = {
                name: _Expert(
                    arrays[f"{name}/mean"],
                    arrays[f"{name}/scale"],
                    arrays[f"{name}/films"].astype(np.float32),
                    *map(float, arrays[f"{name}/usual"]),
                )
                for name in experts
            }
            return cls(loaded, float(arrays["threshold"][0]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise StoreError(f"The model's training films are damaged: {error!r}. Train or export it again.") from error


def films_to_compare(train: Int64, val: Int64, *, seed: int = 0) -> tuple[Int64, Int64]:
    """Training and validation films that `fit_familiarity` uses, sorted."""
    rng = np.random.default_rng(seed)
    train, val = rng.permutation(train)[:MAX_FILMS], rng.permutation(val)[:MAX_VAL_FILMS]
    return np.sort(train), np.sort(val)


def fit_familiarity(means: Mapping[str, Float32], train: Int64, val: Int64, *, seed: int = 0) -> Familiarity:
    """Fit on training films and the distances of validation films to them.

    Args:
        means: Scene means by expert, shape (n, d_e); NaN where absent.
        train: Rows of the training films.
        val: Rows of the validation films.
        seed: Random seed of the samples.

    Source: Sun et al. 2022, Out-of-Distribution Detection with Deep Nearest Neighbors, arXiv:2204.06507, here on each
    expert's vectors.
    """
    train, val = films_to_compare(train, val, seed=seed)
    experts = {}
    for name, vectors in means.items():
        present = vectors[train][~np.isnan(vectors[train, 0])]
        if not len(present):
            present = np.zeros((1, vectors.shape[1]), dtype=np.float32)
        mean, scale = present.mean(axis=0), 1 / np.maximum(present.std(axis=0), _MIN_SPREAD)
        films = _unit((present - mean) * scale).astype(np.float16).astype(np.float32)  # the precision on disk
        distances = _distance(_Expert(mean, scale, films, 0.0, 1.0), vectors[val])
        distances = distances[~np.isnan(distances)]
        usual, spread = (float(distances.mean()), float(distances.std())) if len(distances) else (0.0, 1.0)
        experts[name] = _Expert(mean, scale, films, usual, max(spread, _MIN_SPREAD))
    result = Familiarity(experts, 0.0)
    scores = result.novelty({name: vectors[val] for name, vectors in means.items()}).score
    scores = scores[~np.isnan(scores)]
    return Familiarity(experts, float(np.quantile(scores, QUANTILE)) if len(scores) else float("inf"))


def _distance(expert: _Expert, vectors: Float32) -> Float64:
    """Mean cosine distance to the nearest training films, shape (n,); NaN where absent."""
    k = min(_NEAREST, len(expert.films))
    cosine = _unit((vectors - expert.mean) * expert.scale) @ expert.films.T
    best = np.partition(cosine, -k, axis=1)[:, -k:]  # NaN sorts last and stays NaN
    return np.asarray(1 - best.mean(axis=1), dtype=np.float64)


def _unit(x: Float32) -> Float32:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), dtype=np.float32)
