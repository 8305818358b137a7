"""What a person may ask of an atlas, as plain values: operations, and the entries of the log that keeps them."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cinegrain.errors import EditError

LONGEST_NAME, LONGEST_REASON = 120, 1000
_INVISIBLE = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))  # control, surrogate, private, unassigned, line breaks
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # would turn the text around them


@dataclass(frozen=True)
class Rename:
    """Gives a sub-genre a name that no later discovery replaces."""

    subgenre: str
    name: str
    do: Literal["rename"] = "rename"


@dataclass(frozen=True)
class Merge:
    """Says that other sub-genres are the same as one, now and in later discoveries."""

    into: str
    others: tuple[str, ...]
    do: Literal["merge"] = "merge"


@dataclass(frozen=True)
class Split:
    """Takes films out of a sub-genre into a new one; an empty name leaves the naming to the words."""

    subgenre: str
    new: str
    trailers: tuple[str, ...]
    name: str = ""
    do: Literal["split"] = "split"


@dataclass(frozen=True)
class Move:
    """Puts films where a person wants them."""

    trailers: tuple[str, ...]
    to: str
    do: Literal["move"] = "move"


@dataclass(frozen=True)
class Lock:
    """Keeps a sub-genre's films and its name through every later discovery, and from further edits."""

    subgenre: str
    name: str
    do: Literal["lock"] = "lock"


@dataclass(frozen=True)
class Accept:
    """Makes a new sub-genre of films that fitted nowhere."""

    new: str
    trailers: tuple[str, ...]
    name: str = ""
    do: Literal["accept"] = "accept"


@dataclass(frozen=True)
class Undo:
    """Takes an earlier entry back; an undo may itself be undone."""

    entry: str
    do: Literal["undo"] = "undo"


Operation: TypeAlias = Rename | Merge | Split | Move | Lock | Accept | Undo


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    Attributes:
        id: `E0001`, `E0002` and so on, without a gap.
        at: When, UTC, as 2026-11-25T09:12:03Z.
        by: Who.
        why: A reason in the editor's words; may be empty.
        said: The edit as a sentence with the names of that time, so that a history reads well years later.
        operation: What.
    """

    id: str
    at: str
    by: str
    why: str
    said: str
    operation: Operation

    @property
    def number(self) -> int:
        """Its place in the log, from 1; the number of the last entry is the atlas' version."""
        return entry_number(self.id)


def entry_id(number: int) -> str:
    """`E0007` for 7."""
    return f"E{number:04d}"


def entry_number(entry: str) -> int:
    """7 for `E0007`; also for `e7`, as people type it.

    Raises:
        EditError: If it is no such id.
    """
    found = re.fullmatch(r"[Ee]0*([1-9][0-9]{0,8})", entry.strip())
    if found is None:
        raise EditError(f"{entry!r} is no entry of the history. Entries are called E0001, E0002 and so on.")
    return int(found.group(1))


def subgenre_id(number: int) -> str:
    """`S07` for 7."""
    return f"S{number:02d}"


def subgenre_number(subgenre: str) -> int:
    """7 for `S07`; 0 for what is no such id."""
    found = re.fullmatch(r"S([0-9]{2,9})", subgenre)
    return int(found.group(1)) if found else 0


def plain_line(text: str, longest: int) -> str:
    """Text as one line in Unicode NFC without anything invisible.

    Raises:
        EditError: If it is longer than that.
    """
    kept = "".join(
        " " if c.isspace() else c
        for c in unicodedata.normalize("NFC", text)
        if c.isspace() or (unicodedata.category(c) not in _INVISIBLE and c not in _DIRECTIONS)
    )
    line = " ".join(kept.split())
    if len(line) > longest:
        raise EditError(f"At most {longest} characters fit; found {len(line)}: {line[:40]!r} ...")
    return line


def plain_name(text: str) -> str:
    """A name for a sub-genre, cleaned.

    Raises:
        EditError: If nothing is left of it, or it is too long.
    """
    name = plain_line(text, LONGEST_NAME)
    if not any(c.isalnum() for c in name):
        raise EditError(f"A name needs at least one letter or digit; found {text!r}.")
    return name


def same_name(name: str) -> str:
    """What two names share if a person would take them for one: no case, no marks of width, in any locale.

    >>> same_name("Film  Noir") == same_name("film noir"), same_name("İstanbul") == same_name("istanbul")
    (True, True)
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.replace("i\u0307", "i").split())  # the dotted capital I of Turkish


def counted(trailers: Sequence[str], most: int = 3) -> str:
    """Films in a sentence: the first few by id, then how many more.

    >>> counted(["a", "b"]), counted(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    if len(trailers) > most:
        return f"{', '.join(trailers[:most])} and {len(trailers) - most} more"
    return " and ".join(part for part in (", ".join(trailers[:-1]), trailers[-1]) if part) if trailers else "no film"
