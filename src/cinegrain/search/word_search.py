"""Search by words: in the concepts of each scene, and in the catalogue's text."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow.compute as pc

from cinegrain.results import FoundWord
from cinegrain.runs.catalog import catalog_text
from cinegrain.search.library import Library
from cinegrain.store.schema import EMBEDDINGS
from cinegrain.types import Float32, Int64

_Traces: TypeAlias = dict[tuple[str, str], float]  # strength by modality and word

CATALOGUE = "catalogue"
_FAINT = 0.05
"""A word's strength is divided by its maximum, but at least by this, so that a faint trace does not count 1."""


@dataclass(eq=False)
class _Found:
    """One word or phrase.

    Attributes:
        of_films: By film, strength by (modality, word): root mean square over scenes, as in naming.
        of_scenes: By film and scene, strength by (modality, word).
    """

    of_films: dict[int, _Traces] = field(default_factory=dict)
    of_scenes: dict[tuple[int, int], _Traces] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FoundWords:
    """Matches of words.

    Attributes:
        films: Score of each film for all words, 0..1, shape (n,).
        notes: A sentence for each word without a match.
    """

    films: Float32
    notes: tuple[str, ...]
    _found: Mapping[str, _Found]

    def scenes(self, films: Int64, scenes: Int64) -> Float32:
        """Scores of scenes, each given by film and index; the catalogue's text is ignored."""
        keys = list(zip(films.tolist(), scenes.tolist(), strict=True))
        return _mean_of(
            [_strength([f.of_scenes.get(key) for key in keys], f.of_scenes.values()) for f in self._found.values()]
        )

    def reasons(self, film: int, scene: int | None = None) -> tuple[FoundWord, ...]:
        """Matches in a film or in one of its scenes, strongest first."""
        words = []
        for asked, found in self._found.items():
            there = found.of_films.get(film) if scene is None else found.of_scenes.get((film, scene))
            for (mode, word), score in (there or {}).items():
                words.append(FoundWord(asked, word, mode, round(score, 4)))
        return tuple(sorted(words, key=lambda word: -word.score))


def find_words(library: Library, words: Sequence[str]) -> FoundWords:
    """Searches for whole words, ignoring case and plural endings.

    A film's score for a word is its maximum strength over modalities, divided by the maximum over films; a match in the
    catalogue's title, genres or text columns (discover.text_columns) counts 1. Scores of several words are averaged.

    Args:
        library: The run.
        words: Words or phrases.
    """
    patterns = {word: re.compile(rf"(?<!\w){re.escape(word)}(?:e?s)?(?!\w)", re.IGNORECASE) for word in words}
    found, known = _in_scenes(library, patterns)
    columns = library.settings.discover.text_columns.split(",")
    for number, film in enumerate(library.films):
        text = " | ".join([film.title, *film.genres, catalog_text(film, columns)])
        for word, pattern in patterns.items():
            if pattern.search(text):
                found[word].of_films.setdefault(number, {})[CATALOGUE, word] = 1.0
    n = range(len(library.films))
    films = _mean_of([_strength([f.of_films.get(i) for i in n], f.of_films.values()) for f in found.values()])
    notes = []
    for word in words:
        if not found[word].of_films:
            near = difflib.get_close_matches(word.casefold(), known, 3)
            notes.append(f"No film matches {word!r}{f'; similar words: {chr(44).join(near)}' if near else ''}")
    return FoundWords(films, tuple(notes), found)


def _in_scenes(library: Library, patterns: Mapping[str, re.Pattern[str]]) -> tuple[dict[str, _Found], list[str]]:
    """Matching concepts by word, and all concepts."""
    found = {word: _Found() for word in patterns}
    seen: dict[tuple[int, str], int] = {}  # scenes with concepts, a bit each, by film and modality
    fits: dict[str, list[str]] = {}  # words that a concept matches
    columns = ["trailer_id", "scene", "expert", "concepts"]
    for batch in library.dataset.table(EMBEDDINGS).to_batches(columns=columns):
        films = [library.number.get(trailer_id, -1) for trailer_id in batch["trailer_id"].to_pylist()]
        experts, scenes = batch["expert"].to_pylist(), batch["scene"].to_pylist()
        for row in np.flatnonzero(pc.list_value_length(batch["concepts"]).to_numpy(zero_copy_only=False) > 0):
            if experts[row] in library.modality:
                place = (films[row], library.modality[experts[row]])
                seen[place] = seen.get(place, 0) | 1 << scenes[row]
        flat, owner = pc.list_flatten(batch["concepts"]), pc.list_parent_indices(batch["concepts"]).to_numpy()
        names = pc.struct_field(flat, "name").dictionary_encode()
        for name in set(names.dictionary.to_pylist()) - set(fits):
            fits[name] = [word for word, pattern in patterns.items() if pattern.search(name)]
        wanted = np.array([bool(fits[name]) for name in names.dictionary.to_pylist()], bool)
        scores = pc.struct_field(flat, "score")
        for i in np.flatnonzero(wanted[names.indices.to_numpy()]) if len(wanted) else ():
            film, expert, name = films[owner[i]], experts[owner[i]], names[i].as_py()
            if film >= 0 and expert in library.modality:
                key, score = (library.modality[expert], name), scores[i].as_py()
                for word in fits[name]:
                    of_scene = found[word].of_scenes.setdefault((film, scenes[owner[i]]), {})
                    of_scene[key] = max(of_scene.get(key, 0.0), score)
    for one in found.values():
        for (film, _), traces in one.of_scenes.items():
            own = one.of_films.setdefault(film, {})
            for key, score in traces.items():
                own[key] = (own.get(key, 0.0) ** 2 + score**2 / seen[film, key[0]].bit_count()) ** 0.5
    return found, sorted({name.casefold() for name in fits})


def _strength(traces: Sequence[_Traces | None], everywhere: Collection[_Traces]) -> Float32:
    """Maximum strength of each item, divided by the maximum over items; shape (n,)."""
    heard = [v for own in everywhere for (mode, _), v in own.items() if mode != CATALOGUE]
    most = max([_FAINT, *heard])
    best = [
        max((1.0 if m == CATALOGUE else v / most for (m, _), v in (own or {}).items()), default=0.0) for own in traces
    ]
    return np.asarray(best, np.float32)


def _mean_of(columns: Sequence[Float32]) -> Float32:
    return np.asarray(np.mean(columns, axis=0), np.float32)
