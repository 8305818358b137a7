"""Words of each trailer for naming: what its experts recognised, and what the catalogue says."""

import re
from collections.abc import Mapping, Sequence

from sklearn.feature_extraction.text import TfidfVectorizer

from cinegrain.naming.plain_words import plain_words, text_words
from cinegrain.naming.terms import TermCounts
from cinegrain.runs.catalog import catalog_text
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import Concept, Trailer

_MIN_TEXTS = 3


def trailer_concepts(dataset: EmbeddingDataset, modalities: dict[str, str]) -> dict[str, dict[str, dict[str, float]]]:
    """Strength of each word in each trailer: trailer_id -> mode -> word -> 0..1."""
    scenes: dict[str, dict[str, list[Sequence[Concept]]]] = {}
    for row in dataset.concepts():
        if row.expert not in modalities:
            continue  # the dataset may hold more experts than this run asks for
        scenes.setdefault(row.trailer_id, {}).setdefault(modalities[row.expert], []).append(row.concepts)
    return {
        trailer_id: {mode: word_strength(rows) for mode, rows in by_mode.items()}
        for trailer_id, by_mode in scenes.items()
    }


def word_strength(scenes: Sequence[Sequence[Concept]]) -> dict[str, float]:
    """Root mean square of a word's scores over scenes: strong somewhere counts more than faint everywhere.

    Args:
        scenes: The words of each scene that has any; a word that is not among them counts as 0.
    """
    squares: dict[str, float] = {}
    for words in scenes:
        for concept in words:
            squares[concept.name] = squares.get(concept.name, 0.0) + concept.score**2
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
