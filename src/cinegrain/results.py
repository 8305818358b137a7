"""What a run or model says of films, as typed values; `to_dict` gives the JSON that the commands print."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import overload

from cinegrain.types import JsonObject


@dataclass(frozen=True)
class Failure:
    """A film without a result.

    Attributes:
        path: The file, or its address.
        reason: Why, in a sentence.
    """

    path: str
    reason: str

    def to_dict(self) -> JsonObject:
        """Plain data."""
        return asdict(self)

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.path)}: {escape(self.reason)}</p>"


@dataclass(frozen=True)
class GenreScore:
    """A genre of a film.

    Attributes:
        name: The genre.
        probability: Calibrated, 0..1.
        decided: Whether the probability reaches the genre's threshold.
        influence: By modality, its Shapley value in the genre's logit; > 0 speaks for the genre.
    """

    name: str
    probability: float
    decided: bool
    influence: Mapping[str, float]


@dataclass(frozen=True)
class SubGenreScore:
    """The sub-genre that a film is nearest to, and the cosine distance to its centre."""

    id: str
    name: str
    distance: float


@dataclass(frozen=True)
class Match:
    """A film or scene that is like what was asked for.

    Attributes:
        trailer_id: Id of the film.
        title: Its title.
        genres: The catalogue's.
        score: What matches are ordered by.
        modalities: By modality, its part of the score (`similar`) or its cosine (`search`).
        words: Words asked for and found in it, strongest first.
        start_s: First moment of a scene, seconds; None for a whole film.
        end_s: First moment after it.
    """

    trailer_id: str
    title: str
    genres: tuple[str, ...]
    score: float
    modalities: Mapping[str, float]
    words: tuple[str, ...] = ()
    start_s: float | None = None
    end_s: float | None = None
    _json: JsonObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, row: JsonObject) -> "Match":
        """From a row of `cinegrain search --json` or `similar --json`."""
        words = tuple(word["word"] for word in row.get("words", []))
        times = row.get("start_s"), row.get("end_s")
        return cls(
            row["trailer_id"], row["title"], tuple(row["genres"]), row["score"], row["modes"], words, *times, _json=row
        )

    def to_dict(self) -> JsonObject:
        """As `--json` prints it."""
        return dict(self._json)


class Matches(Sequence[Match]):
    """Films or scenes that were found, best first.

    Attributes:
        notes: A sentence for each word that was found nowhere.
    """

    def __init__(self, rows: Sequence[JsonObject], notes: Sequence[str] = ()) -> None:
        """From rows of `--json`."""
        self._matches, self.notes = tuple(map(Match.of, rows)), tuple(notes)

    @overload
    def __getitem__(self, index: int) -> Match: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Match]: ...

    def __getitem__(self, index: int | slice) -> Match | Sequence[Match]:
        return self._matches[index]

    def __len__(self) -> int:
        return len(self._matches)

    def __iter__(self) -> Iterator[Match]:
        return iter(self._matches)

    def to_dict(self) -> JsonObject:
        """Plain data: `matches` and `notes`."""
        return {"matches": [match.to_dict() for match in self], "notes": list(self.notes)}

    def __repr__(self) -> str:
        return "\n".join(f"{match.score:.2f}  {match.title}" for match in self) or "<no matches>"

    def _repr_html_(self) -> str:
        rows = [(f"{match.score:.2f}", match.title, ", ".join(match.genres)) for match in self]
        return html_table(("score", "title", "genres"), rows)


@dataclass(frozen=True)
class Prediction:
    """What a model says of a film.

    Attributes:
        path: The file or its address; for a film of the run its id.
        title: For people.
        genres: Every genre of the model, most probable first.
        sub_genre: The nearest; None from an exported model, which knows none.
        runner_up: The one that comes second.
        sure: Whether nothing speaks against the prediction.
        unsure_because: What does, in sentences.
        concepts: By modality, what the experts recognise, strongest first.
        neighbours: Films of the run most like it, best first.
        missing: Modalities that the film lacks.
    """

    path: str
    title: str
    genres: tuple[GenreScore, ...]
    sub_genre: SubGenreScore | None
    runner_up: SubGenreScore | None
    sure: bool
    unsure_because: tuple[str, ...]
    concepts: Mapping[str, tuple[str, ...]]
    neighbours: Matches
    missing: tuple[str, ...]
    _json: JsonObject = field(repr=False, compare=False)

    @classmethod
    def of(cls, answer: JsonObject) -> "Prediction":
        """From an answer as `cinegrain predict --json` prints it."""
        genres = [GenreScore(g["name"], g["probability"], g["decided"], g["influence"]) for g in answer["genres"]]
        nearest = answer.get("subgenre") or {}
        first, second = (
            SubGenreScore(one["id"], one["name"], one["distance"]) if one else None
            for one in (nearest, nearest.get("runner_up"))
        )
        concepts = {mode: tuple(c["name"] for c in found) for mode, found in answer.get("concepts", {}).items()}
        return cls(
            answer["path"],
            answer["title"],
            tuple(sorted(genres, key=lambda genre: -genre.probability)),
            first,
            second,
            answer["sure"],
            tuple(answer["unsure_because"]),
            concepts,
            Matches(answer.get("neighbours", [])),
            tuple(answer["missing"]),
            answer,
        )

    @property
    def influence(self) -> dict[str, Mapping[str, float]]:
        """By genre and modality, Shapley values in logits."""
        return {genre.name: genre.influence for genre in self.genres}

    @property
    def reasons(self) -> tuple[str, ...]:
        """For each decided genre, or the likeliest if none is, a line with each modality's influence, largest first."""
        lines = []
        for genre in [genre for genre in self.genres if genre.decided] or self.genres[:1]:
            parts = sorted(genre.influence.items(), key=lambda part: -abs(part[1]))
            by = ", ".join(f"{modality} {value:+.2f}" for modality, value in parts)
            lines.append(f"{genre.name} {genre.probability:.2f}: {by}")
        return tuple(lines)

    def to_dict(self) -> JsonObject:
        """As `--json` prints it."""
        return dict(self._json)

    def __str__(self) -> str:
        lines = [f"{self.title} ({self.path})", *self.reasons]
        if self.sub_genre is not None:
            lines.append(f"{self.sub_genre.id} {self.sub_genre.name}, distance {self.sub_genre.distance:.2f}")
        return "\n  ".join(lines + [f"not sure: {reason}" for reason in self.unsure_because])

    def _repr_html_(self) -> str:
        title, *lines = str(self).splitlines()
        return f"<p><b>{escape(title)}</b></p><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for notebooks; every cell is escaped."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
