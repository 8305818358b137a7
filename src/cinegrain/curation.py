"""Python API of sub-genres: cards, and edits through the same log as everywhere."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cinegrain.atlas.cards import Card
from cinegrain.atlas.edit import Editor, PastEntry, history_rows, user_name
from cinegrain.atlas.edits import Entry
from cinegrain.atlas.imported import write_sheet
from cinegrain.atlas.run_atlas import Proposal, RunAtlas
from cinegrain.atlas.sheet import sheet_of
from cinegrain.results import html_table, to_json
from cinegrain.types import JsonObject

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class SubGenre:
    """A snapshot of a sub-genre; edits change the run, and are visible in `run.atlas`.

    All edits take `by` (the editor; your user name by default), `why` (kept with the edit) and `version` (the edit is
    refused if the atlas has another version), and return the entry added to the log.

    Attributes:
        card: Its card.
    """

    card: Card
    _atlas: "Atlas" = field(repr=False)

    @property
    def id(self) -> str:
        """Id such as S03, kept through later discoveries."""
        return self.card.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.card.name

    @property
    def films(self) -> tuple[str, ...]:
        """Ids of its films, nearest to its centre first, then those added later."""
        return self.card.members

    @property
    def size(self) -> int:
        """Number of films."""
        return len(self.films)

    @property
    def terms(self) -> tuple[str, ...]:
        """Distinctive terms, best first."""
        return tuple(term.word for term in self.card.terms)

    @property
    def genres(self) -> dict[str, float]:
        """Fraction of its films that have each genre, most frequent first."""
        return {parent.genre: parent.share for parent in self.card.parents}

    @property
    def locked(self) -> bool:
        """Whether it is locked."""
        return self.card.locked

    def rename(self, name: str, *, by: str | None = None, why: str = "", version: int | None = None) -> Entry:
        """Renames it; later discoveries keep the name.

        Raises:
            EditError: If the edit is not possible; raised by all edits.
            ConflictError: If `version` is given and the atlas has been edited since.
        """
        return self._atlas.editor(by, why, version).rename(self.id, name)

    def merge(
        self, others: Sequence[str], *, by: str | None = None, why: str = "", version: int | None = None
    ) -> Entry:
        """Merges other sub-genres, by id or name, into this one."""
        ids = [self._atlas[other].id for other in others]
        return self._atlas.editor(by, why, version).merge(self.id, ids)

    def split(
        self,
        films: Sequence[str] = (),
        name: str = "",
        *,
        by: str | None = None,
        why: str = "",
        version: int | None = None,
    ) -> Entry:
        """Moves films, by id or title, into a new sub-genre; without films it is split automatically in two."""
        now = self._atlas.now()
        chosen = [now.find(film) for film in films] or now.halves(self.id)[1]
        return self._atlas.editor(by, why, version).split(self.id, chosen, name)

    def add(self, films: Sequence[str], *, by: str | None = None, why: str = "", version: int | None = None) -> Entry:
        """Moves films, by id or title, into this sub-genre."""
        chosen = [self._atlas.now().find(film) for film in films]
        return self._atlas.editor(by, why, version).move(chosen, self.id)

    def lock(self, *, by: str | None = None, why: str = "", version: int | None = None) -> Entry:
        """Protects its films and name from later discoveries and edits."""
        return self._atlas.editor(by, why, version).lock(self.id)

    def unlock(self, *, by: str | None = None, why: str = "", version: int | None = None) -> Entry:
        """Undoes `lock`."""
        return self._atlas.editor(by, why, version).unlock(self.id)

    def to_dict(self) -> JsonObject:
        """The card as plain data."""
        found: JsonObject = to_json(self.card)
        return found

    def __repr__(self) -> str:
        return f"<{self.id} {self.name!r}, {self.size} films>"

    def _repr_html_(self) -> str:
        return _table([self])


@dataclass(frozen=True, eq=False)
class Atlas:
    """Current sub-genres of a run: iterate, or get one by id or name.

    Attributes:
        now: Returns the current atlas.
    """

    now: Callable[[], RunAtlas] = field(repr=False)

    @property
    def version(self) -> int:
        """Number of the last edit, or 0."""
        return self.now().version

    @property
    def history(self) -> list[PastEntry]:
        """Every edit, first to last."""
        return history_rows(self.now())

    @property
    def proposals(self) -> list[Proposal]:
        """Possible new sub-genres of films added later."""
        return self.now().proposals

    def accept(
        self, proposal: str, name: str = "", *, by: str | None = None, why: str = "", version: int | None = None
    ) -> Entry:
        """Turns a proposal, such as P1, into a sub-genre.

        Raises:
            NotFoundError: If there is no such proposal.
        """
        return self.editor(by, why, version).accept(self.now().proposal(proposal).trailers, name)

    def undo(
        self, *entries: str, by: str | None = None, why: str = "", version: int | None = None
    ) -> tuple[Entry, ...]:
        """Undoes edits such as E0004; the last one by default."""
        return self.editor(by, why, version).undo(entries)

    def export(self, file: str | Path) -> Path:
        """Writes it as .csv, .json, or SKOS (.ttl, .rdf, .jsonld); returns the path."""
        path = Path(file)
        write_sheet(path, sheet_of(self.now()))
        return path

    def editor(self, by: str | None, why: str, version: int | None) -> Editor:
        """Makes an editor."""
        return Editor(self.now().run, by or user_name(), why, version, self.now)

    def to_dict(self) -> JsonObject:
        """As atlas.json after edits."""
        return self.now().to_dict()

    def __getitem__(self, name: str) -> SubGenre:
        return SubGenre(self.now().card(name), self)

    def __iter__(self) -> Iterator[SubGenre]:
        return (SubGenre(card, self) for card in self.now().cards)

    def __len__(self) -> int:
        return len(self.now().cards)

    def __repr__(self) -> str:
        return f"<atlas of {len(self)} sub-genres, version {self.version}>"

    def _repr_html_(self) -> str:
        return _table(list(self))


def _table(subgenres: Sequence[SubGenre]) -> str:
    rows = [(one.id, str(one.size), one.name, ", ".join(one.terms[:_SHOWN])) for one in subgenres]
    return html_table(rows, ("id", "films", "name", "terms"))
