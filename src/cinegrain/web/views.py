"""Responses about films, sub-genres and genres."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from cinegrain.atlas.cards import Card, Discovered
from cinegrain.atlas.edit import history_rows
from cinegrain.atlas.edits import Entry
from cinegrain.discovery.clustering import unit_rows
from cinegrain.errors import NotFoundError
from cinegrain.media.facts import FLAGS, reading_notes
from cinegrain.media.files import is_video_name, text_path
from cinegrain.pipeline.answers.similar import similar_films, why_alike
from cinegrain.pipeline.learning.measure import Metrics
from cinegrain.results import Film, NearSubGenre, by_modality, scene_words
from cinegrain.runs import artifacts
from cinegrain.runs.layout import Run
from cinegrain.store.schema import SceneRow, most_telling
from cinegrain.types import Concept
from cinegrain.web.explorer import Explorer, State
from cinegrain.web.film_columns import sureness
from cinegrain.web.replies import (
    AblationView,
    CommonWord,
    CommonWords,
    Counted,
    Decade,
    Explained,
    FiguresView,
    FilmView,
    GenreView,
    InBoth,
    Likeness,
    OwnSubGenre,
    ProposalView,
    RunView,
    SceneView,
    ShortCard,
    ShortFilm,
    SubGenreOfGenre,
    SubGenreView,
    TwoFilms,
    TwoGenres,
    TwoSubGenres,
)

_WORDS_A_SCENE = 3
_N_NEAR = 8
_PAGES = {
    "report": "report.html",
    "evaluation": "evaluation/evaluation.html",
    "ablation": "ablation/ablation.html",
}


def run_view(explorer: Explorer, state: State) -> RunView:
    """Overview of a run."""
    atlas = state.atlas
    years = [row.year for row in atlas.rows if row.year is not None]
    of_genre = Counter(genre for row in atlas.rows for genre in row.catalog_genres)
    return RunView(
        name=explorer.run.folder.resolve().name,
        version=atlas.version,
        n_films=len(atlas.rows),
        n_scenes=sum(row.n_scenes for row in atlas.rows),
        hours=sum(row.duration_s for row in atlas.rows) / 3600,
        modalities=tuple(dict.fromkeys(atlas.found.modes)),
        genres=tuple(Counted(genre, of_genre[genre]) for genre in atlas.found.genres),
        years=(min(years), max(years)) if years else None,
        columns=tuple(explorer.text_columns()),
        subgenres=tuple(_short_card(state, card) for card in atlas.cards),
        unplaced=len(atlas.edited.unplaced),
        structure=atlas.found.structure.said,
        oddities=tuple(atlas.oddities),
        pages=pages(explorer.run),
    )


def proposals_view(state: State) -> list[ProposalView]:
    """Possible new sub-genres of films added later."""
    return [
        ProposalView(one.id, one.name, one.keywords, one.size, _short_films(map(state.film, one.trailers)))
        for one in state.atlas.proposals
    ]


def pages(run: Run) -> tuple[str, ...]:
    """Finished pages of the run, by name."""
    return tuple(name for name, place in _PAGES.items() if (run.folder / place).is_file())


def page_file(run: Run, name: str) -> bytes:
    """File of a finished page.

    Raises:
        NotFoundError: If it does not exist.
    """
    if name not in pages(run):
        raise NotFoundError(f"This run has no {name} page. Create it with `cinegrain {_command(name)} RUN`.")
    return (run.folder / _PAGES[name]).read_bytes()


def film_view(explorer: Explorer, state: State, trailer_id: str) -> FilmView:
    """A film, without its timeline.

    Raises:
        NotFoundError: If there is none of this id.
    """
    row, number = state.film(trailer_id), state.row_of(trailer_id)
    atlas, trailer = state.atlas, explorer.catalog.get(trailer_id)
    distances = 1 - (unit_rows(atlas.encoded[number : number + 1]) @ atlas.centroids.T)[0]
    order = [int(i) for i in np.argsort(distances, kind="stable")]
    own = row.sub_genre
    others = [i for i in order if own is None or atlas.cards[i].id != own.id]
    return FilmView(
        trailer_id=trailer_id,
        title=row.title,
        year=row.year,
        catalog_genres=row.catalog_genres,
        duration_s=row.duration_s,
        n_scenes=row.n_scenes,
        missing=row.missing,
        split=row.split,
        file=(
            *(Explained(name, means) for name, means in reading_notes(_facts(explorer, trailer_id)).items()),
            *(Explained(flag.replace("_", " "), FLAGS.get(flag, "")) for flag in row.flags),
        ),
        predicted=tuple(sorted(row.predicted, key=lambda genre: -genre.probability)),
        sub_genre=OwnSubGenre(**vars(own), sure=sureness(row)) if own else None,
        runner_up=_named(state, others[0], distances) if others else None,
        concepts=row.concepts,
        text=dict(trailer.text) if trailer else {},
        similar=similar_films(atlas, atlas.encoded[number], top_k=_N_NEAR, row=number),
        video=video_type(explorer, trailer_id),
        version=atlas.version,
    )


def _facts(explorer: Explorer, trailer_id: str) -> str:
    try:
        return explorer.record(trailer_id).facts
    except NotFoundError:
        return "{}"


def video_type(explorer: Explorer, trailer_id: str) -> str | None:
    """Extension of the film's file if it is on this machine; None if there is nothing to play.

    A link must lead to a file with the extension of a video, since its target may have changed.
    """
    try:
        path = text_path(explorer.record(trailer_id).path)
    except NotFoundError:
        return None
    there = is_video_name(path) and path.is_file() and is_video_name(path.resolve())
    return path.suffix.lower() if there else None


def timeline(explorer: Explorer, trailer_id: str) -> list[SceneView]:
    """A film's scenes with the best concepts of every expert.

    Raises:
        NotFoundError: If the dataset has no film of this id.
    """
    explorer.record(trailer_id)
    dataset = explorer.dataset
    mode_of = {expert.name: expert.modality for expert in dataset.experts}
    seen: dict[int, list[tuple[str, Sequence[Concept]]]] = {}
    for found in dataset.concepts(trailer_id):
        seen.setdefault(found.scene, []).append((mode_of[found.expert], found.concepts))
    return [
        SceneView(
            scene.scene,
            scene.start_s,
            scene.end_s,
            scene.thumbnail is not None,
            scene_words(seen.get(scene.scene, ()), top_k=_WORDS_A_SCENE),
        )
        for scene in explorer.scenes(trailer_id)
    ]


def picture(scenes: Sequence[SceneRow], number: int | None) -> bytes:
    """Picture of a scene, or the most representative one of the film.

    Raises:
        NotFoundError: If there is none.
    """
    found = most_telling(scene for scene in scenes if number in (None, scene.scene))
    if found is None:
        raise NotFoundError("This scene has no picture.")
    return found


def subgenre_view(explorer: Explorer, state: State, id_: str) -> SubGenreView:
    """A sub-genre's card with its films, outliers last, and its history.

    Raises:
        NotFoundError: If there is none of this id.
    """
    card = state.subgenre(id_)
    films = sorted(map(state.film, card.members), key=lambda film: film.sub_genre.distance if film.sub_genre else 0.0)
    about = vars(card) | {
        "members": _short_films(films),
        "exemplars": _short_films(map(state.film, card.exemplars)),
    }
    return SubGenreView(
        **about,
        genres=_shares(films),
        history=tuple(entry for entry in history_rows(state.atlas) if id_ in _subgenres_of(entry)),
        similar=_near_subgenres(state, id_),
        version=state.atlas.version,
        has_video={film.trailer_id: video_type(explorer, film.trailer_id) for film in films[:_N_NEAR]},
        years=_decades(films),
        words=_common_words(films),
    )


def halves_view(state: State, id_: str) -> list[tuple[ShortFilm, ...]]:
    """The two clusters of a sub-genre.

    Raises:
        EditError: If it has only one film.
        NotFoundError: If there is none of this id.
    """
    state.subgenre(id_)
    return [_short_films(map(state.film, half)) for half in state.atlas.halves(id_)]


def genre_view(state: State, genre: str) -> GenreView:
    """A genre: its films, influence of modalities, and its sub-genres.

    Raises:
        NotFoundError: If there is none of this name.
    """
    if genre not in state.atlas.found.genres:
        raise NotFoundError(f"There is no genre {genre!r} in this run.")
    rows = [row for row in state.atlas.rows if genre in row.catalog_genres]
    answers = [answer for row in rows for answer in row.predicted if answer.name == genre]
    names = {card.id: card.name for card in state.atlas.cards}
    in_subgenre = Counter(row.sub_genre.id for row in rows if row.sub_genre)
    return GenreView(
        name=genre,
        size=len(rows),
        by_modality=_mean([answer.influence for answer in answers]),
        subgenres=tuple(SubGenreOfGenre(names[id_], n, id_) for id_, n in in_subgenre.most_common()),
        genres=_shares(rows, but=genre),
        years=_decades(rows),
        words=_common_words(rows),
        members=_short_films(rows),
    )


def compare_view(
    explorer: Explorer, state: State, kind: str, first: str, second: str
) -> TwoFilms | TwoSubGenres | TwoGenres:
    """Two films, sub-genres or genres side by side.

    Raises:
        NotFoundError: If one does not exist.
    """
    if kind == "film":
        why = why_alike(state.atlas, state.row_of(first), state.row_of(second))
        return TwoFilms("film", (film_view(explorer, state, first), film_view(explorer, state, second)), why)
    if kind == "genre":
        genres = genre_view(state, first), genre_view(state, second)
        both = {film.trailer_id for film in genres[0].members} & {film.trailer_id for film in genres[1].members}
        return TwoGenres("genre", genres, InBoth(len(both)))
    sides = subgenre_view(explorer, state, first), subgenre_view(explorer, state, second)
    place = {card.id: i for i, card in enumerate(state.atlas.cards)}
    a, b = (state.atlas.centroids[place[id_]] for id_ in (first, second))
    return TwoSubGenres("subgenre", sides, Likeness(float(a @ b), _parts(state, a, b)))


def figures_view(run: Run, found: Discovered) -> FiguresView:
    """Figures of training, evaluation and ablation."""
    metrics = artifacts.read_as(run.metrics, Metrics)
    return FiguresView(
        history=metrics.history,
        genres={
            "coarse": {score.genre: score for score in metrics.coarse.genres},
            "finetuned": {score.genre: score for score in metrics.finetuned.genres},
        },
        influence=metrics.influence,
        curve=found.curve,
        k=found.k,
        structure=found.structure,
        ablation=_ablation(run),
        pages=pages(run),
    )


def _ablation(run: Run) -> AblationView | None:
    place = run.folder / "ablation" / "ablation.json"
    if not place.is_file():
        return None
    found = artifacts.read_as(place, AblationView)
    best_first = sorted(found.subsets, key=lambda subset: -subset.map)
    shown = tuple(genre for genre in found.genres if found.chance[genre] is not None)
    return replace(found, genres=shown, subsets=tuple(best_first))


def _short_card(state: State, card: Card) -> ShortCard:
    places = np.array([state.film(trailer).map for trailer in card.members])
    label = (float(np.median(places[:, 0])), float(np.quantile(places[:, 1], 0.9))) if len(places) else (0.0, 0.0)
    return ShortCard(
        id=card.id,
        name=card.name,
        size=card.size,
        by_modality=card.by_modality,
        stability=card.stability,
        verdict=card.verdict,
        edited=card.edited,
        locked=card.locked,
        arrived=card.arrived,
        label=label,
        parents=tuple(parent.genre for parent in card.parents),
    )


def _short_films(films: Iterable[Film]) -> tuple[ShortFilm, ...]:
    return tuple(
        ShortFilm(
            film.trailer_id,
            film.title,
            film.year,
            film.catalog_genres,
            film.split,
            film.sub_genre.distance if film.sub_genre else None,
        )
        for film in films
    )


def _named(state: State, number: int, distances: "np.ndarray") -> NearSubGenre:
    card = state.atlas.cards[number]
    return NearSubGenre(card.id, card.name, float(distances[number]))


def _near_subgenres(state: State, id_: str) -> tuple[NearSubGenre, ...]:
    cards, centres = state.atlas.cards, state.atlas.centroids
    own = next(i for i, card in enumerate(cards) if card.id == id_)
    distances = 1 - centres @ centres[own]
    order = [int(i) for i in np.argsort(distances, kind="stable") if i != own]
    return tuple(_named(state, i, distances) for i in order[:5])


def _parts(state: State, a: "np.ndarray", b: "np.ndarray") -> dict[str, float]:
    modes = state.atlas.found.modes
    by_expert = (a.reshape(len(modes), -1) * b.reshape(len(modes), -1)).sum(axis=1)
    return by_modality(modes, by_expert.tolist())


def _shares(rows: Sequence[Film], but: str = "") -> tuple[Counted, ...]:
    counts = Counter(genre for row in rows for genre in row.catalog_genres if genre != but)
    return tuple(Counted(genre, n) for genre, n in counts.most_common(8))


def _decades(rows: Sequence[Film]) -> tuple[Decade, ...]:
    counts = Counter(row.year // 10 * 10 for row in rows if row.year is not None)
    return tuple(Decade(decade, counts[decade]) for decade in sorted(counts))


def _common_words(rows: Sequence[Film]) -> CommonWords:
    """By modality, the most common concepts."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        for mode, words in row.concepts.items():
            counts.setdefault(mode, Counter()).update(word.name for word in words)
    return {
        mode: tuple(CommonWord(word, n / len(rows)) for word, n in found.most_common(6))
        for mode, found in counts.items()
    }


def _mean(influences: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if not influences:
        return {}
    return {mode: float(np.mean([influence[mode] for influence in influences])) for mode in influences[0]}


def _subgenres_of(entry: Entry) -> set[str]:
    """Sub-genres of an entry of the log."""
    operation = vars(entry.operation)
    named = [operation.get(key) for key in ("subgenre", "into", "to", "new")]
    return {name for name in [*named, *operation.get("others", ())] if name}


def _command(page: str) -> str:
    return {"report": "report", "evaluation": "evaluate", "ablation": "ablate"}[page]
