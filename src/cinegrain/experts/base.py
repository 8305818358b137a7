"""Interface of experts: a card, and a function from scenes to vectors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from cinegrain.experts.runtime import Runtime
from cinegrain.experts.weights import WeightFile
from cinegrain.types import Concept, Float32, JsonObject, Modality, Scene, SceneEmbedding

Needs = Literal["frames", "clips", "flow", "sound"]
N_CONCEPTS = 10


@dataclass(frozen=True)
class ExpertCard:
    """Description of an expert.

    Attributes:
        name: For example `audio_yamnet`.
        modality: Its modality.
        dimension: Dimension d of its vectors.
        needs: Input that it takes from a scene.
        description: What it recognises, in a sentence.
        concepts: Source of its concepts, or None.
        weights: Files that it needs.
        licence: Licence of the weights.
        citation: What to cite.
        substitute_for: Network that it is a substitute for, if any.
        version: Incremented when its vectors change.
    """

    name: str
    modality: Modality
    dimension: int
    needs: Needs
    description: str
    concepts: str | None
    weights: tuple[WeightFile, ...]
    licence: str
    citation: str
    substitute_for: str | None = None
    version: int = 1

    @property
    def substitute(self) -> bool:
        """Whether it is a substitute for another network."""
        return self.substitute_for is not None

    def to_dict(self) -> JsonObject:
        """The card as plain data."""
        return {**asdict(self), "substitute": self.substitute}


class Network(Protocol):
    """A loaded network that serves one or more experts."""

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """One embedding for each scene, by expert name; None where the scene lacks what the expert needs."""
        ...


@dataclass(frozen=True)
class Family:
    """Experts that share one network, so that it runs once for all of them.

    Attributes:
        cards: The experts.
        load: Loads the network, given the cache folder and how to run it; downloads weights if needed.
    """

    cards: tuple[ExpertCard, ...]
    load: Callable[[Path, Runtime], Network]


def top_concepts(names: Sequence[str], scores: Float32, n: int = N_CONCEPTS) -> tuple[Concept, ...]:
    """The n best concepts, best first.

    Args:
        names: All concepts, length c.
        scores: Their scores 0..1, shape (c,).
        n: Number of concepts.
    """
    best = np.argsort(-scores, kind="stable")[:n]
    return tuple(Concept(names[i], float(scores[i])) for i in best)


def by_scene(values: Float32, counts: Sequence[int]) -> list[Float32]:
    """Consecutive groups of rows, one per scene.

    Args:
        values: Shape (sum of counts, d).
        counts: Number of rows of each scene; may be 0.
    """
    return np.split(values, np.cumsum(counts)[:-1])


def mean_by_scene(values: Float32, counts: Sequence[int]) -> list[Float32 | None]:
    """Means of consecutive groups of rows.

    Args:
        values: Shape (sum of counts, d).
        counts: Number of rows of each scene; the mean is None for 0.
    """
    return [
        rows.mean(axis=0, dtype=np.float64).astype(np.float32) if len(rows) else None
        for rows in by_scene(values, counts)
    ]


def described_scenes(
    vectors: Float32, scores: Float32, counts: Sequence[int], words: Sequence[str], *, best: bool = False
) -> list[SceneEmbedding | None]:
    """Each scene's mean vector with its best concepts; None for a scene without rows.

    Args:
        vectors: Shape (sum of counts, d).
        scores: Scores of concepts, 0..1, shape (sum of counts, c).
        counts: Number of rows of each scene; may be 0.
        words: All concepts, length c.
        best: Whether a concept is scored by its best row (it occurs) or by the mean over rows (it describes all).
    """
    found: list[SceneEmbedding | None] = []
    for mean, rows in zip(mean_by_scene(vectors, counts), by_scene(scores, counts), strict=True):
        if mean is None:
            found.append(None)
            continue
        score = rows.max(axis=0) if best else rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        found.append(SceneEmbedding(mean, top_concepts(words, score)))
    return found
