"""The atlas of a run: discovered sub-genres, films added later, and edits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from cinegrain.atlas.cards import Card, Discovered, Films, SubGenre, describe, name_key, unique_name
from cinegrain.atlas.edit_log import EditLog, read_log
from cinegrain.atlas.edits import same_name
from cinegrain.atlas.edits_replay import Base, Edited, Group, replay, wishes
from cinegrain.atlas.film_names import FilmNames
from cinegrain.atlas.known_ids import as_base
from cinegrain.atlas.new_films import NO_NEW_FILMS, NewFilms, read_new_films
from cinegrain.atlas.placement import Fit, Gathering, gather, learn_fit
from cinegrain.config import Settings, load_settings
from cinegrain.discovery.clustering import unit_rows
from cinegrain.discovery.kmeans import spherical_kmeans
from cinegrain.errors import EditError, NotFoundError, StoreError
from cinegrain.naming.terms import Term
from cinegrain.naming.trailer_words import term_counts
from cinegrain.results import Film, NearSubGenre, to_json
from cinegrain.runs.artifacts import read_as, write_csv
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.types import Bool, Float64, Int64, JsonObject, Trailer

_TABLE_COLUMNS = ("trailer_id", "title", "genres", "predicted_genres", "subgenre_id", "subgenre", "distance")


@dataclass(frozen=True)
class Proposal:
    """A possible new sub-genre of films added later.

    Attributes:
        id: `P1`, `P2` and so on, valid until the next edit.
        name: Proposed name.
        keywords: As of a sub-genre.
        terms: As of a sub-genre.
        size: Number of films.
        apartness: Mean silhouette; see `placement.apartness`.
        trailers: Its films, most typical first.
    """

    id: str
    name: str
    keywords: tuple[str, ...]
    terms: tuple[Term, ...]
    size: int
    apartness: float
    trailers: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RunAtlas:
    """The atlas of a run at one version.

    Attributes:
        run: The run.
        found: Content of atlas.json.
        found_rows: Content of trailers.json.
        new_films: Films added later.
        log: The edits.
        base: Sub-genres before edits.
        edited: Sub-genres after edits.
        left_out: A sentence if added films were placed in an earlier discovery and are not shown.
    """

    run: Run
    found: Discovered
    found_rows: Sequence[Film]
    new_films: NewFilms
    log: EditLog
    base: Base
    edited: Edited
    left_out: tuple[str, ...] = ()

    @property
    def version(self) -> int:
        """Number of the last edit."""
        return self.log.version

    def to_dict(self) -> JsonObject:
        """As atlas.json after edits, with `version` and `unplaced` films."""
        now = {"k": len(self.cards), "version": self.version, "unplaced": list(self.edited.unplaced)}
        return {**to_json(self.found), **now, "subgenres": to_json(self.cards)}

    @cached_property
    def cards(self) -> list[Card]:
        """A card for each sub-genre, largest first."""
        taken = {name_key(group.name) for group in self.edited.groups if group.name}
        cards = []
        for group in self.edited.groups:
            as_found = group.id not in self._put_together
            card = _with_new_films(self._found[group.id], group) if as_found else self._describe(group)
            name = group.name or unique_name(card.parents, card.terms, taken)
            taken.add(name_key(name))
            about = {"name": name, "edited": bool(group.named_by) or not as_found, "locked": group.locked}
            arrived = len(set(group.members) & set(self.new_films.home))
            cards.append(Card(**vars(card) | about, former=group.former, arrived=arrived))
        return cards

    @cached_property
    def centroids(self) -> Float64:
        """Centres, unit rows, shape (k, e * d), in the order of the cards."""
        row = {card.id: i for i, card in enumerate(self.found.subgenres)}
        found = [
            self._centre(group) if group.id in self._put_together else self.found_centroids[row[group.id]]
            for group in self.edited.groups
        ]
        return np.array(found).reshape(len(found), -1)

    @cached_property
    def found_centroids(self) -> Float64:
        """Centres of the discovered sub-genres, unit rows, shape (k, e * d)."""
        return self._arrays["centroids"].astype(np.float64)

    @cached_property
    def trailer_ids(self) -> tuple[str, ...]:
        """Ids of all films: those of discovery, then those added later."""
        return tuple(row.trailer_id for row in (*self.found_rows, *self.new_films.rows))

    @cached_property
    def names(self) -> FilmNames:
        """Finds films by id or title, in the order of `trailer_ids`."""
        return FilmNames(self.trailer_ids, [row.title for row in (*self.found_rows, *self.new_films.rows)])

    @cached_property
    def encoded(self) -> Float64:
        """Trailer embeddings by expert, shape (n, e, d), in the order of `trailer_ids`."""
        found = self._arrays["encoded"].astype(np.float64)
        return np.concatenate([found, self.new_films.encoded]) if self.new_films.rows else found

    @cached_property
    def rows(self) -> list[Film]:
        """All films with their sub-genres after edits, in the order of `trailer_ids`."""
        of, place = self.edited.group_of, {card.id: i for i, card in enumerate(self.cards)}
        rows: list[Film] = []
        for i, row in enumerate([*self.found_rows, *self.new_films.rows]):
            group, old = of.get(row.trailer_id), row.sub_genre
            sub_genre = None
            if group is not None:
                if old and old.id == group and group not in self._put_together:
                    near = old.distance
                else:
                    vector = unit_rows(self.encoded[i : i + 1])[0]
                    near = float(1 - vector @ self.centroids[place[group]])
                sub_genre = NearSubGenre(group, self.cards[place[group]].name, near)
            rows.append(replace(row, sub_genre=sub_genre))
        return rows

    @property
    def oddities(self) -> list[str]:
        """Sentences about damage to the log and about edits without effect."""
        waiting = [f"{w.entry.id} ({w.entry.said}) has no effect at present: {w.because}" for w in self.edited.waiting]
        return [*self.log.damage, *waiting, *self.left_out]

    def find(self, name: str) -> str:
        """Id of a film by id or title.

        Raises:
            NotFoundError: If there is none, or several have the title.
        """
        return self.trailer_ids[self.names.row(name)]

    def card(self, name: str) -> Card:
        """The card of a sub-genre by its id or name.

        Raises:
            NotFoundError: If there is none.
        """
        wanted = same_name(name)
        for key in ("id", "name"):
            for card in self.cards:
                if same_name(getattr(card, key)) == wanted:
                    return card
        some = ", ".join(f"{card.id} ({card.name})" for card in self.cards[:5])
        raise NotFoundError(f"There is no sub-genre {name!r}. There are, for example: {some}.")

    def proposal(self, id_: str) -> Proposal:
        """One of `proposals`.

        Raises:
            NotFoundError: If there is none of this id.
        """
        proposals = {one.id: one for one in self.proposals}
        if id_ not in proposals:
            raise NotFoundError(f"There is no proposal {id_!r}; there is {', '.join(proposals) or 'none just now'}.")
        return proposals[id_]

    def halves(self, subgenre: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The two clusters of a sub-genre, larger first.

        Raises:
            EditError: If there is no such sub-genre, or it has only one film.
        """
        group = self.edited.by_id.get(subgenre)
        if group is None or len(group.members) < 2:
            raise EditError(f"{subgenre} has fewer than two films, so it cannot be split. See `cinegrain atlas show`.")
        rows = np.flatnonzero(self._inside(group))
        labels = spherical_kmeans(unit_rows(self.encoded[rows]), 2, seed=0).labels
        bigger, smaller = (tuple(self.trailer_ids[i] for i in rows[labels == part]) for part in (0, 1))
        return bigger, smaller

    @cached_property
    def fit(self) -> Fit:
        """Limits of distances, from the films of discovery; in the order of the cards."""
        n_found, of = len(self.found_rows), self.edited.group_of
        place = {group.id: i for i, group in enumerate(self.edited.groups)}
        labels = np.array([place.get(of.get(trailer, ""), -1) for trailer in self.trailer_ids], dtype=np.int64)
        settled = np.unique(labels[:n_found])
        labels[n_found:] = np.where(np.isin(labels[n_found:], settled), -1, labels[n_found:])
        held_out = np.zeros(len(labels), dtype=bool)
        held_out[:n_found] = [row.split in ("val", "test") for row in self.found_rows]
        return learn_fit(unit_rows(self.encoded), labels, self.centroids, held_out)

    @cached_property
    def proposals(self) -> list[Proposal]:
        """Possible new sub-genres of films added later.

        Films that a person moved, and those in locked sub-genres, are left out.
        """
        placed = wishes(self.log.entries).places
        open_ = {group.id for group in self.edited.groups if not group.locked} | {""}
        of, n_found = self.edited.group_of, len(self.found_rows)
        rows = np.array(
            [
                n_found + i
                for i, row in enumerate(self.new_films.rows)
                if row.trailer_id not in placed and of.get(row.trailer_id, "") in open_
            ],
            dtype=np.int64,
        )
        if not len(rows):
            return []
        found = gather(unit_rows(self.encoded[rows]), self.fit, self._settings.assign.min_films)
        return [self._proposal(f"P{number}", rows[one.rows], one) for number, one in enumerate(found, start=1)]

    def _proposal(self, id_: str, rows: Int64, gathering: Gathering) -> Proposal:
        trailers = tuple(self.trailer_ids[row] for row in rows)
        card = self._describe(Group(id_, "", "", (), False, trailers))
        name = unique_name(card.parents, card.terms, {name_key(other.name) for other in self.cards})
        return Proposal(id_, name, card.keywords, card.terms, len(trailers), gathering.apartness, trailers)

    @cached_property
    def _settings(self) -> Settings:
        return load_settings(self.run.settings) if self.run.settings.is_file() else Settings()

    @cached_property
    def _found(self) -> dict[str, SubGenre]:
        return {card.id: card for card in self.found.subgenres}

    @cached_property
    def _put_together(self) -> frozenset[str]:
        """Sub-genres whose films were edited."""
        home: dict[str, set[str]] = {}
        for trailer, id_ in self.base.home.items():
            home.setdefault(id_, set()).add(trailer)
        return frozenset(
            group.id
            for group in self.edited.groups
            if group.id not in self._found or set(group.members) != home.get(group.id)
        )

    @cached_property
    def _arrays(self) -> Mapping[str, np.ndarray]:
        try:
            return load_file(self.run.embeddings)
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"{self.run.embeddings} cannot be read: {error}. Run `cinegrain discover` again."
            ) from error

    def _describe(self, group: Group) -> SubGenre:
        """A card without name for films that people put together."""
        return describe(self._films, self._inside(group), self._centre(group), id=group.id)

    def _centre(self, group: Group) -> Float64:
        total = unit_rows(self.encoded[self._inside(group)]).sum(axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12))

    def _inside(self, group: Group) -> Bool:
        members = set(group.members)
        return np.array([trailer in members for trailer in self.trailer_ids])

    @cached_property
    def _films(self) -> Films:
        known = {trailer.trailer_id: trailer for trailer in load_matched(self.run.catalog).trailers}
        rows = [*self.found_rows, *self.new_films.rows]
        trailers = [known.get(r.trailer_id, Trailer(r.trailer_id, self.run.folder, r.title)) for r in rows]
        concepts = {
            row.trailer_id: {mode: {w.name: w.score for w in words} for mode, words in row.concepts.items()}
            for row in rows
        }
        columns, genres = self._settings.discover.text_columns, self.found.genres
        labels: Bool = np.array([[genre in row.catalog_genres for genre in genres] for row in rows], dtype=bool)
        return Films(
            self.encoded,
            self.trailer_ids,
            genres,
            labels.reshape(len(rows), -1),
            self.found.modes,
            term_counts(trailers, concepts, columns),
        )


