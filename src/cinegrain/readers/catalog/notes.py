"""Sentences about oddities, a handful of each kind."""

HANDFUL = 5


class Notes:
    """Collects sentences; of one kind only the first few are kept, the others counted."""

    def __init__(self) -> None:
        """Nothing noted yet."""
        self._kept: dict[str, list[str]] = {}
        self._more: dict[str, int] = {}

    def add(self, sentence: str, kind: str = "") -> None:
        """Notes a sentence.

        Args:
            sentence: A plain sentence that names the place.
            kind: Completes "and 7 more ..." for sentences that may be many; empty for one that is not counted.
        """
        kept = self._kept.setdefault(kind or sentence, [])
        if len(kept) < HANDFUL and sentence not in kept:
            kept.append(sentence)
        elif kind:
            self._more[kind] = self._more.get(kind, 0) + 1

    @property
    def sentences(self) -> tuple[str, ...]:
        """All notes, in the order in which their kinds first occurred."""
        found: list[str] = []
        for kind, kept in self._kept.items():
            found += kept
            if kind in self._more:
                found.append(f"and {self._more[kind]:,} more {kind}")
        return tuple(found)


def some(names: list[str]) -> str:
    """The first few names, quoted.

    >>> some(["a", "b"]), some(list("abcdefg"))
    ("'a', 'b'", "'a', 'b', 'c', 'd', 'e' and 2 more")
    """
    more = f" and {len(names) - HANDFUL} more" if len(names) > HANDFUL else ""
    return ", ".join(map(repr, names[:HANDFUL])) + more
