"""An edited file becomes edits: only what differs from the atlas as it is now, all of it or nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinegrain.atlas.edit import Editor, FreshId
from cinegrain.atlas.edits import (
    Accept,
    Entry,
    Lock,
    Merge,
    Move,
    Operation,
    Rename,
    counted,
    plain_name,
    same_name,
)
from cinegrain.atlas.edits_replay import Edited
from cinegrain.atlas.sheet import Sheet, read_json_file, read_table_file, write_json_file, write_table_file
from cinegrain.atlas.skos import DEFAULT_BASE, FORMATS, read_skos, write_skos
from cinegrain.errors import ConfigError, EditError

ENDINGS = (".csv", ".json", *FORMATS)


def write_sheet(path: Path, sheet: Sheet, *, base: str = DEFAULT_BASE, language: str = "") -> None:
    """Writes an atlas by the file's ending.

    Raises:
        ConfigError: If it ends otherwise.
        StoreError: If it cannot be written.
    """
    check_ending(path)
    if path.suffix.lower() == ".csv":
        write_table_file(path, sheet)
    elif path.suffix.lower() == ".json":
        write_json_file(path, sheet)
    else:
        write_skos(path, sheet, base=base, language=language)


def read_sheet(path: Path) -> Sheet:
    """Reads an edited atlas by the file's ending.

    Raises:
        ConfigError: If it cannot be used.
    """
    check_ending(path)
    readers = {".csv": read_table_file, ".json": read_json_file}
    return readers.get(path.suffix.lower(), read_skos)(path)


def check_ending(path: Path) -> None:
    """Refuses a file of another kind.

    Raises:
        ConfigError: Naming the kinds there are.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"The file must end in {', '.join(ENDINGS)}; found {path.name}.")


def import_sheet(editor: Editor, sheet: Sheet) -> tuple[Entry, ...]:
    """Adds what differs to the log.

    Args:
        editor: Who imports; a sheet's own version is expected if the editor expects none.
        sheet: What is wanted.

    Raises:
        ConflictError: If somebody edited the atlas since the file was exported.
        EditError: If the atlas cannot take it; then nothing of it is taken.
    """
    expected = sheet.version if editor.expected is None else editor.expected
    careful = Editor(editor.run, editor.by, editor.why, expected)
    return careful.edit(lambda edited, fresh: differences(edited, sheet, fresh))


def differences(now: Edited, sheet: Sheet, fresh: FreshId) -> list[Operation]:
    """The edits that make of an atlas what a sheet says; films that it does not name stay where they are.

    Sub-genres that are left without films become part of the one that most of their films go to; new ones that take
    over a whole sub-genre keep its id.

    Args:
        now: The atlas.
        sheet: What is wanted.
        fresh: Gives the id of a new sub-genre.

    Raises:
        EditError: If the sheet names films or sub-genres that are not there.
    """
    where = {**dict.fromkeys(now.unplaced, ""), **now.group_of}
    _check_known(now, sheet, where)
    wanted = {trailer: sheet.place.get(trailer, group) for trailer, group in where.items()}
    goes = _heirs(now, wanted)
    plan = _Plan(now, where, wanted, goes)
    new = [key for key in sheet.groups if key.startswith("=")]
    names = {key: plain_name(group.name) for key, group in sheet.groups.items()}
    ids = plan.ids_of_new(new, fresh)
    operations: list[Operation] = []
    for key in new:
        films = tuple(trailer for trailer, to in wanted.items() if to == key)
        if films and ids[key] not in now.by_id:
            operations.append(Accept(ids[key], films, names[key]))
    operations += plan.moves(ids)
    operations += plan.merges(ids)
    for key, name in names.items():
        group = now.by_id.get(ids.get(key, key))
        if group is not None and group.name != name:
            operations.append(Rename(group.id, name))
    open_ = {group.id for group in now.groups if not group.locked}
    return operations + [Lock(key, names[key]) for key, g in sheet.groups.items() if g.locked and key in open_]


@dataclass(frozen=True)
class _Plan:
    """Where films are (`where`), where they are wanted, and who inherits the films of sub-genres that vanish."""

    now: Edited
    where: Mapping[str, str]
    wanted: Mapping[str, str]
    heirs: Mapping[str, str]

    def ids_of_new(self, keys: Sequence[str], fresh: FreshId) -> dict[str, str]:
        """A new sub-genre that most films of a vanishing one go to keeps the id of the biggest such."""
        ids = {}
        for key in keys:
            given_up = [id_ for id_, heir in self.heirs.items() if heir == key]
            biggest = max(given_up, key=lambda id_: len(self.now.by_id[id_].members), default="")
            ids[key] = biggest or (fresh() if key in self.wanted.values() else "")
        return ids

    def moves(self, ids: Mapping[str, str]) -> list[Move]:
        by_target: dict[str, list[str]] = {}
        for trailer, key in self.wanted.items():
            old, to = self.where[trailer], ids.get(key, key)
            made_of_them = key in ids and to not in self.now.by_id
            inherited = old in self.heirs and self.heirs[old] == key
            if to and to != old and not made_of_them and not inherited:
                by_target.setdefault(to, []).append(trailer)
        return [Move(tuple(trailers), to) for to, trailers in by_target.items()]

    def merges(self, ids: Mapping[str, str]) -> list[Merge]:
        by_target: dict[str, list[str]] = {}
        for id_, key in self.heirs.items():
            to = ids.get(key, key)
            if to != id_:
                by_target.setdefault(to, []).append(id_)
        return [Merge(to, tuple(others)) for to, others in by_target.items()]


def _heirs(now: Edited, wanted: Mapping[str, str]) -> dict[str, str]:
    """For each sub-genre that no film is wanted in: where most of its films go."""
    left = set(wanted.values())
    heirs = {}
    for group in now.groups:
        if group.id not in left:
            to = Counter(wanted[trailer] for trailer in group.members if wanted[trailer])
            if not to:
                raise EditError(
                    f"{group.id} “{group.name}” would lose all its films to nowhere. Give them a sub-genre."
                )
            heirs[group.id] = to.most_common(1)[0][0]
    return heirs


def _check_known(now: Edited, sheet: Sheet, where: Mapping[str, str]) -> None:
    unknown = [trailer for trailer in sheet.place if trailer not in where]
    if unknown:
        raise EditError(f"The file names films that this run does not have: {counted(unknown)}. Remove their lines.")
    unknown = [key for key in sheet.groups if not key.startswith("=") and key not in now.by_id]
    if unknown:
        raise EditError(
            f"The file has the sub-genre {unknown[0]!r}, which this atlas does not have. For a new sub-genre leave the "
            "id empty and give a name."
        )
    gone = [t for t, key in sheet.place.items() if not key and where[t]]
    if gone:
        raise EditError(f"The file takes {counted(gone)} out of every sub-genre. Give them one, or remove their lines.")
    names = [same_name(group.name) for group in sheet.groups.values()]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise EditError(f"The file has two sub-genres called “{twice[0]}”. Give each its own name.")