def open_atlas(run: Run) -> RunAtlas:
    """The current atlas of a run.

    Raises:
        StoreError: If discovery has not run, or a file is damaged.
    """
    found, rows = read_as(run.atlas, Discovered), read_as(run.trailers, list[Film])
    return join_atlas(run, found, rows, read_new_films(run), read_log(run.edits))


def join_atlas(run: Run, found: Discovered, found_rows: Sequence[Film], new_films: NewFilms, log: EditLog) -> RunAtlas:
    """Joins the parts of an atlas.

    Args:
        run: The run; its vectors are read when needed.
        found: Content of atlas.json.
        found_rows: Content of trailers.json.
        new_films: Films added later; those that are part of discovery by now are left out.
        log: The edits.
    """
    later = new_films.without([row.trailer_id for row in found_rows])
    left_out: tuple[str, ...] = ()
    if later.rows and later.placed_for != found.key:
        left_out = (
            f"{len(later.rows)} films were added to an earlier discovery and have no place in this one yet. "
            "Place them with `cinegrain assign RUN` (without files).",
        )
        later = NO_NEW_FILMS
    base = as_base({s.id: s.members for s in found.subgenres}, {s.id: s.name for s in found.subgenres}, later)
    return RunAtlas(run, found, found_rows, later, log, base, replay(base, log.entries), left_out)


def write_table(atlas: RunAtlas) -> None:
    """Writes subgenres.csv.

    Raises:
        StoreError: If it cannot be written.
    """
    write_csv(atlas.run.table, _TABLE_COLUMNS, map(_table_row, atlas.rows))


def _table_row(film: Film) -> dict[str, str]:
    """A row of subgenres.csv; a film that fits nowhere has no sub-genre."""
    near = film.sub_genre
    return {
        "trailer_id": film.trailer_id,
        "title": film.title,
        "genres": "|".join(film.catalog_genres),
        "predicted_genres": "|".join(genre.name for genre in film.predicted if genre.decided),
        "subgenre_id": near.id if near else "",
        "subgenre": near.name if near else "",
        "distance": f"{near.distance:.4f}" if near else "",
    }


def _with_new_films(card: SubGenre, group: Group) -> SubGenre:
    """Members with the added films, which come last and are not exemplars."""
    had = set(card.members)
    members = (*card.members, *(trailer for trailer in group.members if trailer not in had))
    return replace(card, members=members, size=len(members))
