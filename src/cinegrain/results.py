"""Typed answers about films, made from plain numbers; `to_dict` gives their JSON. Imports nothing heavy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape

from cinegrain.types import Concept, Float64, JsonObject


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


class _Shown:
    """A result that a notebook shows as a table of its JSON."""

    def to_dict(self) -> JsonObject:
        """As JSON."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return html_table(self.to_dict().items())


@dataclass(frozen=True)
class Failure(_Shown):
    """A film without an answer, by path or address, and why."""

    path: str
    reason: str

    def to_dict(self) -> JsonObject:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class GenreAnswer(_Shown):
    """One genre of one film.

    Attributes:
        name: Of the genre.
        probability: Calibrated, 0..1.
        decided: Whether it reaches the genre's threshold.
        influence_by_expert: Shapley values in logits; they add up to the logit less that of no expert at all.
        modalities: Modality of each of these experts.
    """

    name: str
    probability: float
    decided: bool
    influence_by_expert: Mapping[str, float]
    modalities: Mapping[str, str]

    @property
    def influence(self) -> dict[str, float]:
        """By modality: the sum over its experts."""
        return by_modality(
            map(self.modalities.__getitem__, self.influence_by_expert), self.influence_by_expert.values()
        )

    def to_dict(self) -> JsonObject:
        """As JSON."""
        return {
            "name": self.name,
            "probability": self.probability,
            "decided": self.decided,
            "influence": self.influence,
            "influence_by_expert": dict(self.influence_by_expert),
        }


@dataclass(frozen=True)
class NearSubGenre(_Shown):
    """A sub-genre by id and name, and the cosine distance of a film to its centre."""

    id: str
    name: str
    distance: float

    def to_dict(self) -> JsonObject:
        """As JSON."""
        return {"id": self.id, "name": self.name, "distance": self.distance}


@dataclass(frozen=True)
class SubGenreAnswer(NearSubGenre):
    """The nearest sub-genre, the one after it if there is one, and each modality's part of the similarity."""

    runner_up: NearSubGenre | None
    by_modality: Mapping[str, float]

    def to_dict(self) -> JsonObject:
        """As JSON."""
        second = {} if self.runner_up is None else {"runner_up": self.runner_up.to_dict()}
        return {**super().to_dict(), **second, "modes": dict(self.by_modality)}


@dataclass(frozen=True)
class Neighbour(_Shown):
    """A film of the run that is like the one asked about.

    Attributes:
        trailer_id: Of the film.
        title: Of the film.
        genres: As the catalogue has them.
        score: Cosine similarity, -1..1.
        by_modality: Each modality's part of the score; parts add up to it.
    """

    trailer_id: str
    title: str
    genres: tuple[str, ...]
    score: float
    by_modality: Mapping[str, float]

    def to_dict(self) -> JsonObject:
        """As JSON."""
        return {
            "trailer_id": self.trailer_id,
            "title": self.title,
            "genres": list(self.genres),
            "score": self.score,
            "modes": dict(self.by_modality),
        }


@dataclass(frozen=True)
class StrangenessAnswer(_Shown):
    """How unlike the training films a film is.

    Attributes:
        score: The strangest expert's, in deviations above the usual distance; None for a film without any.
        threshold: Above it a film is called strange.
        by_expert: None where the film has nothing for the expert.
        modalities: Modality of each expert.
    """

    score: float | None
    threshold: float
    by_expert: Mapping[str, float | None]
    modalities: Mapping[str, str]

    @property
    def by_modality(self) -> dict[str, float | None]:
        """The strangest expert's of each modality; None where there is none."""
        known = {expert: value for expert, value in self.by_expert.items() if value is not None}
        found = by_modality(map(self.modalities.__getitem__, known), known.values(), max)
        return {modality: found.get(modality) for modality in map(self.modalities.__getitem__, self.by_expert)}

    def to_dict(self) -> JsonObject:
        """As JSON."""
        return {"score": self.score, "threshold": self.threshold, "modes": self.by_modality}


