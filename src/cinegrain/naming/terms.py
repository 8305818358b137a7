"""Names from words: what sets a group of trailers apart from the others of its genre."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.naming.plain_words import head, stems
from cinegrain.types import Bool, Float64

_FLOOR = 1e-3  # share of a mode's words that an unseen word is given
_PER_MODE = 2
_MIN_RATIO = 1.25  # a word must be this much more frequent inside than outside


@dataclass(frozen=True)
class Term:
    """A word that sets a group apart; `score` is its part (nats) of the group's divergence within its mode."""

    word: str
    mode: str
    score: float
    coverage: float


@dataclass(frozen=True, eq=False)
class TermCounts:
    """How strongly each of t words was noticed in each of n trailers.

    Attributes:
        words: Length t.
        modes: Where each word comes from (a modality or `text`), length t.
        scores: Shape (n, t), at least 0.
    """

    words: tuple[str, ...]
    modes: tuple[str, ...]
    scores: Float64

    @classmethod
    def from_trailers(cls, trailers: Sequence[Mapping[tuple[str, str], float]]) -> "TermCounts":
        """From (mode, word) -> strength for each trailer."""
        keys = sorted({key for trailer in trailers for key in trailer})
        column = {key: i for i, key in enumerate(keys)}
        scores = np.zeros((len(trailers), len(keys)))
        for row, trailer in enumerate(trailers):
            for key, value in trailer.items():
                scores[row, column[key]] = value
        return cls(tuple(word for _, word in keys), tuple(mode for mode, _ in keys), scores)


def distinctive_terms(counts: TermCounts, inside: Bool, background: Bool, *, top: int = 12) -> tuple[Term, ...]:
    """Words that a group has more of than its background, best first.

    Within each mode the words' mean strengths are shares p (group) and q (background); a word scores
    p log(p / q), its part of the Kullback-Leibler divergence. So modes with many words and modes with few
    compare, and a word that is everywhere says nothing. A word counts only if at least two members (or the only
    one) have it.

    Args:
        counts: Words of n trailers.
        inside: The group, shape (n,).
        background: Who it is told apart from, shape (n,).
        top: How many words at most.
    """
    coverage = (counts.scores[inside] > 0).mean(axis=0) if inside.any() else np.zeros(len(counts.words))
    needed = min(2, int(inside.sum())) / max(int(inside.sum()), 1)
    terms: list[Term] = []
    for mode in sorted(set(counts.modes)):
        columns = np.flatnonzero(np.array(counts.modes) == mode)
        p, q = (_shares(counts.scores[rows][:, columns]) for rows in (inside, background))
        ratio = (p + _FLOOR) / (q + _FLOOR)
        gains = p * np.log(ratio)
        terms += [
            Term(counts.words[c], mode, float(gain), float(coverage[c]))
            for c, gain, r in zip(columns, gains, ratio, strict=True)
            if gain > 0 and r >= _MIN_RATIO and coverage[c] >= needed
        ]
    return tuple(sorted(terms, key=lambda term: (-term.score, term.word))[:top])


def _shares(scores: Float64) -> Float64:
    means = scores.mean(axis=0) if len(scores) else np.zeros(scores.shape[1])
    return np.asarray(means / max(float(means.sum()), 1e-12))


def label_words(terms: Sequence[Term], n: int = 3, *, genre: str = "") -> tuple[str, ...]:
    """The words of a label: the best ones, at most two from one mode, none that says what another or the genre says.

    Args:
        terms: Best first.
        n: How many at most.
        genre: Whose name is not to be repeated.
    """
    chosen: list[Term] = []
    for term in terms:
        same_mode = sum(other.mode == term.mode for other in chosen)
        said = [genre, *(other.word for other in chosen)]
        if same_mode < _PER_MODE and not any(_alike(term.word, other) for other in said if other):
            chosen.append(term)
        if len(chosen) == n:
            break
    return tuple(term.word for term in chosen)


def _alike(a: str, b: str) -> bool:
    """Whether one phrase says what the other says, as `music` and `sad music` do, or `dog` and `dogs`."""
    words_a, words_b = stems(a), stems(b)
    return words_a <= words_b or words_b <= words_a or head(a) == head(b)
