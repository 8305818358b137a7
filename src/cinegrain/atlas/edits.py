"""Operations on an atlas, and entries of the log, as plain values."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cinegrain.errors import EditError

MAX_NAME_CHARS, MAX_REASON_CHARS = 120, 1000
_INVISIBLE = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))  # control, surrogate, private, unassigned, line breaks
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # change the direction of text


@dataclass(frozen=True)
class Rename:
    """Renames a sub-genre; later discoveries keep the name."""

    subgenre: str
    name: str
    do: Literal["rename"] = "rename"


@dataclass(frozen=True)
class Merge:
    """Merges other sub-genres into one, now and in later discoveries."""

    into: str
    others: tuple[str, ...]
    do: Literal["merge"] = "merge"


@dataclass(frozen=True)
class Split:
    """Moves films of a sub-genre into a new one; without a name, it is named by its terms."""

    subgenre: str
    new: str
    trailers: tuple[str, ...]
    name: str = ""
    do: Literal["split"] = "split"


@dataclass(frozen=True)
class Move:
    """Moves films to a sub-genre."""

    trailers: tuple[str, ...]
    to: str
    do: Literal["move"] = "move"


@dataclass(frozen=True)
class Lock:
    """Protects a sub-genre's films and name from later discoveries and edits."""

    subgenre: str
    name: str
    do: Literal["lock"] = "lock"


@dataclass(frozen=True)
class Accept:
    """Makes a new sub-genre of new films."""

    new: str
    trailers: tuple[str, ...]
    name: str = ""
    do: Literal["accept"] = "accept"


@dataclass(frozen=True)
class Undo:
    """Undoes an earlier entry; an undo may itself be undone."""

    entry: str
    do: Literal["undo"] = "undo"


Operation: TypeAlias = Rename | Merge | Split | Move | Lock | Accept | Undo


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    Attributes:
        id: `E0001`, `E0002` and so on, without gaps.
        at: Time, UTC, such as 2026-11-25T09:12:03Z.
        by: Editor.
        why: Reason; may be empty.
        said: The edit as a sentence with the names at that time.
        operation: The operation.
    """

    id: str
    at: str
    by: str
    why: str
    said: str
    operation: Operation

    @property
    def number(self) -> int:
        """Position in the log, from 1; that of the last entry is the version of the atlas."""
        return entry_number(self.id)


def entry_id(number: int) -> str:
    """`E0007` for 7."""
    return f"E{number:04d}"


def entry_number(entry: str) -> int:
    """7 for `E0007` or `e7`.

    Raises:
        EditError: If it is not an id of an entry.
    """
    found = re.fullmatch(r"[Ee]0*([1-9][0-9]{0,8})", entry.strip())
    if found is None:
        raise EditError(f"{entry!r} is not an entry of the history. Entries are numbered E0001, E0002 and so on.")
    return int(found.group(1))


def subgenre_id(number: int) -> str:
    """`S07` for 7."""
    return f"S{number:02d}"


def subgenre_number(subgenre: str) -> int:
    """7 for `S07`; 0 for anything else."""
    found = re.fullmatch(r"S([0-9]{2,9})", subgenre)
    return int(found.group(1)) if found else 0


def plain_line(text: str, longest: int) -> str:
    """Text as one line in Unicode NFC without invisible characters.

    Raises:
        EditError: If it is too long.
    """
    kept = "".join(
        " " if c.isspace() else c
        for c in unicodedata.normalize("NFC", text)
        if c.isspace() or (unicodedata.category(c) not in _INVISIBLE and c not in _DIRECTIONS)
    )
    line = " ".join(kept.split())
    if len(line) > longest:
        raise EditError(f"The text may have at most {longest} characters, but has {len(line)}: {line[:40]!r} ...")
    return line


def plain_name(text: str) -> str:
    """A name for a sub-genre, cleaned.

    Raises:
        EditError: If it has no letter or digit, or is too long.
    """
    name = plain_line(text, MAX_NAME_CHARS)
    if not any(c.isalnum() for c in name):
        raise EditError(f"{text!r} is not a name. Use at least one letter or digit.")
    return name


def same_name(name: str) -> str:
    """Key that is equal for names that differ only in case, spacing or character width, in any locale.

    >>> same_name("Film  Noir") == same_name("film noir"), same_name("İstanbul") == same_name("istanbul")
    (True, True)
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.replace("i\u0307", "i").split())  # Turkish dotted capital I


def counted(trailers: Sequence[str], most: int = 3) -> str:
    """Film ids for a sentence: the first few, then the number of others.

    >>> counted(["a", "b"]), counted(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    if len(trailers) > most:
        return f"{', '.join(trailers[:most])} and {len(trailers) - most} more"
    return " and ".join(part for part in (", ".join(trailers[:-1]), trailers[-1]) if part) if trailers else "no film"