@dataclass(frozen=True)
class Origin:
    """What an answer was made from: size and time of the film's file, and the key of the model."""

    size_bytes: int
    modified_ns: int
    model: str


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
        genres: Likeliest first.
        missing: Modalities that the film lacks.
        sub_genre: None for an exported model, which knows no sub-genres, concepts and neighbours.
        concepts: What the experts recognised, by modality, strongest first.
        neighbours: The films most like it, nearest first.
        origin: What a film outside the run was answered from; None for a film of the run.
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
    sub_genre: SubGenreAnswer | None = None
    concepts: Mapping[str, tuple[Concept, ...]] | None = None
    neighbours: tuple[Neighbour, ...] = ()
    origin: Origin | None = None

    @property
    def decided(self) -> tuple[GenreAnswer, ...]:
        """The genres that the film is said to have."""
        return tuple(genre for genre in self.genres if genre.decided)

    @property
    def influence(self) -> dict[str, dict[str, float]]:
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

    def to_dict(self) -> JsonObject:
        """As JSON."""
        of_run: JsonObject = {}
        if self.sub_genre is not None:
            of_run = {
                "subgenre": self.sub_genre.to_dict(),
                "concepts": {m: [asdict(concept) for concept in some] for m, some in (self.concepts or {}).items()},
                "neighbours": [neighbour.to_dict() for neighbour in self.neighbours],
            }
        return {
            "path": self.path,
            "title": self.title,
            "duration_s": self.duration_s,
            "n_scenes": self.n_scenes,
            "flags": list(self.flags),
            "sure": self.sure,
            "unsure_because": list(self.unsure_because),
            "strangeness": None if self.strangeness is None else self.strangeness.to_dict(),
            "genres": [genre.to_dict() for genre in self.genres],
            **of_run,
            "missing": list(self.missing),
            **({} if self.origin is None else asdict(self.origin)),
        }

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
class Match(Neighbour):
    """A film or scene that a search found; its score and `by_modality` (cosines there) are the search's.

    Attributes:
        words: Words asked for and found in it, strongest first.
        start_s: First moment of a scene, seconds; None for a whole film.
        end_s: First moment after it.
    """

    words: tuple[str, ...] = ()
    start_s: float | None = None
    end_s: float | None = None

    def to_dict(self) -> JsonObject:
        """As JSON."""
        times = {} if self.start_s is None else {"start_s": self.start_s, "end_s": self.end_s}
        return {**super().to_dict(), "words": list(self.words), **times}


class Matches(tuple[Match, ...]):
    """Films or scenes that were found, best first.

    Attributes:
        notes: A sentence for each word that was found nowhere.
    """

    notes: tuple[str, ...] = ()

    @classmethod
    def of_rows(cls, rows: Iterable[JsonObject], notes: Sequence[str] = ()) -> "Matches":
        """From rows as `cinegrain search --json` prints them."""
        found = cls(
            Match(
                row["trailer_id"],
                row["title"],
                tuple(row["genres"]),
                row["score"],
                row["modes"],
                tuple(word["word"] for word in row.get("words", [])),
                row.get("start_s"),
                row.get("end_s"),
            )
            for row in rows
        )
        found.notes = tuple(notes)
        return found

    def to_dict(self) -> JsonObject:
        """As JSON: `matches` and `notes`."""
        return {"matches": [match.to_dict() for match in self], "notes": list(self.notes)}

    def _repr_html_(self) -> str:
        rows = [(f"{match.score:.2f}", match.title, ", ".join(match.genres)) for match in self]
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
            dict(zip(modalities, influence[:, j].tolist(), strict=True)),
            modalities,
        )
        for j, genre in enumerate(genres)
    )


def scene_words(seen: Iterable[tuple[str, Sequence[Concept]]], *, top_k: int) -> dict[str, list[JsonObject]]:
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
        modality: [{"name": name, "score": round(score, 4)} for name, score in own.items()]
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
