"""Words of each trailer for naming: its experts' concepts and catalogue text."""

import re
from collections.abc import Iterable, Mapping, Sequence

from sklearn.feature_extraction.text import TfidfVectorizer

from cinegrain.naming.plain_words import plain_words, text_words
from cinegrain.naming.terms import TermCounts
from cinegrain.runs.catalog import catalog_text
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import Concept, Trailer

_MIN_TEXTS = 3


def trailer_concepts(dataset: EmbeddingDataset, modalities: dict[str, str]) -> dict[str, dict[str, dict[str, float]]]:
    """Strength of each concept: trailer_id -> modality -> concept -> 0..1."""
    seen: dict[str, list[tuple[str, int, Sequence[Concept]]]] = {}
    for row in dataset.concepts():
        if row.expert in modalities:  # the dataset may have experts that this run does not use
            seen.setdefault(row.trailer_id, []).append((modalities[row.expert], row.scene, row.concepts))
    return {trailer_id: word_strengths(rows) for trailer_id, rows in seen.items()}


def word_strengths(seen: Iterable[tuple[str, int, Sequence[Concept]]]) -> dict[str, dict[str, float]]:
    """Strength of each concept in one trailer: modality -> concept -> 0..1.

    The root mean square of the scores over scenes in which the modality has any concept: strong in few scenes counts
    more than weak in all. In each scene the highest score of the modality's experts is used.

    Args:
        seen: An expert's modality, the scene, and its concepts there.
    """
    scenes: dict[str, dict[int, dict[str, float]]] = {}
    for modality, scene, concepts in seen:
        scores = scenes.setdefault(modality, {}).setdefault(scene, {})
        for concept in concepts:
            scores[concept.name] = max(concept.score, scores.get(concept.name, 0.0))
    return {modality: _root_mean_square(list(by_scene.values())) for modality, by_scene in scenes.items()}


def _root_mean_square(scenes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    squares: dict[str, float] = {}
    for words in scenes:
        for name, score in words.items():
            squares[name] = squares.get(name, 0.0) + score**2
    return {word: (total / len(scenes)) ** 0.5 for word, total in squares.items()}


def best_words(words: Mapping[str, float], n: int) -> list[Concept]:
    """The n strongest words, best first."""
    return [Concept(word, score) for word, score in sorted(words.items(), key=lambda item: (-item[1], item[0]))[:n]]


def term_counts(
    trailers: Sequence[Trailer], concepts: dict[str, dict[str, dict[str, float]]], text_columns: str
) -> TermCounts:
    """Plain words of all trailers, in their order; catalogue text has the modality `text`."""
    rows = [
        {
            (modality, word): score
            for modality, words in concepts.get(trailer.trailer_id, {}).items()
            for word, score in plain_words(modality, words).items()
        }
        for trailer in trailers
    ]
    texts = [catalog_text(trailer, text_columns.split(",")) for trailer in trailers]
    if sum(bool(re.search(r"\w", text)) for text in texts) >= _MIN_TEXTS:
        vectoriser = TfidfVectorizer(
            preprocessor=text_words, stop_words="english", min_df=2, token_pattern=r"(?u)\b[^\W\d_]{3,}\b"
        )
        try:
            weights = vectoriser.fit_transform(texts).tocoo()
        except ValueError:  # no two films share a word
            return TermCounts.from_trailers(rows)
        words = vectoriser.get_feature_names_out()
        for i, j, value in zip(weights.row, weights.col, weights.data, strict=True):
            rows[i]["text", str(words[j])] = float(value)
    return TermCounts.from_trailers(rows)
