"""Responses of the API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from cinegrain.atlas.cards import FinerGroup, Parent, Structure
from cinegrain.atlas.edit import PastEntry
from cinegrain.atlas.edits import Entry
from cinegrain.discovery.choose_k import KPoint
from cinegrain.discovery.verdict import Verdict
from cinegrain.metrics.multilabel import GenreScore
from cinegrain.naming.terms import Term
from cinegrain.pipeline.answers.similar import WhyAlike
from cinegrain.pipeline.learning.measure import History
from cinegrain.results import (
    ByModality,
    CatalogGenres,
    GenreAnswer,
    Match,
    NearSubGenre,
    Neighbour,
    Prediction,
)
from cinegrain.types import Concept

Concepts: TypeAlias = Mapping[str, tuple[Concept, ...]]
UploadState: TypeAlias = Literal["receiving", "waiting", "looking", "done", "joining", "joined", "failed", "cancelled"]


@dataclass(frozen=True)
class Counted:
    """A name, and the number of films that have it."""

    name: str
    n_films: int


@dataclass(frozen=True)
class Explained:
    """A short name and its meaning."""

    name: str
    means: str


@dataclass(frozen=True)
class Decade:
    """Films of ten years."""

    first_year: Annotated[int, Field(alias="from")]
    n_films: int


@dataclass(frozen=True)
class CommonWord:
    """A concept, and the fraction of films that have it."""

    name: str
    share: float


CommonWords: TypeAlias = Mapping[str, tuple[CommonWord, ...]]


@dataclass(frozen=True, kw_only=True)
class ShortCard:
    """A sub-genre on the map; `label` is the position of its name."""

    id: str
    name: str
    size: int
    by_modality: ByModality
    stability: float | None
    verdict: Verdict | None
    edited: bool
    locked: bool
    arrived: int
    label: tuple[float, float]
    parents: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunView:
    """Overview of a run."""

    name: str
    version: int
    n_films: int
    n_scenes: int
    hours: float
    modalities: Annotated[tuple[str, ...], Field(alias="modes")]
    genres: tuple[Counted, ...]
    years: tuple[int, int] | None
    columns: tuple[str, ...]
    subgenres: tuple[ShortCard, ...]
    unplaced: int
    structure: str
    oddities: tuple[str, ...]
    pages: tuple[str, ...]


@dataclass(frozen=True)
class Values:
    """A text column of the catalogue: its values, and the index of each film's value."""

    names: list[str]
    of: list[int]


@dataclass(frozen=True, kw_only=True)
class Points:
    """Films as columns; `values` belong to the requested text column."""

    version: int
    n_films: int
    n_wanted: int
    id: list[str]
    title: list[str]
    map: list[tuple[float, float]]
    map_before: list[tuple[float, float]] | None
    subgenre: list[int]
    genres: list[list[int]]
    year: list[int | None]
    modality: Annotated[list[int], Field(alias="mode")]
    sure: list[float | None]
    values: Values | None


@dataclass(frozen=True)
class ShortFilm:
    """A film in a list; `distance` is to the centre of its sub-genre."""

    trailer_id: str
    title: str
    year: int | None
    catalog_genres: CatalogGenres
    split: str
    distance: float | None


@dataclass(frozen=True)
class ProposalView:
    """A possible new sub-genre of films added later."""

    id: str
    name: str
    keywords: tuple[str, ...]
    size: int
    films: tuple[ShortFilm, ...]


@dataclass(frozen=True)
class OwnSubGenre(NearSubGenre):
    """A film's sub-genre, and its membership, 0..1; None if a person put it there."""

    sure: float | None


@dataclass(frozen=True, kw_only=True)
class FilmView:
    """A film: genres with reasons, sub-genre and runner-up, concepts, and similar films."""

    trailer_id: str
    title: str
    year: int | None
    catalog_genres: CatalogGenres
    duration_s: float
    n_scenes: int
    missing: tuple[str, ...]
    split: str
    file: tuple[Explained, ...]
    predicted: tuple[GenreAnswer, ...]
    sub_genre: Annotated[OwnSubGenre | None, Field(alias="subgenre")]
    runner_up: NearSubGenre | None
    concepts: Concepts
    text: Mapping[str, str]
    similar: tuple[Neighbour, ...]
    video: str | None
    version: int


