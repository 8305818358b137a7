"""Makes a query from films, scenes, sub-genres and words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.errors import ConfigError, StoreError
from cinegrain.pipeline.answers.film_workers import film_workers, new_job
from cinegrain.search.criteria import ALIKE, CRITERIA
from cinegrain.search.library import Library
from cinegrain.search.spaces import Part
from cinegrain.search.word_search import FoundWords, find_words
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.types import Float32, Int64

WORDS = "words"


@dataclass(frozen=True)
class Like:
    """Similar to a film.

    Attributes:
        film: Id or title of a film of the run, or the path or URL of a file.
        weights: Weight of each modality and of GENRES; those not named have weight 0.
        at_s: Similar to its scene at this time instead of the whole film.
    """

    film: str
    weights: Mapping[str, float]
    at_s: float | None = None


@dataclass(frozen=True)
class LikeSubgenre:
    """Similar to the films of a sub-genre, given by id or name."""

    subgenre: str
    weights: Mapping[str, float]


def split_weights(weights: Mapping[str, float]) -> tuple[Mapping[str, float], float]:
    """Weights of modalities and genres (the defaults if none is given), and the weight of WORDS.

    Raises:
        ConfigError: If a name is unknown, or a weight negative or not finite.
    """
    for name, weight in weights.items():
        if name not in (*CRITERIA, WORDS) or not 0 <= weight < float("inf"):
            raise ConfigError(
                f"Give weights as audio=2,image=1, with numbers of at least 0 for {', '.join(CRITERIA)} and {WORDS}; "
                f"found {name}={weight}."
            )
    return {name: weight for name, weight in weights.items() if name != WORDS} or ALIKE, weights.get(WORDS, 1.0)


def likes_of(
    like: Sequence[str] = (),
    *,
    sounds_like: Sequence[str] = (),
    looks_like: Sequence[str] = (),
    moves_like: Sequence[str] = (),
    set_like: Sequence[str] = (),
    subgenre: str | None = None,
    weights: Mapping[str, float] = ALIKE,
    at_s: float | None = None,
) -> list[Like | LikeSubgenre]:
    """The parts of a query, from options.

    Args:
        like: Films to compare by `weights`.
        sounds_like: Films to compare by sound alone.
        looks_like: Films to compare by images alone.
        moves_like: Films to compare by motion alone.
        set_like: Films to compare by location alone.
        subgenre: Sub-genre to compare by `weights`.
        weights: Weight of each modality and of GENRES.
        at_s: Compare with the films' scenes at this time.
    """
    alone = {"audio": sounds_like, "image": looks_like, "motion": moves_like, "location": set_like}
    wanted: list[Like | LikeSubgenre] = [Like(film, weights, at_s) for film in like]
    wanted += [Like(film, {mode: 1.0}, at_s) for mode, films in alone.items() for film in films]
    return wanted + ([] if subgenre is None else [LikeSubgenre(subgenre, weights)])


@dataclass(frozen=True, eq=False)
class Query:
    """A query.

    Attributes:
        parts: By expert, and under GENRES.
        words: Matches of the words, if any were given.
        word_weight: Weight of all words together.
        exclude: Films left out of the results: those of the query.
    """

    parts: Mapping[str, Part]
    words: FoundWords | None
    word_weight: float
    exclude: tuple[int, ...]


def check_query(likes: Sequence[Like | LikeSubgenre], words: Sequence[str]) -> None:
    """Raises if a query is empty, before a library is opened.

    Raises:
        ConfigError: If there is no film, sub-genre or word.
    """
    if not likes and not words:
        raise ConfigError("Name what to search for: a film, a sub-genre or words.")


def make_query(
    library: Library,
    likes: Sequence[Like | LikeSubgenre],
    *,
    words: Sequence[str] = (),
    word_weight: float = 1.0,
) -> Query:
    """Makes a query; repeated criteria add up, and experts of one modality share its weight.

    Args:
        library: The run.
        likes: Films and sub-genres.
        words: Words or phrases.
        word_weight: Weight of all words together; that of a modality is usually 1.

    Raises:
        ConfigError: If the query is empty, a modality is unknown, or a film is shorter than the time given.
        StoreError: If a film or sub-genre does not exist, or has none of the modalities.
        MediaError: If a file cannot be read.
    """
    check_query(likes, words)
    for like in likes:
        unknown = sorted(set(like.weights) - set(CRITERIA))
        if unknown:
            raise ConfigError(f"Compare by {', '.join(CRITERIA)}; found {', '.join(unknown)}.")
    films = _read_films(library, [like.film for like in likes if isinstance(like, Like)])
    sums: dict[str, Float32] = {}
    exclude: list[int] = []
    for like in likes:
        if isinstance(like, Like):
            name, number = like.film, library.find(like.film)
            if isinstance(number, int):
                exclude.append(number)
                found = _of_film(library, like, number)
            else:
                found = _of_file(library, like, films[like.film])
        else:
            name, found = like.subgenre, _of_subgenre(library, like.subgenre)
        weights = {mode: weight for mode, weight in like.weights.items() if weight > 0}
        if not weights:
            raise ConfigError(f"All weights are 0. Give one of {', '.join(CRITERIA)} a weight above 0.")
        by_mode = {mode: [expert for expert in found if library.modality[expert] == mode] for mode in weights}
        if not any(by_mode.values()):
            raise StoreError(f"{name} has no {' or '.join(weights)} to compare by.")
        for mode, experts in by_mode.items():
            for expert in experts:
                part = np.float32(weights[mode] / len(experts)) * found[expert]
                sums[expert] = sums[expert] + part if expert in sums else part
    lengths = {expert: float(np.linalg.norm(whole)) for expert, whole in sums.items()}
    parts = {expert: Part(whole / lengths[expert], lengths[expert]) for expert, whole in sums.items()}
    return Query(parts, find_words(library, words) if words else None, word_weight, tuple(exclude))


def _of_film(library: Library, like: Like, number: int) -> dict[str, Float32]:
    """Unit vectors by expert of a film of the run or of one of its scenes; scenes have no genres."""
    if like.at_s is None:
        return _directions(library, np.array([number]))
    trailer_id = library.films[number].trailer_id
    scene = _scene_at([(s.start_s, s.end_s) for s in library.dataset.scenes(trailer_id)], like)
    vectors = {}
    for name in library.experts:
        found = library.dataset.vectors(name, [trailer_id])
        rows = found.vectors[found.scenes == scene]
        vectors.update({name: rows[0]} if len(rows) else {})
    return _from_centre(library, vectors)


def _read_films(library: Library, names: Sequence[str]) -> dict[str, EmbeddedTrailer]:
    """Embeds the films that are files or URLs, all in one worker."""
    places = {name: library.find(name) for name in names}
    files = {name: place for name, place in places.items() if not isinstance(place, int)}
    if not files:
        return {}
    with film_workers(library.run, 1, settings=library.settings, experts=library.experts) as workers:
        return {name: workers.one(new_job(place)) for name, place in files.items()}


def _of_file(library: Library, like: Like, found: EmbeddedTrailer) -> dict[str, Float32]:
    """Unit vectors by expert of an embedded file, or of one of its scenes."""
    only = None if like.at_s is None else _scene_at([(s.start_s, s.end_s) for s in found.scenes], like)
    vectors = {}
    for name, column in found.embeddings.items():
        there = [e.vector for i, e in enumerate(column) if e is not None and only in (None, i)]
        vectors.update({name: np.mean(there, axis=0)} if there else {})
    return _from_centre(library, vectors)


def _of_subgenre(library: Library, name: str) -> dict[str, Float32]:
    """Normalised mean of the unit vectors of its films."""
    card = open_atlas(library.run).card(name)
    return _directions(library, np.array([library.number[i] for i in card.members if i in library.number], np.int64))


def _directions(library: Library, films: Int64) -> dict[str, Float32]:
    found = {name: space.mean_direction(films) for name, space in library.spaces.items()}
    return {name: direction for name, direction in found.items() if direction is not None}


def _from_centre(library: Library, vectors: Mapping[str, np.ndarray]) -> dict[str, Float32]:
    found = {name: library.spaces[name].direction(vector) for name, vector in vectors.items()}
    return {name: direction for name, direction in found.items() if direction is not None}


def _scene_at(times_s: Sequence[tuple[float, float]], like: Like) -> int:
    for i, (start_s, end_s) in enumerate(times_s):
        if like.at_s is not None and start_s <= like.at_s < end_s:
            return i
    end_s = times_s[-1][1] if times_s else 0.0
    raise ConfigError(f"{like.film} has no scene at {like.at_s} s; it ends at {end_s:.1f} s.")
