"""Checks edits, with messages for editors who are not programmers."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cinegrain.atlas.edits import (
    MAX_REASON_CHARS,
    Accept,
    Entry,
    Lock,
    Merge,
    Move,
    Operation,
    Rename,
    Split,
    Undo,
    counted,
    entry_id,
    entry_number,
    plain_line,
    plain_name,
    same_name,
    subgenre_id,
    subgenre_number,
)
from cinegrain.atlas.edits_replay import Base, Edited, Group, replay, standing
from cinegrain.errors import EditError


def new_entry(
    base: Base, entries: Sequence[Entry], operation: Operation, *, at: str, by: str, why: str = ""
) -> tuple[Entry, Edited]:
    """The next entry of a log, and the atlas with it.

    Args:
        base: Result of discovery.
        entries: The log.
        operation: The edit.
        at: Time, UTC.
        by: Editor.
        why: Reason.

    Raises:
        EditError: If the edit is not possible.
    """
    before = replay(base, entries)
    tidy = _tidy(operation)
    said = _check(tidy, before, entries)
    who = plain_line(by, MAX_REASON_CHARS) or "somebody"
    entry = Entry(entry_id(len(entries) + 1), at, who, plain_line(why, MAX_REASON_CHARS), said, tidy)
    after = replay(base, [*entries, entry])
    _check_consequences(before, after, entry)
    return entry, after


def next_subgenre(highest_ever: int, entries: Sequence[Entry]) -> str:
    """An id that neither discovery nor any entry, even an undone one, has used.

    Args:
        highest_ever: Highest number used by discovery.
        entries: The log.
    """
    made = [e.operation.new for e in entries if isinstance(e.operation, Split | Accept)]
    return subgenre_id(max([highest_ever, *map(subgenre_number, made)]) + 1)


def named(group: Group) -> str:
    """A sub-genre for a sentence."""
    return f"{group.id} “{group.name}”" if group.name else group.id


def _tidy(operation: Operation) -> Operation:
    match operation:
        case Rename(_, name):
            return replace(operation, name=plain_name(name))
        case Split(_, _, trailers, name) | Accept(_, trailers, name):
            once = tuple(dict.fromkeys(trailers))
            return replace(operation, trailers=once, name=plain_name(name) if name else "")
        case Move(trailers, _):
            return replace(operation, trailers=tuple(dict.fromkeys(trailers)))
        case Merge(_, others):
            return replace(operation, others=tuple(dict.fromkeys(others)))
        case Undo(entry):
            return Undo(entry_id(entry_number(entry)))
        case _:
            return operation


def _check(operation: Operation, before: Edited, entries: Sequence[Entry]) -> str:
    """Checks an edit; returns it as a sentence."""
    match operation:
        case Rename(subgenre, name):
            group = _open(subgenre, before)
            if group.name == name:
                raise EditError(f"{subgenre} is already called “{name}”.")
            _check_free(name, before, but=group)
            return f"renames {named(group)} to “{name}”"
        case Merge(into, others):
            target, parts = _open(into, before), [_open(other, before) for other in others]
            if not parts or target in parts:
                raise EditError("A merge needs two sub-genres: the one to keep, and another to merge into it.")
            return f"merges {' and '.join(map(named, parts))} into {named(target)}"
        case Split(subgenre, new, trailers, name):
            return _check_split(_open(subgenre, before), new, trailers, name, before)
        case Move(trailers, to):
            return _check_move(trailers, _open(to, before), before)
        case Lock(subgenre, _):
            return f"locks {named(_open(subgenre, before))}"
        case Accept(new, trailers, name):
            if not trailers:
                raise EditError("A new sub-genre needs at least one film.")
            _check_taken_from(trailers, before)
            if name:
                _check_free(name, before)
            return f"makes {new}{f' “{name}”' if name else ''} of {counted(trailers)}"
        case Undo(entry):
            return f"undoes {entry}: {_find(entry, entries).said}"


def _check_split(group: Group, new: str, trailers: Sequence[str], name: str, before: Edited) -> str:
    outside = sorted(set(trailers) - set(group.members))
    if outside:
        raise EditError(f"{counted(outside)} is not in {named(group)}. A split takes films of one sub-genre.")
    if not trailers or len(trailers) == len(group.members):
        raise EditError(f"A split must take some, but not all, films of {named(group)}. Name the films to take out.")
    if name:
        _check_free(name, before)
    return f"splits {counted(trailers)} off {named(group)} as {new}{f' “{name}”' if name else ''}"


def _check_move(trailers: Sequence[str], target: Group, before: Edited) -> str:
    if not trailers:
        raise EditError("Name the films to move.")
    away = [trailer for trailer in trailers if trailer not in set(target.members)]
    if not away:
        raise EditError(f"{counted(trailers)} is already in {named(target)}.")
    _check_taken_from(away, before)
    return f"moves {counted(trailers)} to {named(target)}"


def _check_taken_from(trailers: Sequence[str], before: Edited) -> None:
    """Checks that films exist, and that no sub-genre they leave is locked or would be empty."""
    where = before.group_of
    known = set(where) | set(before.unplaced)
    unknown = [trailer for trailer in trailers if trailer not in known]
    if unknown:
        raise EditError(f"There is no film {unknown[0]!r} in this run.{_near(unknown[0], known)}")
    for group in {where[trailer] for trailer in trailers if trailer in where}:
        source = _open(group, before)
        if set(source.members) <= set(trailers):
            raise EditError(
                f"That would leave {named(source)} without films. Merge {source.id} into another sub-genre instead."
            )


def _open(subgenre: str, before: Edited) -> Group:
    """A sub-genre that exists and is not locked."""
    group = before.by_id.get(subgenre)
    if group is None:
        listed = ", ".join(sorted(before.by_id)[:12])
        raise EditError(f"There is no sub-genre {subgenre!r}. The atlas has {listed or 'none'}.")
    if group.locked:
        raise EditError(f"{named(group)} is locked. Unlock it first (`cinegrain atlas unlock`).")
    return group


def _check_free(name: str, before: Edited, *, but: Group | None = None) -> None:
    for group in before.groups:
        if group != but and group.name and same_name(group.name) == same_name(name):
            raise EditError(f"{group.id} is already called “{group.name}”. Choose another name, or merge the two.")


def _find(entry: str, entries: Sequence[Entry]) -> Entry:
    if not 1 <= entry_number(entry) <= len(entries):
        raise EditError(f"The history has no {entry}; its last entry is {entries[-1].id if entries else 'none yet'}.")
    found = entries[entry_number(entry) - 1]
    alive = {e.id for e in standing(entries)} | _undos_that_stand(entries)
    if entry not in alive:
        undo = next(e for e in reversed(entries) if e.operation == Undo(entry))
        raise EditError(f"{entry} has already been undone by {undo.id}. To restore it, undo {undo.id}.")
    return found


def _undos_that_stand(entries: Sequence[Entry]) -> set[str]:
    undone: set[str] = set()
    kept: set[str] = set()
    for entry in reversed(entries):
        if isinstance(entry.operation, Undo) and entry.id not in undone:
            kept.add(entry.id)
            undone.add(entry.operation.entry)
    return kept


def _check_consequences(before: Edited, after: Edited, entry: Entry) -> None:
    """Checks that no locked sub-genre changes, and that no other edit becomes ineffective."""
    waited = {waiting.entry.id for waiting in before.waiting}
    for waiting in after.waiting:
        if waiting.entry.id not in waited and waiting.entry != entry:
            raise EditError(
                f"{waiting.entry.id} ({waiting.entry.said}) depends on that. Undo {waiting.entry.id} first."
            )
        if waiting.entry == entry:
            raise EditError(f"That would change nothing: {waiting.because}.")
    now = after.by_id
    for group in before.groups:
        still = now.get(group.id)
        unlocked = still is not None and not still.locked
        same = still is not None and (still.members, still.named_by) == (group.members, group.named_by)
        if group.locked and not unlocked and not same:
            raise EditError(
                f"That would change {named(group)}, which is locked. Unlock it first: "
                f"`cinegrain atlas unlock RUN {group.id}`."
            )


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known)[:20_000], 1)
    return f" Did you mean {near[0]!r}?" if near else ""
