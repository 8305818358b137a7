"""What the page shows, made from a run's artifacts as loaded; no file is read here."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cinegrain.media.facts import FLAGS
from cinegrain.report.palette import NO_CLASS, Mark, mark
from cinegrain.types import MODALITIES, JsonObject

MANY_FILMS = 1500
_WORDS_PER_MODE = 3
_N_NEAR = 3


@dataclass(frozen=True)
class Failure:
    """A film that could not be read."""

    trailer_id: str
    file_name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Artifacts:
    """A finished run.

    Attributes:
        metrics: metrics.json.
        atlas: atlas.json.
        trailers: trailers.json.
        notes: Sentences about what the catalogue and the folder did not agree on.
        failures: Films that could not be read.
        experts: Their cards.
        settings: settings.toml as it stands.
        thumbnails: JPEG of each film that is to have a picture, by trailer id.
        recovery: How well planted sub-genres were found; None where nothing was planted.
        pages: Further pages of the run, from its folder: title to address.
    """

    metrics: JsonObject
    atlas: JsonObject
    trailers: Sequence[JsonObject]
    notes: Sequence[str]
    failures: Sequence[Failure]
    experts: Sequence[JsonObject]
    settings: str
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    recovery: Sequence[JsonObject] | None = None
    pages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Guess:
    """A genre that the model gives a film."""

    genre: str
    probability: float
    given: bool


@dataclass(frozen=True)
class Film:
    """One film; `index` is its place in the list, `thumb` a data URL, `genre_class` None if it has no learned genre."""

    index: int
    trailer_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    guesses: tuple[Guess, ...]
    closest: Guess | None
    subgenre: int
    genre_class: int | None
    words: tuple[tuple[str, tuple[str, ...]], ...]
    near: tuple[int, ...]
    missing: tuple[str, ...]
    flags: tuple[tuple[str, str], ...]
    split: str
    x: float
    y: float
    thumb: str | None


@dataclass(frozen=True)
class Group:
    """One class of the legend and the films that light up with it (`members`), more than those of its colour."""

    label: str
    short: str
    mark: Mark
    films: tuple[int, ...]
    members: tuple[int, ...]


@dataclass(frozen=True)
class SubGenreCard:
    """One sub-genre; films are indices."""

    index: int
    id: str
    name: str
    mark: Mark
    size: int
    terms: tuple[JsonObject, ...]
    parents: tuple[JsonObject, ...]
    exemplars: tuple[Film, ...]
    members: tuple[Film, ...]
    modes: tuple[tuple[str, float], ...]
    cohesion: float
    stability: float | None
    stability_subsamples: float | None
    verdict: JsonObject | None
    finer: tuple[JsonObject, ...]


@dataclass(frozen=True)
class GenreRow:
    """One genre's scores on the test films and the influence of each mode, in logits."""

    genre: str
    n_films: int
    coarse: JsonObject
    finetuned: JsonObject
    influence: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class ReportView:
    """Everything the templates need."""

    artifacts: Artifacts
    modes: tuple[str, ...]
    films: tuple[Film, ...]
    subgenres: tuple[SubGenreCard, ...]
    by_subgenre: tuple[Group, ...]
    by_genre: tuple[Group, ...]
    genres: tuple[GenreRow, ...]
    influence_span: float
    n_scenes: int
    duration_s: float
    few_pictures: bool

    @property
    def has_text_words(self) -> bool:
        """Whether some word comes from the catalogue's text rather than from an expert."""
        return any(term["mode"] == "text" for card in self.subgenres for term in card.terms)


def build_view(artifacts: Artifacts) -> ReportView:
    """Arranges a run's artifacts for the page."""
    modes = _modes(artifacts)
    genres = tuple(artifacts.metrics["films_by_genre"])
    films = _films(artifacts, modes, genres)
    subgenres = _subgenres(artifacts.atlas["subgenres"], films, modes)
    rows = _genre_rows(artifacts.metrics, modes)
    span = max((abs(value) for row in rows for _, value in row.influence), default=0.0)
    return ReportView(
        artifacts=artifacts,
        modes=modes,
        films=films,
        subgenres=subgenres,
        by_subgenre=_groups_by_subgenre(subgenres),
        by_genre=_groups_by_genre(films, genres),
        genres=rows,
        influence_span=span or 1.0,
        n_scenes=sum(row["n_scenes"] for row in artifacts.trailers),
        duration_s=sum(row["duration_s"] for row in artifacts.trailers),
        few_pictures=len(films) > MANY_FILMS,
    )


