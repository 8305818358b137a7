"""Replays the log of edits on a discovered atlas."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cinegrain.atlas.edits import (
    Accept,
    Entry,
    Lock,
    Merge,
    Move,
    Rename,
    Split,
    Undo,
    same_name,
    subgenre_number,
)


@dataclass(frozen=True)
class Base:
    """Sub-genres before edits: from discovery, and from the placement of new films.

    Attributes:
        home: Sub-genre of each trailer; "" for a new film that fits nowhere.
        names: Name of each discovered sub-genre.
        otherwise: For films in a sub-genre that people made: where they go if it is undone.
    """

    home: Mapping[str, str]
    names: Mapping[str, str]
    otherwise: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """An edit without effect in this discovery; it is kept and may take effect in a later one."""

    entry: Entry
    because: str


@dataclass(frozen=True)
class Group:
    """A sub-genre after edits.

    Attributes:
        id: Permanent id.
        name: Its name; "" if it is to be named by its terms.
        named_by: Entry that named it; "" if discovery did.
        former: Replaced names and those of merged sub-genres.
        locked: Whether it is locked.
        members: In the order of `Base.home`.
    """

    id: str
    name: str
    named_by: str
    former: tuple[str, ...]
    locked: bool
    members: tuple[str, ...]


@dataclass(frozen=True)
class Edited:
    """The atlas after edits: groups, largest first; together with `unplaced` they hold every trailer once."""

    groups: tuple[Group, ...]
    unplaced: tuple[str, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def by_id(self) -> dict[str, Group]:
        """Groups by id."""
        return {group.id: group for group in self.groups}

    @property
    def group_of(self) -> dict[str, str]:
        """Group of each trailer that has one."""
        return {trailer: group.id for group in self.groups for trailer in group.members}


@dataclass
class Wishes:
    """Sum of all entries in effect, each with its entry.

    Attributes:
        names: Names by sub-genre, in order; the last one counts.
        into: Target of each merged sub-genre.
        places: Sub-genre of each moved trailer.
        born: Sub-genres that people made.
        parents: Origin of sub-genres that were split off.
        locks: Locked sub-genres.
        impossible: Entries that contradict earlier ones.
    """

    names: dict[str, list[tuple[str, Entry]]] = field(default_factory=dict)
    into: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    places: dict[str, tuple[str, Entry]] = field(default_factory=dict)
    born: dict[str, Entry] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    locks: dict[str, Entry] = field(default_factory=dict)
    impossible: list[Waiting] = field(default_factory=list)

    def resolve(self, subgenre: str) -> str:
        """The sub-genre that one was finally merged into; itself if it was not merged."""
        while subgenre in self.into:
            subgenre = self.into[subgenre][0]
        return subgenre


def standing(entries: Sequence[Entry]) -> list[Entry]:
    """Entries in effect: neither undone nor an undo, in order."""
    undone: set[str] = set()
    kept: list[Entry] = []
    for entry in reversed(entries):
        if entry.id in undone:
            continue
        if isinstance(entry.operation, Undo):
            undone.add(entry.operation.entry)
        else:
            kept.append(entry)
    return kept[::-1]


def wishes(entries: Sequence[Entry]) -> Wishes:
    """Sums up a log."""
    asked = Wishes()
    for entry in standing(entries):
        _add(asked, entry)
    return asked


def replay(base: Base, entries: Sequence[Entry]) -> Edited:
    """The atlas after all edits in effect. Deterministic."""
    return settle(base, wishes(entries))


def settle(base: Base, asked: Wishes) -> Edited:
    """Places every trailer where people moved it, or else where discovery did.

    Args:
        base: Sub-genres before edits.
        asked: Sum of the edits.
    """
    there = set(base.names) | set(asked.born)
    members: dict[str, list[str]] = {}
    unplaced: list[str] = []
    for trailer, home in base.home.items():
        wanted = asked.places.get(trailer)
        if asked.resolve(home) not in there:
            home = base.otherwise.get(trailer, "")
        place = asked.resolve(wanted[0] if wanted is not None and asked.resolve(wanted[0]) in there else home)
        if place:
            members.setdefault(place, []).append(trailer)
        else:
            unplaced.append(trailer)
    groups = [_group(group, tuple(trailers), base, asked) for group, trailers in members.items()]
    groups.sort(key=lambda group: (-len(group.members), subgenre_number(group.id), group.id))
    return Edited(_no_name_twice(groups), tuple(unplaced), _waiting(base, asked, set(members), there))


def _add(asked: Wishes, entry: Entry) -> None:
    match entry.operation:
        case Rename(subgenre, name):
            asked.names.setdefault(subgenre, []).append((name, entry))
        case Merge(into, others):
            for other in others:
                if asked.resolve(into) == other or other in asked.into:
                    asked.impossible.append(Waiting(entry, f"{other} and {into} are already merged by another edit"))
                else:
                    asked.into[other] = (into, entry)
        case Split(subgenre, new, trailers, name):
            asked.parents[new] = subgenre
            _create(asked, new, trailers, name, entry)
        case Accept(new, trailers, name):
            _create(asked, new, trailers, name, entry)
        case Move(trailers, to):
            asked.places.update(dict.fromkeys(trailers, (to, entry)))
        case Lock(subgenre, _):
            asked.locks[subgenre] = entry
        case Undo():
            pass  # handled by `standing`


def _create(asked: Wishes, new: str, trailers: Iterable[str], name: str, entry: Entry) -> None:
    asked.born[new] = entry
    asked.places.update(dict.fromkeys(trailers, (new, entry)))
    if name:
        asked.names.setdefault(new, []).append((name, entry))


def _group(group: str, members: tuple[str, ...], base: Base, asked: Wishes) -> Group:
    given = asked.names.get(group, [])
    lock = asked.locks.get(group)
    found = base.names.get(group, "")
    name, named_by = (given[-1][0], given[-1][1].id) if given else (found, "")
    if not given and lock is not None and isinstance(lock.operation, Lock) and lock.operation.name:
        name, named_by = lock.operation.name, lock.id
    merged = [other for other in asked.into if asked.resolve(other) == group]
    others = [found, *(n for n, _ in given), *(_last_name(other, base, asked) for other in merged)]
    former = {same_name(other): other for other in reversed(others) if other}
    former.pop(same_name(name), None)
    return Group(group, name, named_by, tuple(sorted(former.values())), lock is not None, members)


def _last_name(group: str, base: Base, asked: Wishes) -> str:
    given = asked.names.get(group)
    return given[-1][0] if given else base.names.get(group, "")


def _no_name_twice(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Drops names of discovery that a person also gave, or that a larger group has."""
    taken = {same_name(group.name) for group in groups if group.named_by}
    result: list[Group] = []
    for group in groups:
        name, number = group.name, 2
        while name and not group.named_by and same_name(name) in taken:
            name, number = f"{group.name} ({number})", number + 1
        if name:
            taken.add(same_name(name))
        result.append(group if name == group.name else Group(**{**vars(group), "name": name}))
    return tuple(result)