@dataclass(frozen=True)
class SceneView:
    """A scene; `picture` is whether there is one, or its data URL."""

    scene: int
    start_s: float
    end_s: float
    picture: bool | str | None
    words: Concepts


@dataclass(frozen=True)
class Loudness:
    """Sound level of a film in dBFS per `step_s` seconds; None is silence."""

    step_s: float
    dbfs: list[float | None]


@dataclass(frozen=True, kw_only=True)
class SubGenreView:
    """A sub-genre: its card, films with outliers last, exemplars, and its history; `years` and `words` to compare."""

    id: str
    name: str
    keywords: tuple[str, ...]
    terms: tuple[Term, ...]
    size: int
    parents: tuple[Parent, ...]
    exemplars: tuple[ShortFilm, ...]
    members: tuple[ShortFilm, ...]
    by_modality: ByModality
    cohesion: float
    stability: float | None
    stability_subsamples: float | None
    verdict: Verdict | None
    finer: tuple[FinerGroup, ...]
    edited: bool
    locked: bool
    former: tuple[str, ...]
    arrived: int
    genres: tuple[Counted, ...]
    history: tuple[PastEntry, ...]
    similar: tuple[NearSubGenre, ...]
    version: int
    has_video: Mapping[str, str | None]
    years: tuple[Decade, ...]
    words: CommonWords


@dataclass(frozen=True)
class SubGenreOfGenre(Counted):
    """A sub-genre, and the number of films of a genre in it."""

    id: str


@dataclass(frozen=True, kw_only=True)
class GenreView:
    """A genre: its films, influence of modalities, and its sub-genres."""

    name: str
    size: int
    by_modality: ByModality
    subgenres: tuple[SubGenreOfGenre, ...]
    genres: tuple[Counted, ...]
    years: tuple[Decade, ...]
    words: CommonWords
    members: tuple[ShortFilm, ...]


@dataclass(frozen=True)
class Likeness:
    """Cosine of two sub-genres' centres, and each modality's contribution."""

    score: float
    by_modality: ByModality


@dataclass(frozen=True)
class InBoth:
    """Number of films that have both genres."""

    n_both: int


@dataclass(frozen=True)
class TwoFilms:
    """Two films side by side."""

    kind: Literal["film"]
    sides: tuple[FilmView, FilmView]
    why: WhyAlike


@dataclass(frozen=True)
class TwoSubGenres:
    """Two sub-genres side by side."""

    kind: Literal["subgenre"]
    sides: tuple[SubGenreView, SubGenreView]
    why: Likeness


@dataclass(frozen=True)
class TwoGenres:
    """Two genres side by side."""

    kind: Literal["genre"]
    sides: tuple[GenreView, GenreView]
    why: InBoth


Comparison: TypeAlias = Annotated[TwoFilms | TwoSubGenres | TwoGenres, Field(discriminator="kind")]


@dataclass(frozen=True)
class SubsetView:
    """Scores of networks trained on a subset of modalities."""

    modalities: Annotated[tuple[str, ...], Field(alias="modes")]
    map: float
    map_deviation: float | None
    ap: Mapping[str, float | None]


@dataclass(frozen=True)
class AblationView:
    """Summary of an ablation, best subset first."""

    genres: tuple[str, ...]
    chance: Mapping[str, float | None]
    n_films: int
    n_seeds: int
    subsets: tuple[SubsetView, ...]


@dataclass(frozen=True, kw_only=True)
class FiguresView:
    """Figures of training, evaluation and ablation; scores by stage (`coarse`, `finetuned`) and genre."""

    history: History
    genres: Mapping[str, Mapping[str, GenreScore]]
    influence: Mapping[str, Mapping[str, float]]
    curve: tuple[KPoint, ...]
    k: int
    structure: Structure
    ablation: AblationView | None
    pages: tuple[str, ...]


@dataclass(frozen=True)
class Edited:
    """Entries that an edit added, and the version of the atlas after it."""

    version: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Found:
    """Films found, and a sentence for each word without a match."""

    films: tuple[Match, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class UploadAnswer(Prediction):
    """Prediction for an uploaded film, and its scenes."""

    timeline: tuple[SceneView, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, kw_only=True)
class UploadView:
    """An upload and its state; `n_before` others are processed first."""

    id: str
    name: str
    state: UploadState
    message: str
    n_bytes: int
    n_before: int
    answer: UploadAnswer | None
    trailer_id: str | None
