"""Edits against a model that does them one by one, and the promises of the log."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    entry_id,
    plain_name,
    same_name,
    subgenre_number,
)
from cinegrain.atlas.edits_check import new_entry, next_subgenre
from cinegrain.atlas.edits_replay import Base, Edited, replay, standing
from cinegrain.errors import EditError

BASE = Base(
    {f"t{i}": f"S{i % 4 + 1:02d}" for i in range(17)} | {"new1": "", "new2": ""},
    {"S01": "War: guns", "S02": "War: desert", "S03": "Comedy: laughter", "S04": "Comedy: dogs"},
)


class Log:
    """A log in memory."""

    def __init__(self, base: Base = BASE) -> None:
        self.base, self.entries = base, list[Entry]()

    def do(self, operation: Operation, by: str = "anna") -> Edited:
        entry, edited = new_entry(self.base, self.entries, operation, at="2026-01-01T00:00:00Z", by=by)
        self.entries.append(entry)
        return edited

    def fresh(self) -> str:
        return next_subgenre(4, self.entries)

    @property
    def now(self) -> Edited:
        return replay(self.base, self.entries)


def stands(entry: Entry, entries: Sequence[Entry]) -> bool:
    """By the definition: no undo that stands takes it back."""
    return not any(e.operation == Undo(entry.id) and stands(e, entries) for e in entries)


def one_by_one(base: Base, entries: Sequence[Entry]) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """Where each film is, what each sub-genre is called, and which are locked, by doing one edit after the other."""
    where, names, locked, part_of = dict(base.home), dict(base.names), set(), dict[str, str]()

    def now(subgenre: str) -> str:
        """Itself, or what an earlier merge made it a part of: it may be merged again after an undo was undone."""
        return now(part_of[subgenre]) if subgenre in part_of else subgenre

    for entry in entries:
        if not stands(entry, entries):
            continue
        match entry.operation:
            case Rename(subgenre, name):
                names[subgenre] = name
            case Merge(into, others):
                where = {t: now(into) if s in others else s for t, s in where.items()}
                part_of |= dict.fromkeys(others, into)
            case Split(_, new, trailers, name) | Accept(new, trailers, name):
                where |= dict.fromkeys(trailers, now(new))
                names[new] = name
            case Move(trailers, to):
                where |= dict.fromkeys(trailers, now(to))
            case Lock(subgenre, _):
                locked.add(subgenre)
    return where, names, locked


def operation(log: Log, kind: int, a: int, b: int, some: list[int]) -> Operation:
    """An edit that may or may not make sense just now."""
    ids = [*(group.id for group in log.now.groups), "S02", "S99"]
    films = [*log.base.home, "nobody"]
    first, second = ids[a % len(ids)], ids[b % len(ids)]
    trailers = tuple(films[i % len(films)] for i in some)
    inside = log.now.by_id[first].members if first in log.now.by_id else trailers
    part = tuple(inside[i % len(inside)] for i in some)
    kinds: list[Operation] = [
        Rename(first, f"name {b}"),
        Merge(first, (second,)),
        Split(first, log.fresh(), part, f"part {b}" * (b % 2)),
        Move(trailers, first),
        Lock(first, log.now.by_id[first].name if first in log.now.by_id else ""),
        Accept(log.fresh(), trailers, ""),
        Undo(entry_id(1 + a % (len(log.entries) + 1))),
        Undo(entry_id(max(1, len(log.entries)))),
    ]
    return kinds[kind]


EDITS = st.lists(
    st.tuples(
        st.integers(0, 7), st.integers(0, 30), st.integers(0, 30), st.lists(st.integers(0, 30), min_size=1, max_size=4)
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(EDITS)
def test_the_log_replayed_is_the_edits_done_one_by_one(edits: list[tuple[int, int, int, list[int]]]) -> None:
    log, done = Log(), 0
    for edit in edits:
        before = log.now
        try:
            edited = log.do(operation(log, *edit))
        except EditError:
            assert log.now == before, "what is refused changes nothing"
            continue
        done += 1
        assert edited == log.now, "incremental equals replayed from the first entry"
        where, names, locked = one_by_one(log.base, log.entries)
        assert {**dict.fromkeys(edited.unplaced, ""), **edited.group_of} == where
        assert {g.id: g.name for g in edited.groups if g.named_by} == {
            g.id: names[g.id] for g in edited.groups if g.named_by
        }
        assert {g.id for g in edited.groups if g.locked} == locked
        everyone = [*edited.unplaced, *(t for g in edited.groups for t in g.members)]
        assert Counter(everyone) == Counter(list(log.base.home)), "every film is somewhere, and only once"
        for group in before.groups:
            if group.locked and edited.by_id[group.id].locked:
                assert (edited.by_id[group.id].name, edited.by_id[group.id].members) == (group.name, group.members)
    while left := standing(log.entries):
        for entry in sorted(left, key=lambda e: (not isinstance(e.operation, Lock), -e.number)):  # locks first
            with suppress(EditError):  # one that others rest on: they go first
                log.do(Undo(entry.id))
        assert len(standing(log.entries)) < len(left), "something can always be undone"
    assert log.now == replay(BASE, []), "everything undone is what discovery found"
    made = [e.operation.new for e in log.entries if isinstance(e.operation, Split | Accept)]
    assert len(set(made)) == len(made), "no id is given twice"
    assert not set(made) & set(BASE.names)


def test_merge_then_move_then_undo_the_merge() -> None:
    log = Log()
    log.do(Merge("S01", ("S02",)))
    log.do(Move(("t1",), "S03"))
    edited = log.do(Undo("E0001"))
    assert edited.group_of["t1"] == "S03", "a film that a person placed stays where it was placed"
    assert edited.group_of["t5"] == "S02"


def test_an_undo_can_be_undone() -> None:
    log = Log()
    log.do(Rename("S01", "Guns"))
    log.do(Undo("E0001"))
    assert log.now.by_id["S01"].name == "War: guns"
    log.do(Undo("e2"))
    assert log.now.by_id["S01"].name == "Guns"
    with pytest.raises(EditError, match="E0002 has already been undone by E0003"):
        log.do(Undo("E0002"))


def test_a_person_s_name_stays_and_the_others_are_remembered() -> None:
    log = Log()
    log.do(Rename("S01", "Guns"))
    log.do(Rename("S01", "  War   in the\u00a0desert\u202e "))
    log.do(Rename("S02", "Sand"))
    group = log.do(Merge("S01", ("S02",))).by_id["S01"]
    assert group.name == "War in the desert"
    assert group.former == ("Guns", "Sand", "War: guns")
    later = replay(Base(BASE.home, {**BASE.names, "S01": "War: quite another word"}), log.entries)
    assert later.by_id["S01"].name == "War in the desert"


def test_a_name_of_discovery_gives_way_to_the_same_name_from_a_person() -> None:
    log = Log()
    log.do(Rename("S03", "Sand"))
    later = replay(Base(BASE.home, {**BASE.names, "S01": "SAND", "S02": "sand"}), log.entries)
    assert [later.by_id[s].name for s in ("S01", "S02", "S03")] == ["SAND (2)", "sand (3)", "Sand"]


def test_what_has_nothing_to_hold_on_to_waits_and_comes_back() -> None:
    log = Log()
    log.do(Rename("S04", "Dogs"))
    log.do(Merge("S01", ("S02",)))
    log.do(Move(("t3",), "S02") if "S02" in log.now.by_id else Move(("t3",), "S01"))
    without = Base({t: "S01" if s == "S04" else s for t, s in BASE.home.items()}, {"S01": "a", "S02": "b", "S03": "c"})
    edited = replay(without, log.entries)
    assert [(w.entry.id, w.because) for w in edited.waiting] == [("E0001", "the sub-genre S04 was not found again")]
    assert replay(BASE, log.entries).by_id["S04"].name == "Dogs"
    fewer = Base({t: s for t, s in BASE.home.items() if t != "t3"}, BASE.names)
    assert replay(fewer, log.entries).waiting[0].because == "its film t3 is not in the run any more"


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (Rename("S01", "war: DESERT"), "S02 is already called “War: desert”"),
        (Rename("S01", "\u200e \n"), "at least one letter"),
        (Rename("S01", "x" * 121), "at most 120 characters"),
        (Rename("S9", "x"), r"There is no sub-genre 'S9'. The atlas has S01, S02, S03, S04"),
        (Merge("S01", ("S01",)), "needs two sub-genres"),
        (Split("S01", "S05", ("t1",)), "t1 is not in S01"),
        (Split("S01", "S05", ("t0", "t4", "t8", "t12", "t16")), "some, but not all, films"),
        (Move(("t99",), "S01"), "There is no film 't99' in this run. Did you mean 't9'"),
        (Move(("t0",), "S01"), "is already in S01 “War: guns”"),
        (Move(("t1", "t5", "t9", "t13"), "S01"), "would leave S02 “War: desert” without films. Merge"),
        (Move(("t3",), "S01"), "S04 “Comedy: dogs” is locked. Unlock it first"),
        (Undo("E0009"), "The history has no E0009; its last entry is E0001"),
        (Undo("7th"), "not an entry of the history"),
        (Accept("S05", ()), "at least one film"),
    ],
)
def test_refusals_say_what_to_do(operation: Operation, says: str) -> None:
    log = Log()
    log.do(Lock("S04", "Comedy: dogs"))
    with pytest.raises(EditError, match=says):
        log.do(operation)


def test_a_name_under_a_lock_is_not_undone() -> None:
    log = Log()
    log.do(Rename("S04", "Dogs"))
    log.do(Lock("S04", "Dogs"))
    with pytest.raises(EditError, match="would change S04 “Dogs”, which is locked"):
        log.do(Undo("E0001"))


def test_an_edit_that_others_rest_on_is_not_undone() -> None:
    log = Log()
    log.do(Split("S01", "S05", ("t0", "t4"), "Part"))
    log.do(Rename("S05", "Better name"))
    with pytest.raises(EditError, match=r"E0002 .* depends on that. Undo E0002 first"):
        log.do(Undo("E0001"))


def test_names_are_the_same_in_every_locale() -> None:
    assert plain_name("Cafe\u0301 noir") == unicodedata.normalize("NFC", "Café noir")
    assert same_name("İSTANBUL") == same_name("istanbul")
    assert same_name("STRASSE") == same_name("straße")
    assert same_name("ﬁlm noir") == same_name("Film Noir")
    assert same_name("kırmızı") != same_name("kirmizi"), "the dotless i is a letter of its own"
    assert subgenre_number("S1") == 0
