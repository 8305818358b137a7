"""An atlas as discovered and the log of edits give the atlas as people want it."""

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
    """What discovery, and the placing of new films after it, found.

    Attributes:
        home: Where each trailer was put; "" for a new film that fits nowhere.
        names: What discovery calls each of its sub-genres.
        otherwise: For films whose home is a sub-genre that people made: where they go if it is undone.
    """

    home: Mapping[str, str]
    names: Mapping[str, str]
    otherwise: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """An edit that has nothing to hold on to in this discovery; it is kept, and works again once there is."""

    entry: Entry
    because: str


@dataclass(frozen=True)
class Group:
    """A sub-genre as people want it.

    Attributes:
        id: For ever.
        name: "" where a person made the sub-genre and left the naming to the words.
        named_by: The entry that named it; "" for a name of discovery's.
        former: Other names it has or had: replaced ones and those of merged sub-genres.
        locked: Whether discovery and further edits leave it as it is.
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
    """The atlas as people want it: groups biggest first; they and `unplaced` hold every trailer once."""

    groups: tuple[Group, ...]
    unplaced: tuple[str, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def by_id(self) -> dict[str, Group]:
        """Groups by id."""
        return {group.id: group for group in self.groups}

    @property
    def group_of(self) -> dict[str, str]:
        """The group of each trailer that has one."""
        return {trailer: group.id for group in self.groups for trailer in group.members}


@dataclass
class Wishes:
    """What all entries that stand ask for; each with the entry that asks.

    Attributes:
        names: By sub-genre, in order; the last one counts.
        into: Merged sub-genres: which one each is a part of.
        places: By trailer: where a person put it.
        born: Sub-genres that people made.
        parents: Of those that were split off: which sub-genre they come from.
        locks: Sub-genres that stay as they are.
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
        """The sub-genre that one is a part of by now; itself if it was not merged."""
        while subgenre in self.into:
            subgenre = self.into[subgenre][0]
        return subgenre


def standing(entries: Sequence[Entry]) -> list[Entry]:
    """Entries that are neither undone nor an undo, in order."""
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
    """What a log asks for, from its first entry on."""
    asked = Wishes()
    for entry in standing(entries):
        _add(asked, entry)
    return asked


def replay(base: Base, entries: Sequence[Entry]) -> Edited:
    """The atlas with every edit that stands; equal logs on equal bases give equal atlases."""
    return settle(base, wishes(entries))


def settle(base: Base, asked: Wishes) -> Edited:
    """Puts every trailer where it is wanted, or else where discovery put it.

    Args:
        base: What was found.
        asked: What people want.
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
                    asked.impossible.append(Waiting(entry, f"{other} and {into} are one already by another merge"))
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
            pass  # `standing` has dealt with it


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
    """A name of discovery's gives way to the same name from a person, or to that of a bigger group."""
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
    """Edits without effect, and why."""
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
