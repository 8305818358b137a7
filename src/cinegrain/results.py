"""Typed answers about films, made from plain numbers, and their JSON. Imports nothing heavy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from html import escape
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import Field, TypeAdapter

from cinegrain.types import Concept, Float64, JsonObject

T = TypeVar("T")
# The names that files and other programs know:
CatalogGenres: TypeAlias = Annotated[tuple[str, ...], Field(alias="genres")]
ByModality: TypeAlias = Annotated[Mapping[str, float], Field(alias="modes")]


def by_modality(
    modalities: Iterable[str], values: Iterable[float], join: Callable[[Sequence[float]], float] = sum
) -> dict[str, float]:
    """Numbers of experts as one for each modality, in the order in which the modalities first occur.

    >>> by_modality(["audio", "image", "audio"], [0.25, 1.0, 0.5])
    {'audio': 0.75, 'image': 1.0}
    """
    found: dict[str, list[float]] = {}
    for modality, value in zip(modalities, values, strict=True):
        found.setdefault(modality, []).append(value)
    return {modality: some[0] if len(some) == 1 else join(some) for modality, some in found.items()}


def missing_modalities(modalities: Sequence[str], present: Sequence[bool]) -> tuple[str, ...]:
    """Modalities of which a film has no expert's vectors at all."""
    there = by_modality(modalities, present, max)
    return tuple(modality for modality, has in there.items() if not has)


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def to_json(value: Any) -> Any:
    """A result, or several, as plain data."""
    if isinstance(value, Mapping):
        return {key: to_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    if is_dataclass(value):
        return _adapter(type(value)).dump_python(value, mode="json", by_alias=True)
    return value if isinstance(value, str | int | float | None) else str(value)


def from_json(kind: type[T], value: object) -> T:
    """A result, or several, from plain data; keys that it does not know are ignored.

    >>> from_json(NearSubGenre, {"id": "S01", "name": "War: tanks", "distance": 0.5, "more": 1})
    NearSubGenre(id='S01', name='War: tanks', distance=0.5)

    Raises:
        ValueError: If something is missing or of another type.
    """
    found: T = _adapter(kind).validate_python(value)
    return found


class _Shown:
    """A result that a notebook shows as a table of its JSON."""

    def to_dict(self) -> JsonObject:
        """As JSON."""
        found: JsonObject = to_json(self)
        return found

    def _repr_html_(self) -> str:
        return html_table(self.to_dict().items())


@dataclass(frozen=True)
class Failure(_Shown):
    """A film without an answer, by path or address, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class GenreAnswer(_Shown):
    """One genre of one film.

    Attributes:
        name: Of the genre.
        probability: Calibrated, 0..1.
        decided: Whether it reaches the genre's threshold.
        influence: By modality: the sum over its experts.
        influence_by_expert: Shapley values in logits; they add up to the logit less that of no expert at all. Empty in
            runs of an earlier version.
    """

    name: str
    probability: float
    decided: bool
    influence: Mapping[str, float]
    influence_by_expert: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class NearSubGenre(_Shown):
    """A sub-genre by id and name, and the cosine distance of a film to its centre."""

    id: str
    name: str
    distance: float


@dataclass(frozen=True)
class SubGenreAnswer(NearSubGenre):
    """The nearest sub-genre, the one after it if there is one, and each modality's part of the similarity."""

    runner_up: NearSubGenre | None
    by_modality: ByModality


@dataclass(frozen=True)
class NearFilm(_Shown):
    """A film of the run that is like another, and their cosine similarity, -1..1."""

    trailer_id: str
    score: float


@dataclass(frozen=True)
class Neighbour(NearFilm):
    """The same with what is shown of it.

    Attributes:
        title: Of the film.
        catalog_genres: As the catalogue has them.
        by_modality: Each modality's part of the score; parts add up to it.
    """

    title: str
    catalog_genres: CatalogGenres
    by_modality: ByModality


@dataclass(frozen=True)
class StrangenessAnswer(_Shown):
    """How unlike the training films a film is.

    Attributes:
        score: The strangest expert's, in deviations above the usual distance; None for a film without any.
        threshold: Above it a film is called strange.
        by_expert: None where the film has nothing for the expert.
        by_modality: The strangest expert's of each; None where there is none.
    """

    score: float | None
    threshold: float
    by_expert: Mapping[str, float | None]
    by_modality: Annotated[Mapping[str, float | None], Field(alias="modes")]


@dataclass(frozen=True)
class Prediction(_Shown):
    """All that a model says of one film.

    Attributes:
        path: Of the film, or its id in the run.
        title: For people.
        duration_s: Length of the film.
        n_scenes: Number of its scenes.
        flags: What was odd when it was read.
        sure: Whether the genres can be relied on.
        unsure_because: If not, why, in sentences.
        strangeness: None if the model has kept none of its training films.
        genres: As predicted, likeliest first.
        missing: Modalities that the film lacks.
        sub_genre: None for an exported model, which knows no sub-genres, concepts and neighbours.
        concepts: What the experts recognised, by modality, strongest first.
        neighbours: The films most like it, nearest first.
        size_bytes: Of the file that was answered about; None for a film of the run, as the next two.
        modified_ns: When that file was changed.
        model: Key of the model.
    """

    path: str
    title: str
    duration_s: float
    n_scenes: int
    flags: tuple[str, ...]
    sure: bool
    unsure_because: tuple[str, ...]
    strangeness: StrangenessAnswer | None
    genres: tuple[GenreAnswer, ...]
    missing: tuple[str, ...]
    sub_genre: Annotated[SubGenreAnswer | None, Field(alias="subgenre")] = None
    concepts: Mapping[str, tuple[Concept, ...]] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()
    size_bytes: int | None = None
    modified_ns: int | None = None
    model: str | None = None

    @property
    def decided(self) -> tuple[GenreAnswer, ...]:
        """The genres that the film is said to have."""
        return tuple(genre for genre in self.genres if genre.decided)

    @property
    def influence(self) -> dict[str, Mapping[str, float]]:
        """By genre and modality, Shapley values in logits."""
        return {genre.name: genre.influence for genre in self.genres}

    @property
    def reasons(self) -> tuple[str, ...]:
        """A line for each decided genre, or for the likeliest if none is: each modality's influence, largest first."""
        lines = []
        for genre in self.decided or self.genres[:1]:
            parts = sorted(genre.influence.items(), key=lambda part: -abs(part[1]))
            by = ", ".join(f"{modality} {value:+.2f}" for modality, value in parts)
            lines.append(f"{genre.name} {genre.probability:.2f}: {by}")
        return tuple(lines)

    def _repr_html_(self) -> str:
        sub_genre = "" if self.sub_genre is None else f"<p>Sub-genre: {_text(self.sub_genre.name)}</p>"
        unsure = "" if self.sure else f"<p>Not sure: {_text('; '.join(self.unsure_because))}</p>"
        modalities = list(dict.fromkeys(modality for genre in self.genres for modality in genre.influence))
        rows = [
            (
                genre.name,
                "yes" if genre.decided else "",
                f"{genre.probability:.2f}",
                *(f"{genre.influence[modality]:+.2f}" for modality in modalities),
            )
            for genre in self.genres
        ]
        return f"<h4>{_text(self.title)}</h4>{unsure}{sub_genre}" + html_table(
            rows, ("genre", "", "probability", *modalities)
        )


@dataclass(frozen=True)
class Membership:
    """How surely a film belongs to a sub-genre, 0..1."""

    id: str
    membership: float


@dataclass(frozen=True, kw_only=True)
class Film(_Shown):
    """All that a run knows of one of its films: a row of trailers.json.

    Attributes:
        trailer_id: Key everywhere.
        title: For people.
        year: Of release.
        catalog_genres: As the catalogue has them.
        split: `train`, `val`, `test`, `unlabelled`, or `arrived` for one that came after training.
        duration_s: Length of the film.
        n_scenes: Number of its scenes.
        flags: What was odd when it was read.
        missing: Modalities that the film lacks.
        predicted: Every genre that the model knows, in its order.
        sub_genre: Its sub-genre; None for one that fits nowhere.
        memberships: The sub-genres that it most belongs to.
        concepts: What the experts recognised, by modality, strongest first.
        neighbours: The films most like it, nearest first.
        map: Place on the map.
        map_before: The same by the genre model, before fine-tuning.
    """

    trailer_id: str
    title: str
    year: int | None
    catalog_genres: CatalogGenres
    split: str
    duration_s: float
    n_scenes: int
    flags: tuple[str, ...]
    missing: tuple[str, ...]
    predicted: tuple[GenreAnswer, ...]
    sub_genre: Annotated[NearSubGenre | None, Field(alias="subgenre")]
    memberships: tuple[Membership, ...] = ()
    concepts: Mapping[str, tuple[Concept, ...]]
    neighbours: tuple[NearFilm, ...]
    map: tuple[float, float]
    map_before: tuple[float, float] | None = None


@dataclass(frozen=True)
class FoundWord:
    """A word that was asked for, as it was found: where, and how strongly, 0..1."""

    asked: str
    word: str
    modality: Annotated[str, Field(alias="mode")]
    score: float


@dataclass(frozen=True)
class Match(Neighbour):
    """A film or scene that a search found; its score and `by_modality` (cosines there) are the search's.

    Attributes:
        words: Words asked for and found in it, strongest first.
        scene: Number of a scene; None for a whole film.
        start_s: First moment of a scene, seconds.
        end_s: First moment after it.
    """

    words: tuple[FoundWord, ...] = ()
    scene: int | None = None
    start_s: float | None = None
    end_s: float | None = None


class Matches(tuple[Match, ...]):
    """Films or scenes that were found, best first.

    Attributes:
        notes: A sentence for each word that was found nowhere.
    """

    notes: tuple[str, ...]

    def __new__(cls, found: Iterable[Match], notes: Iterable[str] = ()) -> "Matches":
        """From matches, best first."""
        self = super().__new__(cls, found)
        self.notes = tuple(notes)
        return self

    def to_dict(self) -> JsonObject:
        """As JSON: `matches` and `notes`."""
        return {"matches": to_json(self), "notes": list(self.notes)}

    def _repr_html_(self) -> str:
        rows = [(f"{match.score:.2f}", match.title, ", ".join(match.catalog_genres)) for match in self]
        return html_table(rows, ("score", "title", "genres"))


def genre_answers(
    genres: Sequence[str],
    modalities: Mapping[str, str],
    probabilities: Float64,
    thresholds: Sequence[float],
    influence: Float64,
) -> tuple[GenreAnswer, ...]:
    """Each genre's probability, decision and reasons for one film, in the order of the genres.

    Args:
        genres: Names, length g.
        modalities: Modality of each expert, in the order of the influence; length e.
        probabilities: Shape (g,).
        thresholds: Length g.
        influence: Shape (e, g), logits.
    """
    return tuple(
        GenreAnswer(
            genre,
            float(probabilities[j]),
            bool(probabilities[j] >= thresholds[j]),
            by_modality(modalities.values(), influence[:, j].tolist()),
            dict(zip(modalities, influence[:, j].tolist(), strict=True)),
        )
        for j, genre in enumerate(genres)
    )


def scene_words(seen: Iterable[tuple[str, Sequence[Concept]]], *, top_k: int) -> dict[str, tuple[Concept, ...]]:
    """The best words of each expert in one scene, by modality; a word that several experts have stands once.

    Args:
        seen: Modality and words, best first, of each expert.
        top_k: How many of each expert.
    """
    found: dict[str, dict[str, float]] = {}
    for modality, concepts in seen:
        for concept in concepts[:top_k]:
            own = found.setdefault(modality, {})
            own[concept.name] = max(concept.score, own.get(concept.name, 0.0))
    return {
        modality: tuple(Concept(name, round(score, 4)) for name, score in own.items())
        for modality, own in found.items()
    }


def html_table(rows: Iterable[Iterable[object]], header: Sequence[str] = ()) -> str:
    """A table for notebooks, with every cell escaped."""
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _text(value: object) -> str:
    """Harmless in a page; names of files that are no UTF-8 as well."""
    return escape(str(value).encode("utf-8", "replace").decode("utf-8"))
