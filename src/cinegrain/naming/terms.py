"""Terms that distinguish a group of trailers from others of its genre."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.naming.plain_words import head, stems
from cinegrain.types import Bool, Float64

_FLOOR = 1e-3  # smoothing of the words' fractions within a modality
_PER_MODALITY = 2
_MIN_RATIO = 1.25  # of the fractions inside and outside


@dataclass(frozen=True)
class Term:
    """A distinctive word.

    Attributes:
        word: The word.
        mode: Its modality, or `text`.
        score: Its contribution to the Kullback-Leibler divergence within the modality, nats.
        coverage: Fraction of the group's trailers that have it.
    """

    word: str
    mode: str
    score: float
    coverage: float


@dataclass(frozen=True, eq=False)
class TermCounts:
    """Strength of t words in n trailers.

    Attributes:
        words: Length t.
        modalities: Modality of each word, or `text`; length t.
        scores: Shape (n, t), at least 0.
    """

    words: tuple[str, ...]
    modalities: tuple[str, ...]
    scores: Float64

    @classmethod
    def from_trailers(cls, trailers: Sequence[Mapping[tuple[str, str], float]]) -> "TermCounts":
        """From (modality, word) -> strength of each trailer."""
        keys = sorted({key for trailer in trailers for key in trailer})
        column = {key: i for i, key in enumerate(keys)}
        scores = np.zeros((len(trailers), len(keys)))
        for row, trailer in enumerate(trailers):
            for key, value in trailer.items():
                scores[row, column[key]] = value
        return cls(tuple(word for _, word in keys), tuple(modality for modality, _ in keys), scores)


def distinctive_terms(counts: TermCounts, inside: Bool, background: Bool, *, top: int = 12) -> tuple[Term, ...]:
    """Words that are more frequent in a group than in its background, best first.

    Mean strengths are normalised within each modality to p (group) and q (background); a word scores p log(p / q), its
    term of the Kullback-Leibler divergence. This makes modalities with many and few words comparable. At least two
    trailers of the group, or its only one, must have the word.

    Args:
        counts: Words of n trailers.
        inside: The group, shape (n,).
        background: Trailers to compare with, shape (n,).
        top: Maximum number of words.
    """
    coverage = (counts.scores[inside] > 0).mean(axis=0) if inside.any() else np.zeros(len(counts.words))
    needed = min(2, int(inside.sum())) / max(int(inside.sum()), 1)
    terms: list[Term] = []
    for modality in sorted(set(counts.modalities)):
        columns = np.flatnonzero(np.array(counts.modalities) == modality)
        p, q = (_fractions(counts.scores[rows][:, columns]) for rows in (inside, background))
        ratio = (p + _FLOOR) / (q + _FLOOR)
        gains = p * np.log(ratio)
        terms += [
            Term(counts.words[c], modality, float(gain), float(coverage[c]))
            for c, gain, r in zip(columns, gains, ratio, strict=True)
            if gain > 0 and r >= _MIN_RATIO and coverage[c] >= needed
        ]
    return tuple(sorted(terms, key=lambda term: (-term.score, term.word))[:top])


def _fractions(scores: Float64) -> Float64:
    means = scores.mean(axis=0) if len(scores) else np.zeros(scores.shape[1])
    return np.asarray(means / max(float(means.sum()), 1e-12))


def label_words(terms: Sequence[Term], n: int = 3, *, genre: str = "") -> tuple[str, ...]:
    """Words of a label: the best, at most two per modality, without repetitions of each other or the genre.

    Args:
        terms: Best first.
        n: Maximum number of words.
        genre: Name of the genre; may be empty.
    """
    chosen: list[Term] = []
    for term in terms:
        same_modality = sum(other.mode == term.mode for other in chosen)
        used = [genre, *(other.word for other in chosen)]
        if same_modality < _PER_MODALITY and not any(_redundant(term.word, other) for other in used if other):
            chosen.append(term)
        if len(chosen) == n:
            break
    return tuple(term.word for term in chosen)


def _redundant(a: str, b: str) -> bool:
    """Whether two phrases repeat each other, such as `music` and `sad music`, or `dog` and `dogs`."""
    words_a, words_b = stems(a), stems(b)
    return words_a <= words_b or words_b <= words_a or head(a) == head(b)
