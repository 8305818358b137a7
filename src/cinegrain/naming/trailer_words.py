"""Words of each trailer for naming: what its experts recognised, and what the catalogue says."""

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
    """Strength of each word in each trailer: trailer_id -> mode -> word -> 0..1."""
    seen: dict[str, list[tuple[str, int, Sequence[Concept]]]] = {}
    for row in dataset.concepts():
        if row.expert in modalities:  # the dataset may hold more experts than this run asks for
            seen.setdefault(row.trailer_id, []).append((modalities[row.expert], row.scene, row.concepts))
    return {trailer_id: word_strengths(rows) for trailer_id, rows in seen.items()}


def word_strengths(seen: Iterable[tuple[str, int, Sequence[Concept]]]) -> dict[str, dict[str, float]]:
    """Strength of each word in one trailer: modality -> word -> 0..1.

    It is the root mean square of the word's scores over the scenes in which an expert of the modality recognised
    anything: strong somewhere counts more than faint everywhere. Of several experts the one counts that is surest.

    Args:
        seen: What an expert recognised in a scene: its modality, the scene, the words.
    """
    scenes: dict[str, dict[int, dict[str, float]]] = {}
    for modality, scene, concepts in seen:
        own = scenes.setdefault(modality, {}).setdefault(scene, {})
        for concept in concepts:
            own[concept.name] = max(concept.score, own.get(concept.name, 0.0))
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
    """All words of the trailers in their order, in plain form; catalogue text is the mode `text`."""
    rows = [
        {
            (mode, word): score
            for mode, words in concepts.get(trailer.trailer_id, {}).items()
            for word, score in plain_words(mode, words).items()
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
        except ValueError:  # no word that two films share
            return TermCounts.from_trailers(rows)
        words = vectoriser.get_feature_names_out()
        for i, j, value in zip(weights.row, weights.col, weights.data, strict=True):
            rows[i]["text", str(words[j])] = float(value)
    return TermCounts.from_trailers(rows)
