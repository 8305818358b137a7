"""Typed results about films, and their JSON. Imports nothing heavy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from html import escape
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AliasChoices, Field, TypeAdapter

from cinegrain.types import Concept, Float64, JsonObject

T = TypeVar("T")
# Names in files and other programs:
CatalogGenres: TypeAlias = Annotated[
    tuple[str, ...], Field(validation_alias=AliasChoices("catalog_genres", "genres"))  # files of earlier versions
]
ByModality: TypeAlias = Annotated[Mapping[str, float], Field(alias="modes")]


def by_modality(
    modalities: Iterable[str], values: Iterable[float], join: Callable[[Sequence[float]], float] = sum
) -> dict[str, float]:
    """Numbers of experts joined by modality, in order of first occurrence.

    >>> by_modality(["audio", "image", "audio"], [0.25, 1.0, 0.5])
    {'audio': 0.75, 'image': 1.0}
    """
    found: dict[str, list[float]] = {}
    for modality, value in zip(modalities, values, strict=True):
        found.setdefault(modality, []).append(value)
    return {modality: some[0] if len(some) == 1 else join(some) for modality, some in found.items()}


def missing_modalities(modalities: Sequence[str], present: Sequence[bool]) -> tuple[str, ...]:
    """Modalities without any expert's vectors."""
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
    """A result, or several, from plain data; unknown keys are ignored.

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
    """A failed film, by path or URL, with the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class GenreAnswer(_Shown):
    """One genre of one film.

    Attributes:
        name: Name of the genre.
        probability: Calibrated, 0..1.
        decided: Whether it reaches the genre's threshold.
        influence: By modality, the sum over its experts.
        influence_by_expert: Shapley values in logits; they sum to the logit minus that without any expert. Empty in
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
    """The nearest sub-genre, the next one if any, and each modality's contribution to the similarity."""

    runner_up: NearSubGenre | None
    by_modality: ByModality


@dataclass(frozen=True)
class NearFilm(_Shown):
    """A similar film of the run, and the cosine similarity, -1..1."""

    trailer_id: str
    score: float


@dataclass(frozen=True)
class Neighbour(NearFilm):
    """A similar film with details.

    Attributes:
        title: Title.
        catalog_genres: Genres in the catalogue.
        by_modality: Each modality's contribution; they sum to the score.
    """

    title: str
    catalog_genres: CatalogGenres
    by_modality: ByModality


@dataclass(frozen=True)
class StrangenessAnswer(_Shown):
    """Novelty of a film: how unlike the training films it is.

    Attributes:
        score: Maximum over experts, in standard deviations above the mean distance; None for a film without vectors.
        threshold: Above it, a film is unlike the training films.
        by_expert: Novelty by expert; None without vectors.
        by_modality: Maximum over the experts of each modality, or None.
    """

    score: float | None
    threshold: float
    by_expert: Mapping[str, float | None]
    by_modality: Annotated[Mapping[str, float | None], Field(alias="modes")]


@dataclass(frozen=True)
class Prediction(_Shown):
    """Prediction for one film.

    Attributes:
        path: File or URL, or the id of a film of the run.
        title: Title.
        duration_s: Duration.
        n_scenes: Number of scenes.
        flags: Flags of the file.
        sure: Whether the genres are reliable.
        unsure_because: Reasons if they are not.
        strangeness: Novelty; None if the model has no data on training films.
        genres: Predicted genres, most likely first.
        missing: Modalities that the film lacks.
        sub_genre: None for exported models, which have no sub-genres, concepts and neighbours.
        concepts: Recognised concepts by modality, strongest first.
        neighbours: Similar films, most similar first.
        size_bytes: Size of the file; None for a film of the run, like the next two.
        modified_ns: Modification time of the file.
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
        """Genres above their thresholds."""
        return tuple(genre for genre in self.genres if genre.decided)

    @property
    def influence(self) -> dict[str, Mapping[str, float]]:
        """By genre and modality, Shapley values in logits."""
        return {genre.name: genre.influence for genre in self.genres}

    @property
    def reasons(self) -> tuple[str, ...]:
        """Influence of each modality, largest first; a line per decided genre, or for the most likely one."""
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
    """Membership of a film in a sub-genre, 0..1."""

    id: str
    membership: float


@dataclass(frozen=True, kw_only=True)
class Film(_Shown):
    """A film of a run: a row of trailers.json.

    Attributes:
        trailer_id: Id.
        title: Title.
        year: Year of release.
        catalog_genres: Genres in the catalogue.
        split: `train`, `val`, `test`, `unlabelled`, or `arrived` for one added after training.
        duration_s: Duration.
        n_scenes: Number of scenes.
        flags: Flags of the file.
        missing: Modalities that the film lacks.
        predicted: All genres of the model, in its order.
        sub_genre: Its sub-genre; None if it fits nowhere.
        memberships: The most likely sub-genres.
        concepts: Recognised concepts by modality, strongest first.
        neighbours: Similar films, most similar first.
        map: Position on the map.
        map_before: Position by the genre model, before fine-tuning.
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
    """A match of a word: where, and its strength, 0..1."""

    asked: str
    word: str
    modality: Annotated[str, Field(alias="mode")]
    score: float


@dataclass(frozen=True)
class Match(Neighbour):
    """A film or scene found by a search, with its score; `by_modality` are cosines.

    Attributes:
        words: Matching words, strongest first.
        scene: Index of a scene; None for a film.
        start_s: Start of the scene, seconds.
        end_s: End of the scene.
    """

    words: tuple[FoundWord, ...] = ()
    scene: int | None = None
    start_s: float | None = None
    end_s: float | None = None


class Matches(tuple[Match, ...]):
    """Films or scenes found by a search, best first.

    Attributes:
        notes: A sentence for each word without a match.
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
    """The best concepts of each expert in one scene, by modality, without duplicates.

    Args:
        seen: Modality and concepts, best first, of each expert.
        top_k: Number of concepts per expert.
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
    """Escaped text; also for file names that are not UTF-8."""
    return escape(str(value).encode("utf-8", "replace").decode("utf-8"))
