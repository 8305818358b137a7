"""Sub-genres of a run for Python: cards to read, and edits that go into the same log as everybody's."""

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
    """A sub-genre as it was when it was asked for; edits go to the run, and are seen in `run.atlas`.

    All edits take `by` (who; your name on this machine unless given), `why` (kept with the edit) and `version` (the
    edit is refused if the atlas has another version by now), and return the entry that the log now has.

    Attributes:
        card: Everything known.
    """

    card: Card
    _atlas: "Atlas" = field(repr=False)

    @property
    def id(self) -> str:
        """Short, such as S03; the same through every later discovery."""
        return self.card.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.card.name

    @property
    def films(self) -> tuple[str, ...]:
        """Ids of its films, nearest to its centre first, then those that came later."""
        return self.card.members

    @property
    def size(self) -> int:
        """Number of films."""
        return len(self.films)

    @property
    def terms(self) -> tuple[str, ...]:
        """Words that set it apart, best first."""
        return tuple(term.word for term in self.card.terms)

    @property
    def genres(self) -> dict[str, float]:
        """Fraction of its films that have each genre, most frequent first."""
        return {parent.genre: parent.share for parent in self.card.parents}

    @property
    def locked(self) -> bool:
        """Whether a person keeps it as it is."""
        return self.card.locked

    def rename(self, name: str, *, by: str | None = None, why: str = "", version: int | None = None) -> Entry:
        """Gives it a name that no later discovery replaces.

        Raises:
            EditError: If the atlas cannot take the edit; as all edits here.
            ConflictError: If `version` is given and somebody has edited the atlas since.
        """
        return self._atlas.editor(by, why, version).rename(self.id, name)

    def merge(
        self, others: Sequence[str], *, by: str | None = None, why: str = "", version: int | None = None
    ) -> Entry:
        """Makes other sub-genres, by id or name, part of this one."""
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
        """Takes films, by id or title, out into a new sub-genre; without any it is divided automatically in two."""
        now = self._atlas.now()
        chosen = [now.find(film) for film in films] or now.halves(self.id)[1]
        return self._atlas.editor(by, why, version).split(self.id, chosen, name)

    def add(self, films: Sequence[str], *, by: str | None = None, why: str = "", version: int | None = None) -> Entry:
        """Moves films, by id or title, from wherever they are into this sub-genre."""
        chosen = [self._atlas.now().find(film) for film in films]
        return self._atlas.editor(by, why, version).move(chosen, self.id)

    def lock(self, *, by: str | None = None, why: str = "", version: int | None = None) -> Entry:
        """Keeps its films and name through later discoveries, and from other edits."""
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
    """The sub-genres of a run, always as they are now: iterate, or take one by id or name.

    Attributes:
        now: Gives the atlas at this moment.
    """

    now: Callable[[], RunAtlas] = field(repr=False)

    @property
    def version(self) -> int:
        """Number of the last edit; 0 if nobody has edited."""
        return self.now().version

    @property
    def history(self) -> list[PastEntry]:
        """Every edit, first to last."""
        return history_rows(self.now())

    @property
    def proposals(self) -> list[Proposal]:
        """New sub-genres that films which came later would make."""
        return self.now().proposals

    def accept(
        self, proposal: str, name: str = "", *, by: str | None = None, why: str = "", version: int | None = None
    ) -> Entry:
        """Makes a proposal, such as P1, a sub-genre.

        Raises:
            NotFoundError: If there is no such proposal.
        """
        return self.editor(by, why, version).accept(self.now().proposal(proposal).trailers, name)

    def undo(
        self, *entries: str, by: str | None = None, why: str = "", version: int | None = None
    ) -> tuple[Entry, ...]:
        """Takes edits such as E0004 back, the last one that stands if none is named."""
        return self.editor(by, why, version).undo(entries)

    def export(self, file: str | Path) -> Path:
        """Writes it as .csv, .json, or SKOS (.ttl, .rdf, .jsonld); returns the path."""
        path = Path(file)
        write_sheet(path, sheet_of(self.now()))
        return path

    def editor(self, by: str | None, why: str, version: int | None) -> Editor:
        """Somebody who edits it."""
        return Editor(self.now().run, by or user_name(), why, version, self.now)

    def to_dict(self) -> JsonObject:
        """As atlas.json, with the cards as they are now."""
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
