"""Finds a film of a run by id or title."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cinegrain.atlas.edits import counted, same_name
from cinegrain.errors import NotFoundError
from cinegrain.media.files import text_path
from cinegrain.media.remote import source
from cinegrain.types import Source
from cinegrain.urls import is_address

_COMPARED = 20_000  # names compared with a misspelt one; at most a second


@dataclass(frozen=True, eq=False)
class FilmNames:
    """Ids and titles of films, both of length n.

    >>> names = FilmNames(["f1", "f2", "f3"], ["Heat", "HEAT", "Ran"])
    >>> names.row("f2"), names.row("HEAT"), names.row("ran")
    (1, 1, 2)
    >>> names.row("heat")
    Traceback (most recent call last):
    cinegrain.errors.NotFoundError: 2 films are called 'heat': f1 and f2. Name one by its id.
    """

    ids: Sequence[str]
    titles: Sequence[str]

    def row(self, name: str) -> int:
        """Row of a film by exact id, else exact title, else title in any case.

        Raises:
            NotFoundError: If there is none (with the most similar name) or several (with their ids).
        """
        row = self._one(name)
        if row is None:
            raise self.unknown(name)
        return row

    def row_or_file(self, name: str) -> int | Source:
        """Row of a film as by `row`, or else a file or URL.

        Raises:
            NotFoundError: If it is neither.
        """
        row = self._one(name)
        if row is not None:
            return row
        if is_address(name) or text_path(name).exists():
            return source(name)
        raise self.unknown(name, " and no file of that name")

    def unknown(self, name: str, besides: str = "") -> NotFoundError:
        """Message for a name that no film has."""
        known = {same_name(other): other for other in (*self.titles[:_COMPARED], *self.ids[:_COMPARED])}
        near = [known[other] for other in difflib.get_close_matches(same_name(name), known, 1)]
        hint = f"Did you mean {near[0]!r}?" if near else f"Films are, for example: {', '.join(self.ids[:3])}."
        return NotFoundError(f"There is no film {name!r} in this run{besides}. {hint}")

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each film by id."""
        return {id_: row for row, id_ in enumerate(self.ids)}

    def _one(self, name: str) -> int | None:
        if name in self.rows:
            return self.rows[name]
        folded = same_name(name)
        alike = [row for row, title in enumerate(self.titles) if title == name]
        alike = alike or [row for row, title in enumerate(self.titles) if same_name(title) == folded]
        if len(alike) > 1:
            listed = counted([self.ids[row] for row in alike])
            raise NotFoundError(f"{len(alike)} films are called {name!r}: {listed}. Name one by its id.")
        return alike[0] if alike else None