def wanted_pictures(films: Sequence[str], exemplars: Sequence[str]) -> Sequence[str]:
    """Ids of the films whose picture the page embeds: all, or in a large run only the exemplars."""
    return films if len(films) <= MANY_FILMS else exemplars


def _modes(artifacts: Artifacts) -> tuple[str, ...]:
    found = {card["modality"] for card in artifacts.experts}
    return tuple(mode for mode in MODALITIES if mode in found)


def _films(artifacts: Artifacts, modes: Sequence[str], genres: Sequence[str]) -> tuple[Film, ...]:
    position = {row["trailer_id"]: i for i, row in enumerate(artifacts.trailers)}
    subgenre_of = {card["id"]: i for i, card in enumerate(artifacts.atlas["subgenres"])}
    class_of = {genre: i for i, genre in enumerate(genres)}
    films = []
    for i, row in enumerate(artifacts.trailers):
        guesses = [Guess(g["name"], g["probability"], g["name"] in row["catalog_genres"]) for g in row["predicted"]]
        guesses.sort(key=lambda guess: -guess.probability)
        decided = {g["name"] for g in row["predicted"] if g["decided"]}
        words = {mode: tuple(word["name"] for word in found) for mode, found in row["concepts"].items()}
        films.append(
            Film(
                index=i,
                trailer_id=row["trailer_id"],
                title=row["title"],
                year=row["year"],
                genres=tuple(row["catalog_genres"]),
                guesses=tuple(guess for guess in guesses if guess.genre in decided),
                closest=guesses[0] if guesses else None,
                subgenre=subgenre_of[row["subgenre"]["id"]],
                genre_class=next((class_of[genre] for genre in row["catalog_genres"] if genre in class_of), None),
                words=tuple((mode, words[mode][:_WORDS_PER_MODE]) for mode in modes if words.get(mode)),
                near=tuple(position[n["trailer_id"]] for n in row["neighbours"][:_N_NEAR]),
                missing=tuple(row["missing"]),
                flags=tuple((flag.replace("_", " "), FLAGS.get(flag, "")) for flag in row["flags"]),
                split=row["split"],
                x=row["map"][0],
                y=row["map"][1],
                thumb=_data_url(artifacts.thumbnails.get(row["trailer_id"])),
            )
        )
    return tuple(films)


def _data_url(jpeg: bytes | None) -> str | None:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}" if jpeg else None


def _subgenres(cards: Sequence[JsonObject], films: Sequence[Film], modes: Sequence[str]) -> tuple[SubGenreCard, ...]:
    film_of = {film.trailer_id: film for film in films}
    return tuple(
        SubGenreCard(
            index=i,
            id=card["id"],
            name=card["name"],
            mark=mark(i),
            size=card["size"],
            terms=tuple(card["terms"]),
            parents=tuple(card["parents"]),
            exemplars=tuple(film_of[trailer_id] for trailer_id in card["exemplars"]),
            members=tuple(film_of[trailer_id] for trailer_id in card["members"]),
            modes=tuple((mode, card["modes"].get(mode, 0.0)) for mode in modes),
            cohesion=card["cohesion"],
            stability=card["stability"],
            stability_subsamples=card["stability_subsamples"],
            verdict=card["verdict"],
            finer=tuple(card["finer"]),
        )
        for i, card in enumerate(cards)
    )


def _groups_by_subgenre(cards: Sequence[SubGenreCard]) -> tuple[Group, ...]:
    groups = []
    for card in cards:
        films = tuple(sorted(film.index for film in card.members))
        groups.append(Group(card.name, card.id, card.mark, films, films))
    return tuple(groups)


def _groups_by_genre(films: Sequence[Film], genres: Sequence[str]) -> tuple[Group, ...]:
    groups = [
        Group(
            genre,
            genre,
            mark(i),
            tuple(film.index for film in films if film.genre_class == i),
            tuple(film.index for film in films if genre in film.genres),
        )
        for i, genre in enumerate(genres)
    ]
    rest = tuple(film.index for film in films if film.genre_class is None)
    return (*groups, Group("no learned genre", "none", NO_CLASS, rest, rest)) if rest else tuple(groups)


def _genre_rows(metrics: JsonObject, modes: Sequence[str]) -> tuple[GenreRow, ...]:
    tuned = {score["genre"]: score for score in metrics["finetuned"]["genres"]}
    return tuple(
        GenreRow(
            genre=score["genre"],
            n_films=metrics["films_by_genre"][score["genre"]],
            coarse=score,
            finetuned=tuned[score["genre"]],
            influence=tuple((mode, metrics["influence"][score["genre"]].get(mode, 0.0)) for mode in modes),
        )
        for score in metrics["coarse"]["genres"]
    )
