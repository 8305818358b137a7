"""Searches a run for films and scenes by modality and by words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cinegrain.errors import ConfigError
from cinegrain.results import Match, Matches
from cinegrain.runs.progress import Watcher
from cinegrain.search.criteria import CRITERIA, GENRES
from cinegrain.search.library import Library
from cinegrain.search.query import Query
from cinegrain.search.spaces import Besides, Hit, ranked, search
from cinegrain.store.groups import Group, Groups
from cinegrain.types import Int64


def search_films(library: Library, query: Query, *, top_k: int) -> Matches:
    """The best films, each with its score, the cosine of each modality and of the genres, and the words it matches.

    Args:
        library: The run.
        query: The query.
        top_k: Maximum number of films.
    """
    besides = None if query.words is None else Besides(query.words.films, query.word_weight)
    hits = search(library.spaces, query.parts, top_k=top_k, exclude=query.exclude, besides=besides)
    return Matches((_match(library, query, hit, hit.item) for hit in _found(hits, query)), _notes(query))


def search_scenes(library: Library, query: Query, watcher: Watcher, *, top_k: int) -> Matches:
    """The best scenes of all films, with their times; genres are ignored.

    Args:
        library: The run.
        query: The query.
        watcher: Receives progress.
        top_k: Maximum number of scenes.

    Raises:
        ConfigError: If the query consists of genres alone.
    """
    query = replace(query, parts={name: part for name, part in query.parts.items() if name != GENRES})
    if not query.parts and query.words is None:
        raise ConfigError("Scenes have no genres. Search by a modality or by words.")
    groups = Groups(library.dataset, experts=list(query.parts))
    best: list[Match] = []
    with watcher.stage("Searching scenes") as on_step:
        for done, group in enumerate(groups, start=1):
            best += _scenes_of(library, query, group, top_k)
            best = sorted(best, key=lambda match: -match.score)[:top_k]
            on_step(done, len(groups), group.records[-1].trailer_id)
    return Matches(best, _notes(query))


def _scenes_of(library: Library, query: Query, group: Group, top_k: int) -> list[Match]:
    """The best scenes of some films."""
    first = np.concatenate([[0], np.cumsum([len(times) for times in group.times_s])])
    numbers = np.array([library.number.get(record.trailer_id, -1) for record in group.records])
    owner = np.repeat(np.arange(len(numbers)), np.diff(first))
    scene = np.arange(first[-1]) - first[owner]
    cosines = {name: np.zeros(first[-1], np.float32) for name in query.parts}
    for name, part in query.parts.items():
        found = group.vectors[name]
        rows = np.repeat(first[:-1], np.diff(found.offsets)) + found.scenes
        cosines[name][rows] = library.spaces[name].cosines_of(part.direction, found.vectors)
    films = numbers[owner]
    besides = None if query.words is None else Besides(query.words.scenes(films, scene), query.word_weight)
    out: Int64 = np.flatnonzero(np.isin(films, [-1, *query.exclude]))
    best = []
    for hit in _found(ranked(cosines, query.parts, top_k=top_k, exclude=out.tolist(), besides=besides), query):
        film, number = int(films[hit.item]), int(scene[hit.item])
        start_s, end_s = group.times_s[owner[hit.item]][number].tolist()
        best.append(replace(_match(library, query, hit, film, number), start_s=start_s, end_s=end_s))
    return best


def _found(hits: Sequence[Hit], query: Query) -> list[Hit]:
    """Hits; of a search by words alone, only those that match a word."""
    return [hit for hit in hits if query.parts or hit.score > 0]


def _notes(query: Query) -> tuple[str, ...]:
    return () if query.words is None else query.words.notes


def _match(library: Library, query: Query, hit: Hit, number: int, scene: int | None = None) -> Match:
    """A hit with reasons; a modality's cosine is the weighted mean of its experts'."""
    modes = {}
    for mode in CRITERIA:
        weights = {name: part.weight for name, part in query.parts.items() if library.modality[name] == mode}
        if weights:
            modes[mode] = _mean(hit.cosines, weights)
    words = () if query.words is None else query.words.reasons(number, scene)
    film = library.films[number]
    return Match(film.trailer_id, hit.score, film.title, film.genres, modes, words, scene)


def _mean(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(values[name] * weight for name, weight in weights.items()) / sum(weights.values())