def _waiting(base: Base, asked: Wishes, alive: set[str], there: set[str]) -> tuple[Waiting, ...]:
    """Edits without effect, with the reason."""
    found: dict[str, Waiting] = {waiting.entry.id: waiting for waiting in asked.impossible}

    def wait(entry: Entry, because: str) -> None:
        found.setdefault(entry.id, Waiting(entry, because))

    gone = "the sub-genre {} was not found again"
    for group, given in asked.names.items():
        if asked.resolve(group) not in alive:
            for _, entry in given:
                wait(entry, gone.format(group))
    for group, entry in asked.locks.items():
        if group not in alive:
            wait(entry, gone.format(group))
    for other, (into, entry) in asked.into.items():
        lost = [group for group in (other, into) if group not in there]
        if lost:
            wait(entry, gone.format(" and ".join(lost)))
    missing: dict[str, list[str]] = {}
    for trailer, (to, entry) in asked.places.items():
        if trailer not in base.home:
            missing.setdefault(entry.id, []).append(trailer)
        elif asked.resolve(to) not in there:
            wait(entry, gone.format(to))
    asking = {entry.id: entry for _, entry in asked.places.values()}
    for entry_id, trailers in missing.items():
        n = f"{len(trailers)} of its films are" if len(trailers) > 1 else f"its film {trailers[0]} is"
        wait(asking[entry_id], f"{n} not in the run any more")
    return tuple(sorted(found.values(), key=lambda waiting: waiting.entry.number))
