"""Imports an edited file: its differences from the current atlas become edits, all or none."""

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
from cinegrain.atlas.run_atlas import RunAtlas
from cinegrain.atlas.sheet import Sheet, read_json_file, read_table_file, write_json_file, write_table_file
from cinegrain.atlas.skos import DEFAULT_BASE, FORMATS, read_skos, write_skos
from cinegrain.errors import ConfigError, EditError

ENDINGS = (".csv", ".json", *FORMATS)


def write_sheet(path: Path, sheet: Sheet, *, base: str = DEFAULT_BASE, language: str = "") -> None:
    """Writes an atlas in the format of the file's extension.

    Raises:
        ConfigError: If the extension is unknown.
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
    """Reads an edited atlas in the format of the file's extension.

    Raises:
        ConfigError: If it cannot be used.
    """
    check_ending(path)
    readers = {".csv": read_table_file, ".json": read_json_file}
    return readers.get(path.suffix.lower(), read_skos)(path)


def check_ending(path: Path) -> None:
    """Checks the extension of a file.

    Raises:
        ConfigError: If it is unknown.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{path.name} has an unknown extension. Use {', '.join(ENDINGS)}.")


def import_sheet(editor: Editor, sheet: Sheet) -> tuple[Entry, ...]:
    """Adds the differences to the log.

    Args:
        editor: Editor; the version of the sheet is expected if the editor expects none.
        sheet: The edited atlas.

    Raises:
        ConflictError: If the atlas was edited after the file was exported.
        EditError: If an edit is not possible; none is made then.
    """
    expected = sheet.version if editor.expected is None else editor.expected
    careful = Editor(editor.run, editor.by, editor.why, expected)
    return careful.edit(lambda atlas, fresh: differences(atlas, sheet, fresh))


def differences(atlas: RunAtlas, sheet: Sheet, fresh: FreshId) -> list[Operation]:
    """Edits that turn an atlas into a sheet; films that it does not list stay where they are.

    Sub-genres left without films are merged into the one that most of their films go to; a new sub-genre that takes
    over a whole one keeps its id.

    Args:
        atlas: The current atlas.
        sheet: The edited atlas.
        fresh: Creates ids of new sub-genres.

    Raises:
        EditError: If the sheet has unknown films or sub-genres.
    """
    now, called = atlas.edited, {card.id: card.name for card in atlas.cards}
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
        if group is not None and (group.name or called.get(group.id)) != name:
            operations.append(Rename(group.id, name))
    open_ = {group.id for group in now.groups if not group.locked}
    return operations + [Lock(key, names[key]) for key, g in sheet.groups.items() if g.locked and key in open_]


@dataclass(frozen=True)
class _Plan:
    """Current and wanted sub-genres of films, and the heirs of sub-genres that vanish."""

    now: Edited
    where: Mapping[str, str]
    wanted: Mapping[str, str]
    heirs: Mapping[str, str]

    def ids_of_new(self, keys: Sequence[str], fresh: FreshId) -> dict[str, str]:
        """Ids of new sub-genres: that of the largest vanishing one most of whose films they get, if any."""
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
    """For each sub-genre without wanted films: where most of its films go."""
    left = set(wanted.values())
    heirs = {}
    for group in now.groups:
        if group.id not in left:
            to = Counter(wanted[trailer] for trailer in group.members if wanted[trailer])
            if not to:
                raise EditError(
                    f"{group.id} “{group.name}” would have no films left, and its films no sub-genre. Give them one."
                )
            heirs[group.id] = to.most_common(1)[0][0]
    return heirs


def _check_known(now: Edited, sheet: Sheet, where: Mapping[str, str]) -> None:
    unknown = [trailer for trailer in sheet.place if trailer not in where]
    if unknown:
        raise EditError(f"The file has films that are not in this run: {counted(unknown)}. Remove their lines.")
    unknown = [key for key in sheet.groups if not key.startswith("=") and key not in now.by_id]
    if unknown:
        raise EditError(
            f"The file has the sub-genre {unknown[0]!r}, which is not in this atlas. For a new sub-genre, leave the id "
            "empty and give a name."
        )
    gone = [t for t, key in sheet.place.items() if not key and where[t]]
    if gone:
        raise EditError(f"The file has no sub-genre for {counted(gone)}. Give them one, or remove their lines.")
    names = [same_name(group.name) for group in sheet.groups.values()]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise EditError(f"The file has two sub-genres called “{twice[0]}”. Give them different names.")
