"""Edits a run's atlas: checks an edit, adds it to the log, updates the table."""

import getpass
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cinegrain.atlas.edit_log import EditLog, add_entries, now
from cinegrain.atlas.edits import (
    Accept,
    Entry,
    Lock,
    Merge,
    Move,
    Operation,
    Rename,
    Split,
    Undo,
)
from cinegrain.atlas.edits_check import new_entry, next_subgenre
from cinegrain.atlas.edits_replay import Edited, standing
from cinegrain.atlas.known_ids import highest_ever
from cinegrain.atlas.run_atlas import RunAtlas, open_atlas, write_table
from cinegrain.errors import EditError
from cinegrain.runs.layout import Run

FreshId = Callable[[], str]
MakeOperations = Callable[[RunAtlas, FreshId], Sequence[Operation]]


@dataclass(frozen=True)
class Editor:
    """Edits a run's atlas.

    Each method returns the entries added to the log, once they are on disk.

    Attributes:
        run: The run.
        by: Name of the editor.
        why: Reason kept with each edit.
        expected: Version that the editor sees: a ConflictError is raised if the atlas has another one. None skips the
            check.
        atlas_now: Returns the current atlas if it is open already; None reads it from disk.
    """

    run: Run
    by: str
    why: str = ""
    expected: int | None = None
    atlas_now: Callable[[], RunAtlas] | None = None

    def rename(self, subgenre: str, name: str) -> Entry:
        """Renames a sub-genre.

        Raises:
            EditError: If the edit is not possible; raised by all methods.
        """
        return self._one(Rename(subgenre, name))

    def merge(self, into: str, others: Sequence[str]) -> Entry:
        """Merges other sub-genres into one."""
        return self._one(Merge(into, tuple(others)))

    def split(self, subgenre: str, trailers: Sequence[str], name: str = "") -> Entry:
        """Moves films of a sub-genre into a new one."""
        return self.edit(lambda _, fresh: [Split(subgenre, fresh(), tuple(trailers), name)])[0]

    def move(self, trailers: Sequence[str], to: str) -> Entry:
        """Moves films to another sub-genre."""
        return self._one(Move(tuple(trailers), to))

    def lock(self, subgenre: str) -> Entry:
        """Locks a sub-genre."""
        return self.edit(lambda atlas, _: [Lock(subgenre, _name_of(subgenre, atlas.edited))])[0]

    def unlock(self, subgenre: str) -> Entry:
        """Unlocks a sub-genre."""
        return self._with_log(lambda log: [Undo(_lock_of(subgenre, log))])[0]

    def accept(self, trailers: Sequence[str], name: str = "") -> Entry:
        """Makes a new sub-genre of new films."""
        return self.edit(lambda _, fresh: [Accept(fresh(), tuple(trailers), name)])[0]

    def undo(self, entries: Sequence[str] = ()) -> tuple[Entry, ...]:
        """Undoes entries; by default the last one."""
        return self._with_log(lambda log: [Undo(entry) for entry in entries or [_last(log)]])

    def edit(self, make: MakeOperations) -> tuple[Entry, ...]:
        """Adds edits, all or none.

        Args:
            make: Returns the operations for the current atlas; its second argument creates ids of new sub-genres.
        """
        return self._add(make)

    def _one(self, operation: Operation) -> Entry:
        return self.edit(lambda _, __: [operation])[0]

    def _with_log(self, make: Callable[[EditLog], Sequence[Operation]]) -> tuple[Entry, ...]:
        return self._add(lambda atlas, _: make(atlas.log))

    def _add(self, make: MakeOperations) -> tuple[Entry, ...]:
        def entries(log: EditLog) -> list[Entry]:
            atlas = self._atlas()
            known = list(log.entries)
            highest = highest_ever(self.run, (card.id for card in atlas.found.subgenres))
            given: list[str] = []

            def fresh() -> str:
                given.append(next_subgenre(max([highest, *(int(id_[1:]) for id_ in given)]), known))
                return given[-1]

            for operation in make(atlas, fresh):
                entry, _ = new_entry(atlas.base, known, operation, at=now(), by=self.by, why=self.why)
                known.append(entry)
            return known[len(log.entries) :]

        added = add_entries(self.run.edits, entries, expected=self.expected)
        if added:
            write_table(self._atlas())
        return added

    def _atlas(self) -> RunAtlas:
        return self.atlas_now() if self.atlas_now else open_atlas(self.run)


def user_name() -> str:
    """Name of this machine's user, for edits without an editor."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"


@dataclass(frozen=True)
class PastEntry(Entry):
    """An entry and its `state`: "" if in effect, otherwise undone or why it waits."""

    state: str


def history_rows(atlas: RunAtlas) -> list[PastEntry]:
    """Every entry of the log."""
    stands = {entry.id for entry in standing(atlas.log.entries)}
    waits = {waiting.entry.id: waiting.because for waiting in atlas.edited.waiting}
    rows = []
    for entry in atlas.log.entries:
        undone = entry.id not in stands and not isinstance(entry.operation, Undo)
        state = "undone" if undone else f"waits: {waits[entry.id]}" if entry.id in waits else ""
        rows.append(PastEntry(**vars(entry), state=state))
    return rows


def _name_of(subgenre: str, edited: Edited) -> str:
    group = edited.by_id.get(subgenre)
    return group.name if group else ""


def _lock_of(subgenre: str, log: EditLog) -> str:
    for entry in standing(log.entries):
        if isinstance(entry.operation, Lock) and entry.operation.subgenre == subgenre:
            return entry.id
    raise EditError(f"{subgenre} is not locked.")


def _last(log: EditLog) -> str:
    kept = standing(log.entries)
    if not kept:
        raise EditError("There is nothing to undo.")
    return kept[-1].id
